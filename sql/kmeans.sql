-- kmeans.sql: k-means over the rows of a query: python_rows hands them over as one argument.
--
--   CREATE TABLE point(x REAL, y REAL);
--   INSERT INTO point SELECT column1 + 10 * c, column2 - 10 * c FROM (VALUES(0, 0), (0, 1), (1, 0), (1, 1)), (SELECT 0 AS c UNION ALL SELECT 1 UNION ALL SELECT 3);
--   SELECT cluster, size, center FROM kmeans((SELECT python_rows(x, y) FROM point), 3) LIMIT 1;  --> 1|4|[0.5,0.5]
--   SELECT group_concat(center, ' ') FROM kmeans((SELECT python_rows(x, y) FROM point), 3);  --> [0.5,0.5] [10.5,-9.5] [30.5,-29.5]
--   SELECT cluster, count(*) FROM point, kmeans_assign(json_array(x, y), (SELECT json_group_array(json(center)) FROM kmeans((SELECT python_rows(x, y) FROM point), 3))) GROUP BY cluster ORDER BY cluster LIMIT 1;  --> 1|4
--   SELECT count(*) FROM kmeans((SELECT python_rows(x, y) FROM point WHERE 0), 3);  --> 0
--   SELECT * FROM kmeans((SELECT python_rows(x, y) FROM point), 13);  --> ERROR 13 clusters of 12 rows

SELECT python_define('
  import math
  from pyudf import udtf

  def _nearest(row, centers):
      return min(range(len(centers)), key=lambda i: math.dist(row, centers[i]))

  # Begins with the first row and what is farthest from those chosen, so that the same rows give the same clusters.
  def _first(rows, k):
      centers = [rows[0]]
      while len(centers) < k:
          centers.append(max(rows, key=lambda row: min(math.dist(row, c) for c in centers)))
      return centers

  def _means(rows, assigned, k):
      for cluster in range(k):
          members = [row for row, of in zip(rows, assigned) if of == cluster]
          yield tuple(sum(column) / len(members) for column in zip(*members)) if members else rows[cluster]

  # One row a cluster, in the order of their centers.
  @udtf(columns=["cluster INTEGER", "size INTEGER", "center"], rows=10)
  def kmeans(rows, k, rounds=100):
      rows = list(rows)
      if not rows:
          return
      if not 0 < k <= len(rows):
          raise ValueError(f"{k} clusters of {len(rows)} rows")
      centers = _first(rows, k)
      for _ in range(rounds):
          assigned = [_nearest(row, centers) for row in rows]
          before, centers = centers, list(_means(rows, assigned, k))
          if centers == before:
              break
      sizes = [assigned.count(cluster) for cluster in range(k)]
      for cluster, (center, size) in enumerate(sorted(zip(centers, sizes)), 1):
          yield cluster, size, list(center)

  # To which of these centers a row belongs, from 1.
  @udtf(columns=["cluster INTEGER", "distance REAL"], rows=1)
  def kmeans_assign(row: list, centers: list):
      nearest = _nearest(row, centers)
      yield nearest + 1, math.dist(row, centers[nearest])
');
