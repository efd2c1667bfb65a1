/* test_groups.c - groups of aggregate functions: their states, and their ends
**
** Loads argv[1], or $PYUDF_BUILD/pyudf.
*/
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "session.h"

static const char source[] =
    "SELECT python_define('\n"
    "import os, time\n"
    "from pyudf import udaf, udf\n"
    "count = 0\n"
    "class Live:\n"
    "    def __init__(self):\n"
    "        global count\n"
    "        count += 1\n"
    "        self.n = 0\n"
    "    def __del__(self):\n"
    "        global count\n"
    "        count -= 1\n"
    "    def step(self, x):\n"
    "        self.n += 1\n"
    "        if x == \"fail\": raise ValueError(x)\n"
    "        if x == \"die\": os.kill(os.getpid(), 9)\n"
    "        if x == \"hang\":\n"
    "            while True: time.sleep(0.01)\n"
    "    def inverse(self, x): self.n -= 1\n"
    "    def value(self): return self.n\n"
    "    finalize = value\n"
    "udaf(Live, name=\"steps\")\n"
    "@udaf(name=\"lengths\")\n"
    "def lengths(values): return sum(map(len, values))\n"
    "@udaf(name=\"pairs\")\n"
    "def pairs(*columns): return repr(list(zip(*columns)) or len(columns))\n"
    "@udaf\n"
    "def scaled(x, factor=(1,)): return sum(x) * max(factor, default=0)\n"
    "@udf\n"
    "def live(x): return count\n"
    "')";

static const char numbers[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ";

/* numbers, so many, and a query of them. */
static const char *of(int count, const char *query) {
  static char sql[2][1024];
  static int next;
  snprintf(sql[next ^= 1], sizeof sql[0], "%s%d) %s", numbers, count, query);
  return sql[next];
}

#define none_lives(db) is(db, "SELECT live(0)", "0")

/* A state that nobody frees. */
static void test_freed(sqlite3 *db) {
  is(db, of(1000, "SELECT steps(i) FROM n"), "1000");
  none_lives(db);
  is(db, of(1000, "SELECT count(*) FROM (SELECT steps(i) FROM n GROUP BY i)"),
     "1000");
  is(db, "SELECT steps(1) WHERE 0", "0");
  none_lives(db);
  sqlite3_stmt *statement =
      prepare(db, of(1000, "SELECT steps(i) FROM n GROUP BY i % 10"));
  next_is(statement, "100");
  sqlite3_reset(statement);
  none_lives(db);
  next_is(statement, "100");
  sqlite3_finalize(statement);
  none_lives(db);
  is(db, of(1000, "SELECT steps(i) FROM n GROUP BY i % 10 LIMIT 1"), "100");
  none_lives(db);
  statement = prepare(
      db,
      of(1000, "SELECT steps(i) OVER (ORDER BY i ROWS 2 PRECEDING) FROM n"));
  for (int i = 0; i < 10; i++) step(statement);
  next_is(statement, "3");
  sqlite3_finalize(statement);
  none_lives(db);
  contains(db, of(1000, "SELECT steps(iif(i = 500, 'fail', i)) FROM n"),
           "ValueError: fail");
  none_lives(db);
  contains(db,
           of(1000,
              "SELECT steps(iif(i = 500, 'fail', i)) OVER (ORDER BY i) "
              "FROM n"),
           "ValueError: fail");
  none_lives(db);
  contains(db, of(10, "SELECT steps(i), steps(iif(i = 9, 'fail', i)) FROM n"),
           "ValueError: fail");
  none_lives(db);
}

/* Rows of one group in another's state. */
static void test_interleaved(sqlite3 *db) {
  ask(db, "CREATE TABLE g(k, x); CREATE INDEX gk ON g(k)");
  ask(db, "CREATE TABLE g(k, x)");
  ask(db, of(1000, "INSERT INTO g SELECT i % 7, i FROM n"));
  is(db,
     "SELECT group_concat(a || ':' || b) FROM (SELECT steps(x) AS a, "
     "steps(x) FILTER (WHERE x % 2) AS b FROM g GROUP BY k)",
     "142:71,143:72,143:71,143:72,143:71,143:72,143:71");
  is(db,
     "SELECT sum(s) FROM (SELECT (SELECT steps(x) FROM g AS h WHERE h.k = g.k) "
     "AS s FROM g GROUP BY k)",
     "1000");
  sqlite3_stmt *one = prepare(db, "SELECT steps(x) FROM g GROUP BY k");
  sqlite3_stmt *two = prepare(db, "SELECT steps(x) FROM g GROUP BY k");
  next_is(one, "142");
  next_is(two, "142");
  is(db, "SELECT python_define('other', 'lambda: 1')", "other");
  next_is(one, "143");
  next_is(two, "143");
  sqlite3_finalize(one);
  sqlite3_finalize(two);
  none_lives(db);
}

/* A window in a view is not to be seen in the statement's text. */
static void test_views(sqlite3 *db) {
  ask(db, "DROP TABLE IF EXISTS w");
  ask(db, "CREATE TABLE w(x)");
  ask(db, "INSERT INTO w VALUES (1), (2), (3), (4)");
  ask(db,
      "SELECT python_define('\n"
      "from pyudf import AggregateFunction, udaf\n"
      "class Total(AggregateFunction):\n"
      "    def create_accumulator(self): return [0]\n"
      "    def accumulate(self, acc, x): acc[0] += x\n"
      "    def get_value(self, acc): return acc[0]\n"
      "total_of = udaf(Total(), direct_only=False)\n"
      "')");
  is(db,
     "CREATE VIEW v AS SELECT total_of(x) OVER (ORDER BY x ROWS 1 PRECEDING) "
     "AS t FROM w",
     "");
  is(db, "SELECT group_concat(t) FROM v", "1,3,5,7");
  is(db, "SELECT total_of(t) FROM v", "16");
  is(db, "DROP VIEW v", "");
}

/* Long values are streamed, many arguments are tuples. */
static void test_values(sqlite3 *db) {
  is(db, of(20, "SELECT lengths(zeroblob(i * 100000)) FROM n"), "21000000");
  is(db, of(3, "SELECT pairs(i, i * 0.5, 'x' || i, NULL) FROM n"),
     "[(1, 0.5, 'x1', None), (2, 1.0, 'x2', None), (3, 1.5, 'x3', None)]");
  is(db, of(3, "SELECT pairs(i, i) FROM n WHERE 0"), "0");
  is(db, of(3, "SELECT scaled(i) || '|' || scaled(i, 2) FROM n"), "6|12");
  is(db, of(3, "SELECT scaled(i) || '|' || scaled(i, 2) FROM n WHERE 0"),
     "0|0");
  is(db,
     of(100000,
        "SELECT count(*) FROM (SELECT lengths(i || '') FROM n "
        "GROUP BY i)"),
     "100000");
  contains(db, of(10, "SELECT lengths(i) FROM n"), "TypeError");
}

static void *interrupt_soon(void *db) {
  usleep(300000);
  sqlite3_interrupt(db);
  return NULL;
}

static void test_ends(sqlite3 *db) {
  pthread_t thread;
  pthread_create(&thread, NULL, interrupt_soon, db);
  contains(db, of(1000, "SELECT steps(iif(i = 500, 'hang', i)) FROM n"),
           "error 9");
  pthread_join(thread, NULL);
  none_lives(db);
  ask(db, "PRAGMA python_timeout = 200");
  contains(db, of(1000, "SELECT steps(iif(i = 500, 'hang', i)) FROM n"),
           "python function steps: timed out after 200 ms");
  none_lives(db);
  /* Rows that wait their turn are not the ones that take long. */
  is(db,
     "SELECT python_define('slow', 'class C:\n    n = 0\n    def step(self, "
     "x):\n        import time; time.sleep(0.002); self.n += 1\n    def "
     "finalize(self): return self.n\n')",
     "slow");
  is(db, of(300, "SELECT slow(i) FROM n"), "300");
  ask(db, "PRAGMA python_timeout = 0");
}

/* A worker dies in the middle of a million rows. */
static void test_deaths(sqlite3 *db) {
  contains(db, of(1000000, "SELECT steps(iif(i = 500000, 'die', i)) FROM n"),
           "was killed by SIGKILL");
  is(db, of(1000, "SELECT steps(i) FROM n"), "1000");
  none_lives(db);
  sqlite3_stmt *statement =
      prepare(db, of(1000, "SELECT steps(i) FROM n GROUP BY i % 10"));
  next_is(statement, "100");
  contains(db, "SELECT steps('die')", "was killed by SIGKILL");
  next_is(statement, "100"); /* begun after it */
  sqlite3_finalize(statement);
  statement = prepare(
      db,
      of(1000, "SELECT steps(i) OVER (ORDER BY i ROWS 2 PRECEDING) FROM n"));
  next_is(statement, "1");
  contains(db, "SELECT steps('die')", "was killed by SIGKILL");
  const char *got = step(statement);
  ok(strstr(got, "the worker that had its rows has ended") != NULL,
     "%s: a group whose worker ended: %s", mode, got);
  sqlite3_finalize(statement);
  none_lives(db);
}

/* xFinal of an aggregate that interrupts. */
static void nothing(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)ctx, (void)argc, (void)argv;
}
static void interrupt_at_end(sqlite3_context *ctx) {
  sqlite3_interrupt(sqlite3_context_db_handle(ctx));
  sqlite3_result_int(ctx, 0);
}

/* A value that is NULL because the statement was interrupted, and stays. */
static void test_interrupt(sqlite3 *db) {
  sqlite3_create_function(db, "stop", 1, SQLITE_UTF8, NULL, NULL, nothing,
                          interrupt_at_end);
  is(db, "CREATE TABLE kept(v)", "");
  contains(db, "INSERT INTO kept SELECT coalesce(stop(1) + steps(1), 'wrong')",
           "interrupted");
  is(db, "SELECT count(*) FROM kept", "0");
}

/* A prepared statement that calls what is a function of another kind by now. */
static void test_kinds(sqlite3 *db) {
  static const char scalar[] = "SELECT python_define('k', 'lambda x: -x')";
  static const char aggregate[] =
      "SELECT python_define('k', 'pyudf.udaf(sum)')";
  is(db, scalar, "k");
  sqlite3_stmt *statement =
      prepare(db, "SELECT k(column1) FROM (VALUES (1), (2))");
  next_is(statement, "-1");
  sqlite3_reset(statement);
  is(db, aggregate, "k");
  next_is(statement,
          "python function k has become an aggregate function: "
          "prepare the statement again");
  sqlite3_finalize(statement);
  statement = prepare(db, "SELECT k(column1) FROM (VALUES (1), (2))");
  next_is(statement, "3");
  sqlite3_reset(statement);
  is(db, scalar, "k");
  next_is(statement,
          "python function k has become a scalar function: prepare "
          "the statement again");
  sqlite3_finalize(statement);
  is(db, "SELECT k(2)", "-2");
}

/* A setting that wants a fresh worker, or a fresh space, while rows are in one. */
static void test_settings(sqlite3 *db) {
  sqlite3_stmt *statement = prepare(
      db, of(4, "SELECT steps(i) OVER (ORDER BY i ROWS 1 PRECEDING) FROM n"));
  next_is(statement, "1");
  is(db, "PRAGMA python_preload = json", "json");
  is(db, "SELECT live(0)", "1");
  next_is(statement, "2");
  next_is(statement, "2");
  sqlite3_finalize(statement);
  none_lives(db);
  is(db, "PRAGMA python_preload = ''", "");
}

static void test_close(void) {
  sqlite3 *db = open_db();
  is(db, source, "steps,lengths,pairs,scaled,live");
  sqlite3_stmt *statement =
      prepare(db, of(1000, "SELECT steps(i) FROM n GROUP BY i % 10"));
  next_is(statement, "100");
  ok(sqlite3_close_v2(db) == SQLITE_OK, "%s: closed with a group open", mode);
  next_is(statement, "100");
  sqlite3_finalize(statement);
}

static void test_all(void) {
  sqlite3 *db = open_db();
  is(db, source, "steps,lengths,pairs,scaled,live");
  test_freed(db);
  test_interleaved(db);
  test_views(db);
  test_values(db);
  test_ends(db);
  test_interrupt(db);
  test_kinds(db);
  test_settings(db);
  if (!strcmp(mode, "process")) test_deaths(db);
  close_db(db);
  test_close();
}

int main(int argc, char **argv) {
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  extension = argc > 1 ? argv[1] : path;
  static const char *const modes[] = {"process", "thread"};
  for (int i = 0; i < 2; i++) {
    mode = modes[i];
    test_all();
  }
  return tap_done();
}
