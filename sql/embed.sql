-- embed.sql: texts as vectors, and which of them are alike. The vectors count trigrams of letters; where you have a
-- model, its call takes the place of _vectors. Needs NumPy.
--
--   CREATE TABLE doc(id INTEGER PRIMARY KEY, text TEXT, vector BLOB);
--   INSERT INTO doc(text) VALUES('the cat sat on the mat'), ('a cat sits on a mat'), ('stock prices fell sharply'), (NULL);
--   UPDATE doc SET vector = embed(text);
--   SELECT group_concat(length(vector)) FROM doc;                     --> 512,512,512
--   SELECT round(cosine(vector, vector), 3) FROM doc WHERE id = 1;    --> 1.0
--   SELECT b.id FROM doc a, doc b WHERE a.id = 1 AND b.id <> 1 ORDER BY cosine(a.vector, b.vector) DESC LIMIT 1;  --> 2
--
-- Many texts go through python_map, some thousand at a time, to all workers: here 100000.
--
--   CREATE TEMP TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i, printf('text number %d of %x', i, i * 7919) AS text FROM n;
--   CREATE TEMP TABLE vectors AS SELECT key AS i, value AS vector FROM python_map('embed', 'SELECT i, text FROM many');
--   SELECT count(*), sum(length(vector)) FROM vectors;                --> 100000|51200000
--   SELECT count(*) FROM vectors JOIN many USING (i) WHERE i % 997 = 0 AND vector <> embed(text);  --> 0

SELECT python_define('
  import numpy as np
  from pyudf import udf

  _SIZE = 128

  # One vector a text, of length 1.
  def _vectors(texts):
      lengths = np.array([len(text) for text in texts])
      letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
      owner = np.repeat(np.arange(len(texts)), lengths)
      kinds = letters[:-2] * 31 * 31 + letters[1:-1] * 31 + letters[2:]
      inside = owner[:-2] == owner[2:]
      places = owner[:-2][inside] * _SIZE + (kinds[inside] * 2654435761 >> 7) % _SIZE
      counts = np.bincount(places, minlength=len(texts) * _SIZE).reshape(-1, _SIZE)
      norms = np.linalg.norm(counts, axis=1, keepdims=True)
      return (counts / np.where(norms, norms, 1)).astype(np.float32)

  # 128 floats of 4 bytes as a BLOB.
  @udf(func_type="numpy", deterministic=True, null_call=False)
  def embed(text):
      return [vector.tobytes() for vector in _vectors([t.lower() for t in text.tolist()])]

  # From 0 (nothing in common) to 1 (the same).
  @udf(deterministic=True, null_call=False)
  def cosine(a, b):
      return float(np.dot(np.frombuffer(a, np.float32), np.frombuffer(b, np.float32)))
');
