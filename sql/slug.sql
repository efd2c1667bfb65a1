-- slug.sql: plain ASCII from any Latin text, and the part of a URL that is made of it.
--
--   SELECT slug('Þingeyri (Thingeyri) Airport');      --> thingeyri-thingeyri-airport
--   SELECT slug('Ærøskøbing', '_');                   --> aeroskobing
--   SELECT slug('Straße nach Łódź', '_');             --> strasse_nach_lodz
--   SELECT ascii_fold('Málaga, Thọ Xuân');            --> Malaga, Tho Xuan
--   SELECT slug(NULL) IS NULL;                        --> 1
--
-- Both may be used in indexes, views and generated columns:
--
--   CREATE TABLE post(title TEXT, slug AS (slug(title)));
--   CREATE UNIQUE INDEX post_slug ON post(slug);
--   INSERT INTO post VALUES('Hello, World!');
--   SELECT slug FROM post;                            --> hello-world

SELECT python_define('
  import re
  import unicodedata
  from pyudf import udf

  # Letters that Unicode does not take apart into a base letter and a mark.
  _LETTERS = str.maketrans({
      "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ð": "d", "Ð": "D",
      "đ": "d", "Đ": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "–": "-", "—": "-"})

  @udf(deterministic=True, direct_only=False, null_call=False)
  def ascii_fold(text: str) -> str:
      text = unicodedata.normalize("NFKD", text.translate(_LETTERS))
      return text.encode("ascii", "ignore").decode()

  @udf(deterministic=True, direct_only=False, null_call=False)
  def slug(text: str, separator: str = "-") -> str:
      return re.sub("[^a-z0-9]+", separator, ascii_fold(text).lower()).strip(separator)
');
