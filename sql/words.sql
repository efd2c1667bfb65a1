-- words.sql: the words of texts as rows, and a count of them, on all processors where there are many texts.
--
--   CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT);
--   INSERT INTO note VALUES(1, 'To be, or not to be: that is the question.'), (2, 'It is what it is.'), (3, NULL);
--   SELECT group_concat(word, ' ') FROM words('Don''t panic, it''s 42!');  --> don't panic it's 42
--   SELECT group_concat(word || '=' || n, ' ') FROM (SELECT word, count(*) AS n FROM note, words(note.text) GROUP BY word HAVING n > 1 ORDER BY n DESC, word);  --> is=3 be=2 it=2 to=2
--   SELECT id, count(word) FROM note LEFT JOIN words(note.text) GROUP BY id ORDER BY count(word) LIMIT 1;  --> 3|0
--
-- The same of a big table: each text goes to one of the workers.
--
--   CREATE VIRTUAL TABLE temp.word_of_note USING python_map(words, 'SELECT id, text FROM note');
--   SELECT group_concat(key || ':' || word, ' ') FROM word_of_note WHERE position = 1;  --> 1:to 2:it

SELECT python_define('
  import re
  from pyudf import udtf

  _WORD = re.compile(r"[^\W_]+(?:[\x27\u2019][^\W_]+)*")

  # In lower case, with the place of each in the text, from 1.
  @udtf(columns=["word TEXT", "position INTEGER"], null_call=False)
  def words(text):
      for position, match in enumerate(_WORD.finditer(text.lower()), 1):
          yield match[0], position
');
