-- regex.sql: Python's regular expressions. What matched comes as JSON, for ->> and json_each.
--
--   SELECT re_match('(?P<h>\d+):(?P<m>\d+)', 'at 10:45') ->> 'm';      --> 45
--   SELECT re_match('(?P<h>\d+):(?P<m>\d+)', 'at noon') IS NULL;       --> 1
--   SELECT re_match('(\d+):(\d+)', 'at 10:45') ->> 0;                  --> 10
--   SELECT re_all('[A-Z]{3}', 'from SIN to KEF');                      --> ["SIN","KEF"]
--   SELECT re_sub('\s+', ' ', 'too    many     spaces');               --> too many spaces
--   SELECT re_sub('(\w+) (\w+)', '\2 \1', 'Changi Singapore');         --> Singapore Changi
--   SELECT group_concat(value, '|') FROM json_each(re_split('\s*[/,]\s*', 'Digby / Annapolis, NS'));  --> Digby|Annapolis|NS

SELECT python_define('
  import re

  # The first match anywhere: {group: text} where groups have names, else [text, ...]; NULL without a match.
  def re_match(pattern, text):
      found = re.search(pattern, text)
      return found and (found.groupdict() or found.groups() or [found.group()])

  def re_all(pattern, text):
      return re.findall(pattern, text)

  def re_split(pattern, text):
      return re.split(pattern, text)

  def re_sub(pattern, replacement, text):
      return re.sub(pattern, replacement, text)
');
