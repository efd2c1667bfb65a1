/* test_tables.c - table functions with statements open
**
** What SQL scripts cannot show: statements that are reset, interrupted, or left open
** with rows to come; functions defined again and dropped meanwhile; rows that are
** still on their way when something else is asked of the worker.
** Usage: test_tables [PYUDF.SO]
*/
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "session.h"

static const char source[] =
    "SELECT python_define('\n"
    "from pyudf import udf, udtf\n"
    "import os, time\n"
    "alive = 0\n"
    "calls = 0\n"
    "def tracked(rows):\n"
    "    global alive\n"
    "    alive += 1\n"
    "    try:\n"
    "        yield from rows\n"
    "    finally:\n"
    "        alive -= 1\n"
    "@udtf\n"
    "def span(n):\n"
    "    yield from tracked(range(n))\n"
    "@udtf(columns=[\"i INTEGER\", \"s\", \"b\"])\n"
    "def wide(n, size=10):\n"
    "    yield from tracked((i, str(i) * size, bytes([i % 256]) * size)\n"
    "                       for i in range(n))\n"
    "@udtf\n"
    "def slow_third():\n"
    "    def rows():\n"
    "        yield 1\n"
    "        yield 2\n"
    "        time.sleep(1000)\n"
    "        yield 3\n"
    "    yield from tracked(rows())\n"
    "@udtf\n"
    "def slow_second():\n"
    "    yield 1\n"
    "    time.sleep(1000)\n"
    "    yield 2\n"
    "@udtf\n"
    "def spin():\n"
    "    def rows():\n"
    "        yield 1\n"
    "        while True: pass\n"
    "    yield from tracked(rows())\n"
    "@udtf\n"
    "def endless():\n"
    "    def rows():\n"
    "        while True: yield 1\n"
    "    yield from tracked(rows())\n"
    "@udtf\n"
    "def dies(n):\n"
    "    for i in range(n): yield i\n"
    "    os.kill(os.getpid(), 9)\n"
    "@udtf(columns=[\"c%d\" % i for i in range(1500)])\n"
    "def broad(n):\n"
    "    for i in range(n): yield list(range(i, i + 1500))\n"
    "@udf\n"
    "def living(): return alive\n"
    "@udf\n"
    "def twice(x): return 2 * x\n"
    "@udf\n"
    "def pid(): return os.getpid()\n"
    "')";

static sqlite3 *open_defined(void) {
  sqlite3 *db = open_db();
  contains(db, source, "span");
  return db;
}

static int is_process(void) { return !strcmp(mode, "process"); }

static void whatever_ends_a_statement_ends_its_generators(void) {
  sqlite3 *db = open_defined();
  sqlite3_stmt *one = prepare(db, "SELECT value FROM endless()");
  next_is(one, "1");
  is(db, "SELECT living()", "1");
  sqlite3_reset(one);
  is(db, "SELECT living()", "0");
  next_is(one, "1");
  next_is(one, "1");
  sqlite3_stmt *two = prepare(db, "SELECT i FROM wide(100000, 1)");
  next_is(two, "0");
  is(db, "SELECT living()", "2");
  sqlite3_finalize(one);
  is(db, "SELECT living()", "1");
  next_is(two, "1");
  sqlite3_finalize(two);
  is(db, "SELECT living()", "0");
  one = prepare(db, "SELECT value FROM span(3)");
  ok(sqlite3_close(db) == SQLITE_BUSY, "%s: open statements hold it", mode);
  next_is(one, "0");
  ok(sqlite3_close_v2(db) == SQLITE_OK, "%s: closed with one open", mode);
  next_is(one, "1");
  sqlite3_finalize(one);
}

/* What lies in the ring must not be lost, nor taken for something else, when another
** request's reply comes behind it. */
static void rows_wait_for_other_calls(void) {
  sqlite3 *db = open_defined();
  is(db,
     "SELECT count(*) FROM (SELECT twice(i) AS t, i, s, b FROM wide(3000, 40)) "
     "WHERE t = 2 * i AND s LIKE i || '%' AND length(s) = 40 * length(i) AND "
     "length(b) = 40",
     "3000");
  /* Values that are streamed, between calls. */
  is(db,
     "SELECT count(*) FROM (SELECT twice(i) AS t, i, s, b FROM wide(9, "
     "100000)) "
     "WHERE t = 2 * i AND length(s) = 100000 AND length(b) = 100000 AND "
     "substr(s, 99999) = i || i",
     "9");
  is(db, "SELECT sum(length(s) + length(b)) FROM wide(9, 100000)", "1800000");
  is(db,
     "SELECT sum(a.i * b.i + twice(c.value)) FROM wide(20, 3) a, wide(a.i, 2) "
     "b, "
     "span(b.i) c",
     "179607");
  /* Two at a time, row by row. */
  sqlite3_stmt *one = prepare(db, "SELECT i, s FROM wide(2000, 20)");
  sqlite3_stmt *two = prepare(db, "SELECT value FROM span(2000)");
  int good = 1;
  for (int i = 0; i < 2000 && good; i++) {
    good = sqlite3_step(one) == SQLITE_ROW && sqlite3_step(two) == SQLITE_ROW &&
           sqlite3_column_int(one, 0) == i && sqlite3_column_int(two, 0) == i &&
           strlen((const char *)sqlite3_column_text(one, 1)) >= 20;
  }
  ok(good && sqlite3_step(one) == SQLITE_DONE &&
         sqlite3_step(two) == SQLITE_DONE,
     "%s: two functions' rows in turn", mode);
  sqlite3_finalize(one);
  sqlite3_finalize(two);
  is(db, "SELECT living()", "0");
  is(db, "SELECT sum(c0), sum(c1499) FROM broad(200)", "19900");
  is(db, "SELECT sum(c1499) FROM broad(200) WHERE twice(c1) = 2 * c1",
     "319700");
  close_db(db);
}

static void functions_are_defined_again_meanwhile(void) {
  sqlite3 *db = open_defined();
  sqlite3_stmt *running = prepare(db, "SELECT value FROM span(3)");
  sqlite3_stmt *idle = prepare(db, "SELECT value FROM span(1)");
  next_is(running, "0");
  is(db, "SELECT python_define('span', 'def span(n):\n    yield \"new\"')",
     "span");
  next_is(running, "1");
  next_is(idle, "new");
  sqlite3_reset(idle);
  is(db,
     "SELECT python_define('span', '__import__(\"pyudf\").udtf(lambda n: [(n, "
     "n)], columns=[\"value\", \"b\"])')",
     "span");
  next_is(running, "2");
  next_is(running, "done");
  next_is(idle, "1"); /* SQLite has prepared it again */
  is(db, "SELECT value + b FROM span(4)", "8");
  sqlite3_finalize(idle);
  sqlite3_reset(running);
  next_is(running, "3");
  sqlite3_finalize(running);
  /* In the midst of a statement it cannot. SQLite from 3.51 on goes on with the
  ** cursor that it has. */
  running = prepare(
      db, "SELECT (SELECT value FROM span(column1)) FROM (VALUES (1), (2))");
  next_is(running, "1");
  is(db, "SELECT python_define('span', 'def span(n, m=1):\n    yield m')",
     "span");
  const char *second = step(running);
  ok(!strcmp(second, "2") ||
         !strcmp(second,
                 "python function span: its columns or parameters have "
                 "changed: prepare the statement again"),
     "%s: the shape changes meanwhile: %s", mode, second);
  sqlite3_finalize(running);
  is(db,
     "SELECT python_define('span', '__import__(\"pyudf\").udtf(lambda n: [(n, "
     "n)], columns=[\"value\", \"b\"])')",
     "span");
  running = prepare(db, "SELECT b FROM span(5) UNION ALL SELECT 6");
  next_is(running, "5");
  is(db, "SELECT python_drop('span')", "span");
  next_is(running, "6");
  sqlite3_finalize(running);
  contains(db, "SELECT * FROM span(1)", "no such python function: span");
  is(db, "SELECT python_define('span', 'def span(n):\n    yield n')", "span");
  is(db, "SELECT value FROM span(8)", "8");
  close_db(db);
}

/* The third row is never made; in process mode the worker is at it already. */
static void what_nobody_wants_is_not_waited_for(void) {
  sqlite3 *db = open_defined();
  is(db, "SELECT pid() <> 0", "1");
  char before[ASKED], after[ASKED];
  ask_in(db, "SELECT pid()", before);
  is(db, "SELECT value FROM slow_third() LIMIT 1", "1");
  is(db, "SELECT value FROM slow_third() LIMIT 1", "1");
  is(db, "SELECT value FROM spin() LIMIT 1", "1");
  /* Nor by another function of the same worker. */
  is(db, "SELECT twice(value) FROM slow_second() LIMIT 1", "2");
  is(db, "SELECT twice(value) FROM slow_second() LIMIT 1", "2");
  is(db, "SELECT sum(value) FROM (SELECT value FROM slow_third() LIMIT 2)",
     "3");
  is(db, "SELECT living()", "0");
  ask_in(db, "SELECT pid()", after);
  ok(!strcmp(before, after), "%s: the worker is the same", mode);
  close_db(db);
}

static void *interrupt_soon(void *db) {
  usleep(200000);
  sqlite3_interrupt(db);
  return NULL;
}

static void interrupts(sqlite3 *db, const char *sql) {
  pthread_t thread;
  pthread_create(&thread, NULL, interrupt_soon, db);
  contains(db, sql, "error 9: interrupted");
  pthread_join(thread, NULL);
  is(db, "SELECT living()", "0");
}

static void interrupts_and_deadlines(void) {
  sqlite3 *db = open_defined();
  is(db, "SELECT living()", "0");
  interrupts(db, "SELECT count(*) FROM endless()");
  interrupts(db, "SELECT count(*) FROM spin()");
  interrupts(db, "SELECT count(twice(value)) FROM spin()");
  is(db, "SELECT value FROM pragma_python_timeout('300'), span(1)", "0");
  contains(db, "SELECT count(*) FROM spin()",
           "python function spin: timed out after 300 ms");
  is(db, "SELECT living()", "0");
  /* The deadline is a row's, not the call's. */
  is(db, "SELECT count(*) FROM (SELECT value FROM endless() LIMIT 3000000)",
     "3000000");
  contains(db, "SELECT value FROM spin()", "timed out after 300 ms");
  is(db, "SELECT living()", "0");
  close_db(db);
}

static void a_worker_dies(void) {
  sqlite3 *db = open_defined();
  char pid[ASKED];
  sqlite3_stmt *running = prepare(db, "SELECT value FROM dies(3)");
  next_is(running, "0");
  contains(db, "SELECT count(*) FROM dies(100)", "was killed by SIGKILL");
  next_is(running,
          "python function dies: the worker that had its rows has ended");
  sqlite3_finalize(running);
  is(db, "SELECT sum(value) FROM span(4)", "6");
  running = prepare(db, "SELECT value FROM endless()");
  next_is(running, "1");
  kill(atoi(ask_in(db, "SELECT pid()", pid)), SIGKILL);
  int rc = SQLITE_ROW;
  for (int i = 0; i < 20000000 && rc == SQLITE_ROW; i++) {
    rc = sqlite3_step(running);
  }
  ok(rc == SQLITE_ERROR && strstr(sqlite3_errmsg(db), "killed by SIGKILL"),
     "%s: killed between rows: %s", mode, sqlite3_errmsg(db));
  sqlite3_finalize(running);
  is(db, "SELECT sum(value) FROM span(4)", "6");
  is(db, "SELECT living()", "0");
  close_db(db);
}

/* All lines of a query's plan, one behind the other. */
static const char *plan_of(sqlite3 *db, const char *sql, char text[ASKED]) {
  char explain[1024];
  snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
  sqlite3_stmt *statement = prepare(db, explain);
  size_t len = 0;
  *text = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    len += (size_t)snprintf(text + len, ASKED - len, "%s; ",
                            (const char *)sqlite3_column_text(statement, 3));
  }
  sqlite3_finalize(statement);
  return text;
}

static void plan_is(sqlite3 *db, const char *sql, const char *first,
                    const char *then, int sorts) {
  char plan[ASKED];
  plan_of(db, sql, plan);
  const char *a = strstr(plan, first), *b = then ? strstr(plan, then) : NULL;
  ok(a && (!then || (b && a < b)) &&
         sorts == (strstr(plan, "USE TEMP B-TREE FOR ORDER BY") != NULL),
     "%s: %s: %s", mode, sql, plan);
}

/* What a function says of its rows is what SQLite plans by. */
static void what_is_declared_reaches_the_planner(void) {
  sqlite3 *db = open_db();
  contains(db,
           "SELECT python_define('\n"
           "from pyudf import udtf\n"
           "@udtf(columns=[\"a\", \"b\"], ordered_by=[\"a\", \"b DESC\"])\n"
           "def ordered(): return [(1, 2), (1, 1), (2, 5)]\n"
           "@udtf(rows=3)\n"
           "def few(): return [1, 2, 3]\n"
           "@udtf(rows=5000000)\n"
           "def many(): return range(1000)\n"
           "')",
           "ordered");
  plan_is(db, "SELECT * FROM ordered() ORDER BY a, b DESC", "SCAN", NULL, 0);
  plan_is(db, "SELECT * FROM ordered() ORDER BY a", "SCAN", NULL, 0);
  plan_is(db, "SELECT * FROM ordered() ORDER BY a DESC", "SCAN", NULL, 1);
  plan_is(db, "SELECT * FROM ordered() ORDER BY a, b", "SCAN", NULL, 1);
  plan_is(db, "SELECT * FROM ordered() ORDER BY b DESC", "SCAN", NULL, 1);
  is(db, "SELECT group_concat(b) FROM (SELECT b FROM ordered() ORDER BY a, b)",
     "1,2,5");
  /* However it is written, the one with few rows is the outer loop. */
  plan_is(db, "SELECT * FROM few() f, many() m WHERE f.value = m.value", "f ",
          "m ", 0);
  plan_is(db, "SELECT * FROM many() m, few() f WHERE f.value = m.value", "f ",
          "m ", 0);
  is(db,
     "SELECT count(*), sum(f.value) FROM few() f, many() m WHERE f.value = "
     "m.value",
     "3");
  close_db(db);
}

static void all_of_it(void) {
  whatever_ends_a_statement_ends_its_generators();
  rows_wait_for_other_calls();
  functions_are_defined_again_meanwhile();
  what_nobody_wants_is_not_waited_for();
  interrupts_and_deadlines();
  what_is_declared_reaches_the_planner();
  if (is_process()) a_worker_dies();
}

int main(int argc, char **argv) {
  static void (*const tests[])(void) = {all_of_it};
  return session_main(argc, argv, tests, 1);
}
