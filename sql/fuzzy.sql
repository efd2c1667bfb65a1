-- fuzzy.sql: how alike two texts are, and the join of two tables whose names differ in spelling.
--
--   SELECT similarity('Reykjavík', 'Reykjavik');                      --> 0.89
--   SELECT similarity('Reykjavík', 'REYKJAVIK', 1);                   --> 0.89
--   SELECT similarity('Köln', 'Cologne');                             --> 0.36
--   SELECT similarity('airport', NULL) IS NULL;                       --> 1
--   SELECT similarity_tokens('Marco Polo Venice', 'Venice, Marco Polo');  --> 1.0
--
-- The nearest name for each of the wanted: with max(), SQLite takes the other columns from the row that has it.
--
--   CREATE TABLE wanted(name TEXT);
--   CREATE TABLE city(name TEXT);
--   INSERT INTO wanted VALUES('Sao Paolo'), ('Kopenhagen');
--   INSERT INTO city VALUES('São Paulo'), ('Copenhagen'), ('Porto'), ('Hagen');
--   SELECT group_concat(w || '=' || c) FROM (SELECT w.name AS w, c.name AS c, max(similarity(w.name, c.name)) FROM wanted w, city c GROUP BY w.name ORDER BY 1);  --> Kopenhagen=Copenhagen,Sao Paolo=São Paulo

SELECT python_define('
  import re
  from difflib import SequenceMatcher
  from pyudf import udf

  # SequenceMatcher keeps what it knows of its second text: worth much where one text is compared with many.
  _matcher = SequenceMatcher(autojunk=False)
  _second = None

  def _ratio(a, b):
      global _second
      if b != _second:
          _matcher.set_seq2(b)
          _second = b
      _matcher.set_seq1(a)
      return round(_matcher.ratio(), 2)

  # From 0 (nothing in common) to 1 (the same).
  @udf(deterministic=True, null_call=False)
  def similarity(a: str, b: str, ignore_case: bool = False) -> float:
      return _ratio(a.lower(), b.lower()) if ignore_case else _ratio(a, b)

  # The same without regard to case, punctuation and the order of words.
  @udf(deterministic=True, null_call=False)
  def similarity_tokens(a: str, b: str) -> float:
      return _ratio(*(" ".join(sorted(re.findall(r"\w+", text.lower()))) for text in (a, b)))
');
