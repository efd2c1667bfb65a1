-- Python functions in SQL, on the airports of the world. From the build folder:   sqlite3 < ../sql/demo.sql
-- It prints the same in both modes:              PYUDF_EXECUTION_MODE=thread sqlite3 < ../sql/demo.sql

.load ./pyudf
CREATE TABLE airport(iata TEXT PRIMARY KEY, icao, name, city, subd, country, elevation INT, lat REAL, lon REAL, tz);
.import --csv --skip 1 "|cat ${PYUDF_SOURCE:-..}/sql/data/airports.csv" airport
.mode box
.headers on
SELECT count(*) AS airports, count(DISTINCT country) AS countries FROM airport;

.print
.print 1. A function from an expression. It may name any module.
.print
SELECT python_define('plain', 'lambda s: unicodedata.normalize("NFKD", s).encode("ascii", "ignore").decode()') AS defined;
SELECT iata, name, plain(name) AS name_on_any_keyboard FROM airport
WHERE plain(name) <> name AND country IN ('ES', 'TR', 'VN') ORDER BY country DESC, iata LIMIT 4;

.print
.print 2. Functions from a piece of Python. Arguments with a default may be left out.
.print
SELECT python_define('
  from math import asin, cos, hypot, radians, sin

  _radius = {"km": 6371.0, "mi": 3958.8}

  def distance(lat1, lon1, lat2, lon2, unit="km"):
      lat1, lon1, lat2, lon2 = map(radians, (lat1, lon1, lat2, lon2))
      half = hypot(sin((lat2 - lat1) / 2), (cos(lat1) * cos(lat2)) ** 0.5 * sin((lon2 - lon1) / 2))
      return 2 * _radius[unit] * asin(min(1, half))

  def dms(degrees, signs):
      minutes, seconds = divmod(round(abs(degrees) * 3600), 60)
      return "%d°%02d′%02d″%s" % (*divmod(minutes, 60), seconds, signs[degrees < 0])
') AS defined;

.print
.print The three airports nearest to Singapore Changi, and the farthest one:
CREATE TEMP TABLE flight AS
SELECT b.*, distance(a.lat, a.lon, b.lat, b.lon) AS km, distance(a.lat, a.lon, b.lat, b.lon, 'mi') AS miles
FROM airport a, airport b WHERE a.iata = 'SIN' AND b.iata <> 'SIN';
WITH chosen AS (
  SELECT *, row_number() OVER (ORDER BY km) AS near, row_number() OVER (ORDER BY km DESC) AS far FROM flight
)
SELECT iata, name, country, round(km) AS km, round(miles) AS miles, dms(lat, 'NS') AS latitude, dms(lon, 'EW') AS longitude
FROM chosen WHERE near <= 3 OR far = 1 ORDER BY near;

.print
.print 3. Functions from the standard library, under names of your choice.
.print
SELECT python_import('unicodedata', 'name as letter_name') AS imported;

.print
.print Letters beyond ASCII in the names of Icelandic airports:
WITH RECURSIVE letter(rest, c) AS (
  SELECT group_concat(name, ''), '' FROM airport WHERE country = 'IS'
  UNION ALL SELECT substr(rest, 2), substr(rest, 1, 1) FROM letter WHERE rest <> ''
)
SELECT c AS letter, letter_name(c) AS name, count(*) AS uses FROM letter WHERE c > '~' GROUP BY c ORDER BY uses DESC, c LIMIT 4;

.print
.print 4. A dict or a list becomes JSON, for ->> and json_each.
.print
SELECT python_define('parse_name', '
  import re
  _kind = re.compile(r"(.+?) ((?:(?:Regional|International|Municipal|County) )?(?:Airport|Airfield|Air Base))")

  def parse(name):
      found = _kind.fullmatch(name)
      return found and {"place": re.split(" ?/ ?", found[1]), "kind": found[2]}
') AS defined;
SELECT iata, parse_name(name) AS parsed FROM airport WHERE iata IN ('OSL', 'YHU', 'KIX') ORDER BY iata;
SELECT parse_name(name) ->> 'kind' AS kind, count(*) AS airports FROM airport GROUP BY 1 ORDER BY airports DESC LIMIT 3;

.print
.print 5. An aggregate function. Any of them is a window function too.
.print
SELECT python_define('
  import statistics
  from pyudf import udaf

  @udaf(null_call=False)
  def middle(values):
      values = list(values)
      return statistics.median(values) if values else None
') AS defined;
SELECT country, count(*) AS airports, middle(elevation) AS middle_elevation, max(elevation) AS highest FROM airport
GROUP BY country HAVING airports >= 20 ORDER BY middle_elevation DESC LIMIT 3;
SELECT iata, name, elevation, middle(elevation) OVER (ORDER BY lat ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS among_three
FROM airport WHERE country = 'NP' ORDER BY lat LIMIT 3;

.print
.print 6. A generator is a table function; python_map runs a function over the rows of a query, on all processors.
.print
SELECT python_define('
  import re
  from pyudf import udtf

  @udtf(columns=["word", "place INTEGER"])
  def words(text):
      yield from ((word, i) for i, word in enumerate(re.findall(r"\w+", text), 1))
') AS defined;
SELECT word, count(*) AS airports, count(DISTINCT country) AS countries FROM airport, words(airport.name)
WHERE place = 1 GROUP BY word ORDER BY airports DESC, word LIMIT 3;
SELECT key AS iata, value ->> 'place' AS place FROM python_map('parse_name', 'SELECT iata, name FROM airport')
WHERE value ->> 'kind' = 'Air Base' ORDER BY key LIMIT 3;

.print
.print 7. An exception ends the statement, or gives NULL if you say so. python_errors keeps it.
.print
SELECT python_define('initials', 'lambda s: "".join(word[0] for word in s.split(" "))') AS defined;
UPDATE python_settings SET value = 'null' WHERE name = 'python_on_error';
SELECT iata, name, initials(name) AS initials FROM airport WHERE iata IN ('BFF', 'JFK', 'YBP') ORDER BY iata;
SELECT function, type, message, file, line FROM python_errors ORDER BY id DESC LIMIT 1;

.print
.print 8. Define it again, and it is another function from the next call on.
.print
SELECT python_define('initials', 'lambda s: "".join(word[0] for word in s.split())') AS defined;
SELECT iata, name, initials(name) AS initials FROM airport WHERE iata IN ('BFF', 'JFK', 'YBP') ORDER BY iata;

.print
.print 9. What there is, and what it has done.
.print
SELECT name, arguments, calls, errors FROM python_functions;
