-- csv.sql: CSV that lies in a column, or in a file, as rows; joined to where it came from.
--
--   CREATE TABLE upload(id INTEGER PRIMARY KEY, sender TEXT, body TEXT);
--   INSERT INTO upload VALUES(1, 'ada', 'name,born' || char(10) || 'Ada,1815' || char(10) || '"Babbage, Charles",1791'), (2, 'bob', 'name;born' || char(10) || 'Curry;1900'), (3, 'eve', '');
--   SELECT group_concat(line || ' ' || name || '=' || value, '; ') FROM upload, csv_fields(body) WHERE id = 1;  --> 2 name=Ada; 2 born=1815; 3 name=Babbage, Charles; 3 born=1791
--   SELECT sender, r.fields ->> 'name' FROM upload u, csv_rows(u.body, ';') r WHERE u.id = 2;  --> bob|Curry
--   SELECT sum(r.fields ->> 'born'), count(*) FROM upload u JOIN csv_rows(u.body) r WHERE u.sender = 'ada';  --> 3606|2
--   SELECT u.id, count(r.line) FROM upload u LEFT JOIN csv_rows(u.body) r WHERE u.id = 3;  --> 3|0
--   SELECT * FROM csv_file('/no/such/file.csv');  --> ERROR No such file or directory: '/no/such/file.csv'

SELECT python_define('
  import csv, io
  from pyudf import udtf

  def _rows(lines, delimiter):
      reader = csv.reader(lines, delimiter=delimiter, strict=True)
      names = next(reader, [])
      for fields in reader:
          if fields:
              yield reader.line_num, names, fields

  def _as_json(rows):
      for line, names, fields in rows:
          yield line, dict(zip(names, fields))

  # A row for each line behind the one with the names, its fields as JSON.
  @udtf(columns=["line INTEGER", "fields"], null_call=False)
  def csv_rows(text, delimiter=","):
      yield from _as_json(_rows(io.StringIO(text, newline=""), delimiter))

  # A row for each field.
  @udtf(columns=["line INTEGER", "name TEXT", "value TEXT"], null_call=False)
  def csv_fields(text, delimiter=","):
      for line, names, fields in _rows(io.StringIO(text, newline=""), delimiter):
          for name, value in zip(names, fields):
              yield line, name, value

  # The same as csv_rows of a file, which is read as the rows are wanted.
  @udtf(columns=["line INTEGER", "fields"], null_call=False)
  def csv_file(path, delimiter=",", encoding="utf-8"):
      with open(path, newline="", encoding=encoding) as file:
          yield from _as_json(_rows(file, delimiter))
');
