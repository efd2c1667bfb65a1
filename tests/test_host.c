/* test_host.c - the host around a session: it interrupts, limits, forks
**
** Usage: test_host [PYUDF.SO]
*/
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

static void lengths_are_limited(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('def f(n): return \"x\" * n')", "f");
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 5000);
  is(db, "SELECT length(f(5000))", "5000");
  contains(db, "SELECT length(f(5001))", "error 18");
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 6000);
  is(db, "SELECT length(f(5001))", "5001");
  close_db(db);
}

static void *interrupt_soon(void *db) {
  nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
  sqlite3_interrupt(db);
  return NULL;
}

static void interrupted(void) {
  sqlite3 *db = open_db();
  pthread_t thread;
  is(db,
     "SELECT python_define('import time\ndef f(x):\n"
     "  for i in range(1000): time.sleep(0.01)\n  return x')",
     "f");
  is(db, "SELECT python_eval('1')", "1");
  pthread_create(&thread, NULL, interrupt_soon, db);
  time_t began = time(NULL);
  is(db, "SELECT f(1)", "error 9: interrupted");
  ok(time(NULL) - began < 5, "%s: it did not run to its end", mode);
  pthread_join(thread, NULL);
  is(db, "SELECT python_eval('1')", "1");
  close_db(db);
}

/* A child that closes its copy of a connection must not take the parent's
** worker with it. */
static void the_host_forks(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')",
     "f");
  is(db, "SELECT f()", "1");
  sqlite3_stmt *running = prepare(db, "SELECT f() UNION ALL SELECT f()");
  next_is(running, "2");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    sqlite3_finalize(running);
    int good = sqlite3_close(db) == SQLITE_OK;
    if (!strcmp(mode, "process")) { /* a Python does not survive every fork */
      db = open_db();
      good = good && !strcmp(ask(db, "SELECT python_eval('6 * 7')"), "42");
      good = good && sqlite3_close(db) == SQLITE_OK;
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "%s: the child closed its copy", mode);
  next_is(running, "3");
  sqlite3_finalize(running);
  is(db, "SELECT f()", "4");
  close_db(db);
}

/* In process mode a child may also go on with the connection it has. */
static void a_forked_child_goes_on(void) {
  if (strcmp(mode, "process")) return;
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')",
     "f");
  is(db, "SELECT f()", "1");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int good = !strcmp(ask(db, "SELECT f()"), "1"); /* a fresh worker's count */
    good = good && sqlite3_close(db) == SQLITE_OK;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "%s: the child has a worker of its own", mode);
  is(db, "SELECT f()", "2");
  close_db(db);
}

static void host_function(sqlite3_context *ctx, int argc,
                          sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(ctx, "host", -1, SQLITE_STATIC);
}

/* The definition would succeed, and SQLite go on calling the host's. */
static void the_host_takes_a_name_in(const char *encoding) {
  sqlite3 *db = open_db();
  char sql[60];
  snprintf(sql, sizeof sql, "PRAGMA encoding='%s'", encoding);
  ask(db, sql);
  ask(db, "CREATE TABLE t(a)");
  is(db, "SELECT python_define('def h(x, y=1): return 1\ndef k(x): return 1')",
     "h,k");
  sqlite3_create_function(db, "H", 1, SQLITE_UTF8, NULL, host_function, NULL,
                          NULL);
  is(db, "SELECT h(1)", "host");
  contains(db, "SELECT python_define('def h(x): return 2')",
           "h with 1 argument is a function of SQLite's own or of the host's");
  contains(db, "SELECT python_define('def k(x): return 2\ndef h(x): return 2')",
           "h with 1 argument is a function of SQLite's own or of the host's");
  is(db, "SELECT h(1) || h(1, 2) || k(1)", "host11");
  is(db, "SELECT python_define('def h(x, y): return 3')", "h");
  is(db, "SELECT h(1) || h(1, 2)", "host3");
  close_db(db);
}

/* With many functions a name is looked for in another way. */
static void names_are_taken_among_many(void) {
  sqlite3 *db = open_db();
  is(db,
     "SELECT length(python_define((WITH n(i) AS (SELECT 1 UNION ALL "
     "SELECT i + 1 FROM n WHERE i < 300) SELECT group_concat("
     "'def f' || i || '(x): return x', char(10)) FROM n))) > 300",
     "1");
  sqlite3_create_function(db, "H", 1, SQLITE_UTF8, NULL, host_function, NULL,
                          NULL);
  contains(db, "SELECT python_define('def h(x): return 2')",
           "h with 1 argument is a function of SQLite's own or of the host's");
  contains(db, "SELECT python_define('def h(*x): return 2')",
           "h with any number of arguments is a function");
  contains(db, "SELECT python_define('abs', 'lambda x: 2')",
           "abs with 1 argument is a function of SQLite's own");
  contains(db, "SELECT python_define('row_number', 'lambda: 2')",
           "row_number with 0 arguments is a function of SQLite's own");
  is(db, "SELECT python_define('def h(x, y): return 3')", "h");
  is(db, "SELECT python_define('h \" 2', 'lambda: 4')", "\"h \"\" 2\"");
  is(db, "SELECT h(1) || h(1, 2) || \"h \"\" 2\"() || abs(-1) || f300(5)",
     "host3415");
  close_db(db);
}

static void the_host_takes_a_name(void) {
  the_host_takes_a_name_in("UTF-8");
  the_host_takes_a_name_in("UTF-16le");
  the_host_takes_a_name_in("UTF-16be");
}

static void *open_and_close(void *arg) {
  intptr_t good = 1;
  (void)arg;
  for (int i = 0; i < 20; i++) {
    sqlite3 *db = NULL;
    char text[ASKED];
    sqlite3_open(":memory:", &db);
    good &= load(db) == SQLITE_OK;
    good &=
        strncmp(ask_in(db, "SELECT pyudf_version()", text), "error", 5) != 0;
    good &= sqlite3_close(db) == SQLITE_OK;
  }
  return (void *)good;
}

/* For the thread sanitizer: loading writes what calls elsewhere read. */
static void loaded_in_many_threads(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    pthread_create(&threads[i], NULL, open_and_close, NULL);
  }
  for (int i = 0; i < 4; i++) {
    void *good = NULL;
    pthread_join(threads[i], &good);
    ok(good != NULL, "%s: loaded in thread %d", mode, i);
  }
}

static void a_bad_environment(void) {
  sqlite3 *db = NULL;
  setenv("PYUDF_SPIN", "fast", 1);
  setenv("PYUDF_ON_ERROR", "null", 1);
  sqlite3_open(":memory:", &db);
  ok(load(db) == SQLITE_OK, "%s: loads", mode);
  unsetenv("PYUDF_SPIN");
  unsetenv("PYUDF_ON_ERROR");
  contains(db, "SELECT python_eval('1')",
           "python_spin (from the environment's PYUDF_SPIN) accepts");
  contains(db, "SELECT * FROM pragma_python_spin", "not 'fast'");
  is(db, "SELECT source FROM python_settings WHERE name='python_spin'",
     "environment");
  is(db, "SELECT value FROM python_settings WHERE name='python_on_error'",
     "null");
  is(db, "UPDATE python_settings SET value=9 WHERE name='python_spin'", "");
  is(db, "SELECT python_eval('1')", "1");
  close_db(db);
}

int main(int argc, char **argv) {
  static void (*const tests[])(void) = {
      lengths_are_limited,    interrupted,           the_host_forks,
      a_forked_child_goes_on, the_host_takes_a_name, names_are_taken_among_many,
      loaded_in_many_threads, a_bad_environment,
  };
  return session_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
