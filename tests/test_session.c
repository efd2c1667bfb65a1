/* test_session.c - one connection's session, with statements open
**
** What SQL scripts cannot show: functions defined again and dropped while a
** statement calls them, connections closed in every order.
** Usage: test_session [PYUDF.SO]
*/
#include <unistd.h>

#include "session.h"

static const char three_rows[] =
    "SELECT f(x) FROM (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3)";

static void two_connections_share_nothing(void) {
  sqlite3 *a = open_db(), *b = open_db();
  is(a, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')",
     "f");
  is(a, "SELECT f()", "1");
  is(a, "SELECT f()", "2");
  contains(b, "SELECT f()", "no such function");
  is(b, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')",
     "f");
  is(b, "SELECT f()", "1");
  is(a, "SELECT f()", "3");
  is(a, "SELECT * FROM pragma_python_on_error('null')", "null");
  is(b, "SELECT * FROM pragma_python_on_error", "raise");
  is(b, "SELECT count(*) FROM python_functions", "1");
  is(b, "SELECT python_drop('f')", "f");
  is(a, "SELECT f()", "4");
  close_db(b);
  is(a, "SELECT f()", "5");
  close_db(a);
}

static void loading_twice_is_harmless(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(): return 1')", "f");
  sqlite3_stmt *running = prepare(db, "SELECT f() UNION ALL SELECT f()");
  next_is(running, "1");
  ok(load(db) == SQLITE_OK, "%s: loaded again", mode);
  next_is(running, "1");
  sqlite3_finalize(running);
  is(db, "SELECT f()", "1");
  is(db, "SELECT * FROM pragma_python_execution_mode", mode);
  close_db(db);
}

/* Two files are two libraries with sessions of their own; the second one's hooks
** would be put over the first one's and outlive them. */
static void another_copy_is_refused(void) {
  char place[] = "/tmp/pyudf-copy-XXXXXX", copy[100], command[4300];
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(): return 1')", "f");
  ok(mkdtemp(place) != NULL, "%s: a scratch directory", mode);
  snprintf(copy, sizeof copy, "%s/pyudf.so", place);
  snprintf(command, sizeof command, "cp '%s' %s", extension, copy);
  ok(!shell(command), "%s: a copy", mode);
  char *message = NULL;
  int rc = sqlite3_load_extension(db, copy, NULL, &message);
  ok(rc == SQLITE_ERROR && message &&
         strstr(message, "another copy of pyudf serves this connection"),
     "%s: it is refused: %s", mode, message ? message : "");
  sqlite3_free(message);
  is(db, "SELECT f()", "1");
  is(db, "SELECT python_eval('6 * 7')", "42");
  is(db, "PRAGMA python_execution_mode", mode);
  ok(load(db) == SQLITE_OK, "%s: the first one loads again", mode);
  close_db(db);
  unlink(copy);
  rmdir(place);
}

/* A session that outlived its connection would be found by the next one. */
static void connections_come_and_go(void) {
  int good = 1;
  for (int i = 0; i < 20 && good; i++) {
    sqlite3 *db = open_db();
    good = !strncmp(ask(db, "SELECT f()"), "error", 5) &&
           !strcmp(ask(db, "SELECT python_define('def f(): return 7')"), "f") &&
           (i % 5 || !strcmp(ask(db, "SELECT f()"), "7")) &&
           sqlite3_close(db) == SQLITE_OK;
  }
  ok(good, "%s: connections opened and closed", mode);
}

static void redefined_while_a_statement_runs(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(x): return f\"old{x}\"')", "f");
  sqlite3_stmt *running = prepare(db, three_rows);
  next_is(running, "old1");
  is(db, "SELECT python_define('def f(x): return f\"new{x}\"')", "f");
  next_is(running, "new2");
  next_is(running, "new3");
  next_is(running, "done");
  sqlite3_reset(running);
  next_is(running, "new1");
  is(db, "SELECT python_drop('f')", "f");
  is(db, "SELECT python_define('def f(x): return f\"newer{x}\"')", "f");
  next_is(running, "newer2");
  sqlite3_finalize(running);
  is(db, "SELECT count(*) FROM python_functions", "1");
  close_db(db);
}

static void dropped_while_a_statement_runs(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(x): return x')", "f");
  sqlite3_stmt *running = prepare(db, three_rows);
  sqlite3_stmt *later = prepare(db, three_rows);
  next_is(running, "1");
  is(db, "SELECT python_drop('f')", "f");
  next_is(running, "2");
  contains(db, "SELECT f(1)", "no such python function: f");
  next_is(later, "no such python function: f");
  next_is(running, "3");
  next_is(running, "done");
  sqlite3_reset(running);
  next_is(running, "no such python function: f");
  sqlite3_finalize(running);
  sqlite3_finalize(later);
  contains(db, "SELECT python_drop('f')", "no such python function: f");
  close_db(db);
}

/* A statement is told by auxiliary data, which SQLite keys by argument. */
static void dropped_with_any_number_of_arguments(void) {
  static const char *const calls[] = {"f()", "f(x)",
                                      "f(x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,"
                                      "x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x)",
                                      "f(x)||f(1)||f()"};
  sqlite3 *db = open_db();
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT %s FROM (SELECT 1 AS x UNION ALL SELECT 2)", calls[i]);
    is(db, "SELECT python_define('def f(*a): return \"+\"')", "f");
    sqlite3_stmt *running = prepare(db, sql);
    const char *expected = i == 3 ? "+++" : "+";
    next_is(running, expected);
    is(db, "SELECT python_drop('f')", "f");
    next_is(running, expected);
    next_is(running, "done");
    sqlite3_finalize(running);
    contains(db, "SELECT f()", "no such python function");
  }
  close_db(db);
}

static void closed_with_statements_open(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(x): return x')", "f");
  sqlite3_stmt *running = prepare(db, three_rows);
  next_is(running, "1");
  ok(sqlite3_close(db) == SQLITE_BUSY, "%s: close refuses", mode);
  next_is(running, "2");
  ok(sqlite3_close_v2(db) == SQLITE_OK, "%s: close_v2 waits", mode);
  next_is(running, "3");
  ok(sqlite3_finalize(running) == SQLITE_OK, "%s: finalised", mode);
}

/* What SQLite binds at registration can change, though not for ever. */
static void shapes_change_in(const char *encoding) {
  sqlite3 *db = open_db();
  char sql[200];
  snprintf(sql, sizeof sql, "PRAGMA encoding='%s'", encoding);
  ask(db, sql);
  ask(db, "CREATE TABLE t(a)");
  ask(db, "CREATE VIEW v AS SELECT f(1)");
  is(db, "SELECT python_define('def f(x): return 1')", "f");
  contains(db, "CREATE INDEX i ON t(f(a))", "error 1"); /* non-deterministic */
  contains(db, "SELECT * FROM v", "unsafe use of f()");
  is(db,
     "SELECT python_define('from pyudf import udf\n"
     "@udf(deterministic=True)\ndef f(x): return 2')",
     "f");
  is(db, "SELECT f(1)", "2");
  contains(db, "SELECT * FROM v", "unsafe use of f()");
  is(db,
     "SELECT python_define('from pyudf import udf\n"
     "@udf(deterministic=True, direct_only=False)\ndef f(x): return 3')",
     "f");
  is(db, "SELECT f(1)", "3");
  is(db, "SELECT * FROM v", "3");
  is(db, "CREATE INDEX i ON t(f(a))", "");
  contains(db, "SELECT python_define('def f(x): return 4\ndef g(): return 4')",
           "f with 1 argument cannot change");
  is(db, "SELECT f(1)", "3");
  is(db, "SELECT * FROM v", "3");
  contains(db, "SELECT g()", "no such function: g");
  is(db,
     "SELECT python_define('from pyudf import udf\n"
     "@udf(deterministic=True, direct_only=False)\ndef f(x): return 5')",
     "f");
  is(db, "SELECT * FROM v", "5");
  close_db(db);
}

static void shapes_change(void) {
  shapes_change_in("UTF-8");
  shapes_change_in("UTF-16le");
  shapes_change_in("UTF-16be");
}

/* Half of a definition must not be left behind. */
static void failed_definitions_change_nothing(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(x): return 1')", "f");
  sqlite3_stmt *running = prepare(db, three_rows);
  next_is(running, "1");
  contains(db,
           "SELECT python_define('def f(x): return 2\nraise ValueError(1)')",
           "ValueError");
  contains(db, "SELECT python_define('def f(x): return 2\ndef upper(x): pass')",
           "upper with 1 argument");
  contains(db,
           "SELECT python_define('def f(x): return 2\ndef python_a(): pass')",
           "python_a");
  next_is(running, "1");
  sqlite3_finalize(running);
  is(db, "SELECT f(1)", "1");
  is(db, "SELECT count(*) FROM python_functions", "1");
  close_db(db);
}

static void reloaded_while_a_statement_runs(void) {
  sqlite3 *db = open_db();
  char place[] = "/tmp/pyudf-session-XXXXXX", path[100], sql[200];
  ok(mkdtemp(place) != NULL, "%s: a scratch directory", mode);
  snprintf(path, sizeof path, "%s/reloaded.py", place);
  FILE *file = fopen(path, "w");
  fputs("def f(x): return 'one'\ndef gone(): return 1\n", file);
  fclose(file);
  snprintf(sql, sizeof sql, "SELECT python_import('%s')", path);
  is(db, sql, "f,gone");
  sqlite3_stmt *running = prepare(db, three_rows);
  next_is(running, "one");
  file = fopen(path, "w");
  fputs("def f(x): return 'second'\ndef come(): return 1\n", file);
  fclose(file);
  is(db, "SELECT python_reload()", "f,come");
  next_is(running, "second");
  is(db, "SELECT come()", "1");
  contains(db, "SELECT gone()", "no such python function: gone");
  file = fopen(path, "w");
  fputs("def f(x) return 3\n", file);
  fclose(file);
  contains(db, "SELECT python_reload()", "SyntaxError");
  next_is(running, "second");
  is(db, "SELECT come()", "1");
  sqlite3_finalize(running);
  unlink(path);
  snprintf(sql, sizeof sql, "rm -r %s", place);
  ok(!shell(sql), "%s: cleaned up", mode);
  close_db(db);
}

/* Auxiliary data of a trigger's program goes with the program. */
static void called_in_triggers(void) {
  sqlite3 *db = open_db();
  is(db,
     "SELECT python_define('from pyudf import udf\n"
     "@udf(direct_only=False)\ndef f(x): return x * 2')",
     "f");
  ask(db, "CREATE TABLE t(a)");
  ask(db, "CREATE TABLE u(a)");
  ask(db,
      "CREATE TRIGGER r AFTER INSERT ON t BEGIN "
      "INSERT INTO u VALUES (f(new.a)); END");
  is(db, "INSERT INTO t SELECT f(x) FROM (SELECT 1 AS x UNION ALL SELECT 2)",
     "");
  is(db, "SELECT group_concat(a) FROM u", "4,8");
  sqlite3_stmt *running = prepare(db, three_rows);
  next_is(running, "2");
  is(db, "INSERT INTO t VALUES (5)", "");
  is(db, "SELECT python_drop('f')", "f");
  contains(db, "INSERT INTO t VALUES (6)", "no such python function");
  next_is(running, "4");
  sqlite3_finalize(running);
  is(db, "SELECT group_concat(a) FROM u", "4,8,10");
  close_db(db);
}

static int compiled_selects;

static int count_selects(void *arg, int action, const char *a, const char *b,
                         const char *database, const char *trigger) {
  (void)arg, (void)a, (void)b, (void)database, (void)trigger;
  compiled_selects += action == SQLITE_SELECT;
  return SQLITE_OK;
}

/* Whether a statement has windows is found out by compiling it again: asked for
** each group, that takes longer than all the rest. */
static void windows_are_looked_for_once(void) {
  static const char groups[] =
      "SELECT all_of(x), all_of(y) FROM (WITH RECURSIVE s(x) AS (SELECT 1 "
      "UNION ALL SELECT x + 1 FROM s LIMIT 50) SELECT x, -x AS y FROM s) "
      "GROUP BY x";
  sqlite3 *db = open_db();
  is(db,
     "SELECT python_define('class all_of:\n"
     " def __init__(self): self.n = 0\n"
     " def step(self, x): self.n += x\n"
     " def finalize(self): return self.n')",
     "all_of");
  sqlite3_set_authorizer(db, count_selects, NULL);
  compiled_selects = 0;
  sqlite3_stmt *statement = prepare(db, groups);
  int once = compiled_selects;
  compiled_selects = 0;
  int rows = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) rows++;
  ok(rows == 50, "%s: %d groups", mode, rows);
  ok(once > 0 && compiled_selects == once, "%s: compiled %d, and not %d", mode,
     once, compiled_selects);
  sqlite3_finalize(statement);
  sqlite3_set_authorizer(db, NULL, NULL);
  close_db(db);
}

int main(int argc, char **argv) {
  static void (*const tests[])(void) = {
      two_connections_share_nothing,
      loading_twice_is_harmless,
      another_copy_is_refused,
      connections_come_and_go,
      redefined_while_a_statement_runs,
      dropped_while_a_statement_runs,
      dropped_with_any_number_of_arguments,
      closed_with_statements_open,
      shapes_change,
      failed_definitions_change_nothing,
      reloaded_while_a_statement_runs,
      called_in_triggers,
      windows_are_looked_for_once,
  };
  return session_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
