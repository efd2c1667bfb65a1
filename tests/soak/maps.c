/* maps.c - table functions, sets of rows, maps: what an actor does with them, and has
** go wrong; see soak.h
*/
#include <stdio.h>

#include "soak.h"

#define UP_TO                                                     \
  "(WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM " \
  "c WHERE x < %ld) SELECT x FROM c)"

static const char *number(char text[32], long value) {
  snprintf(text, 32, "%ld", value);
  return text;
}

static long sum_to(long n) { return n * (n + 1) / 2; }

enum answer maps_tables(struct actor *actor, struct link *link) {
  char wanted[32];
  long n = 1 + (long)roll(actor, roll(actor, 10) ? 60 : 3000);
  switch (roll(actor, 5)) {
    case 0: /* nobody wants the rest */
      return expect(actor, link, number(wanted, sum_to(n)),
                    "SELECT sum(value) FROM (SELECT value FROM many(100000000) "
                    "LIMIT %ld)",
                    n);
    case 1:
      n = 1 + n % 60;
      return expect(actor, link, number(wanted, n * (n + 1) * (n + 2) / 6),
                    "SELECT sum(m.value) FROM " UP_TO " AS s, many(s.x) AS m",
                    n);
    case 2: /* its rows are put aside at each call */
      return expect(actor, link, number(wanted, link->k * sum_to(n) + n),
                    "SELECT sum(f(value)) FROM many(%ld)", n);
    case 3:
      return expect(actor, link, number(wanted, sum_to(n) * 3),
                    "SELECT sum(f0 + f1) FROM pairs WHERE n = %ld AND k = 2",
                    n);
    default:
      return expect(actor, link, number(wanted, sum_to(n)),
                    "SELECT sum(value) FROM many(%ld)", n);
  }
}

enum answer maps_sets(struct actor *actor, struct link *link) {
  char wanted[32];
  long n = 1 + (long)roll(actor, roll(actor, 30) ? 200 : 100000);
  return roll(actor, 2)
             ? expect(actor, link, number(wanted, sum_to(n)),
                      "SELECT added((SELECT python_rows(x, 'text') FROM " UP_TO
                      "))",
                      n)
             : expect(actor, link, number(wanted, sum_to(n)),
                      "SELECT sum(value) FROM firsts((SELECT python_rows(x, "
                      "'text') FROM " UP_TO "))",
                      n);
}

enum answer maps_right(struct actor *actor, struct link *link) {
  static const char *const names[] = {"f", "thrice", "later", "many"};
  char wanted[32];
  long n = 1 + (long)roll(actor, roll(actor, 10) ? 200 : 5000);
  int which = (int)roll(actor, 4);
  if (which == 3) n = 1 + n % 100;
  long sums[] = {link->k * sum_to(n) + n, 3 * sum_to(n), 5 * sum_to(n),
                 n * (n + 1) * (n + 2) / 6};
  return expect(actor, link, number(wanted, sums[which]),
                "SELECT sum(value) FROM python_map(%Q, 'SELECT x, x FROM " UP_TO
                "', %d, %d)",
                names[which], n, 1 + (int)roll(actor, 3),
                1 + (int)roll(actor, 300));
}

enum answer maps_ended(struct actor *actor, struct link *link) {
  char wanted[32];
  long n = 1 + (long)roll(actor, 200);
  if (roll(actor, 2)) {
    return expect(actor, link, number(wanted, link->k * sum_to(n) + n),
                  "SELECT sum(value) FROM (SELECT value FROM python_map('f', "
                  "'SELECT x, x FROM " UP_TO "', %d) LIMIT %ld)",
                  1000000L, 1 + (int)roll(actor, 3), n);
  }
  return expect(actor, link, number(wanted, 15 * sum_to(n)),
                "SELECT sum(value) FROM python_map('thrice', 'SELECT key, "
                "value FROM python_map(''later'', ''SELECT x, x FROM " UP_TO
                "'')')",
                n);
}

enum answer maps_fail(struct actor *actor, struct link *link) {
  char wanted[32];
  long n = 13 + (long)roll(actor, 200);
  if (!link->null_errors && roll(actor, 3) == 0) {
    return expect(actor, link,
                  "~error 1: python function broken: ValueError: no 13 (",
                  "SELECT sum(value) FROM broken(13)");
  }
  if (link->null_errors) {
    return expect(
        actor, link, number(wanted, sum_to(n) - 13),
        "SELECT sum(value) FROM python_map('odd', 'SELECT x, x FROM " UP_TO
        "')",
        n);
  }
  return expect(
      actor, link, "~error 1: python function odd: ValueError: no 13 (",
      "SELECT sum(value) FROM python_map('odd', 'SELECT x, x FROM " UP_TO
      "', 2)",
      n);
}

enum answer maps_crash(struct actor *actor, struct link *link) {
  if (!(options.modes & 1)) return RIGHT;
  return roll(actor, 2)
             ? expect(actor, link, "~was killed by SIGABRT",
                      "SELECT sum(value) FROM python_map('dies', 'SELECT x, x "
                      "FROM " UP_TO "', 2)",
                      13 + (long)roll(actor, 200))
             : expect(actor, link, "~was killed by SIGABRT",
                      "SELECT sum(value) FROM ends(%d)",
                      13 + (int)roll(actor, 90));
}

enum answer maps_timeout(struct actor *actor, struct link *link) {
  if (set(actor, link, "python_timeout", "60")) return WRONG;
  enum answer answer = expect(
      actor, link, "~error 1: python function spin: timed out after 60 ms",
      "SELECT sum(value) FROM python_map('spin', 'SELECT x, iif(x = 13, "
      "25000, 0) FROM " UP_TO "', 2)",
      100L);
  if (set(actor, link, "python_timeout", "0")) return WRONG;
  return answer;
}

const char maps_functions[] =
    "import os\n"
    "from pyudf import udf, udtf\n"
    "@udtf\n"
    "def many(n):\n"
    "    for i in range(1, n + 1): yield i\n"
    "@udtf(result_types=['BIGINT', 'BIGINT'])\n"
    "def pairs(n, k):\n"
    "    for i in range(1, n + 1): yield i, i * k\n"
    "@udtf\n"
    "def firsts(rows):\n"
    "    for row in rows: yield row[0]\n"
    "@udtf\n"
    "def broken(n):\n"
    "    for i in range(n): yield i\n"
    "    raise ValueError(f'no {n}')\n"
    "@udtf(mode='process')\n"
    "def ends(n):\n"
    "    for i in range(n): yield i\n"
    "    os.abort()\n"
    "@udf\n"
    "def added(rows): return sum(row[0] for row in rows)\n"
    "@udf(func_type='list')\n"
    "def thrice(xs): return [x * 3 for x in xs]\n"
    "@udf\n"
    "async def later(x): return x * 5\n"
    "@udf\n"
    "def odd(x):\n"
    "    if x == 13: raise ValueError(f'no {x}')\n"
    "    return x\n"
    "@udf(mode='process')\n"
    "def dies(x):\n"
    "    if x == 13: os.abort()\n"
    "    return x\n";
