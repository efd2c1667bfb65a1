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
  is(db, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')", "f");
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
  is(db, "SELECT python_define('n = [0]\ndef f(): n[0] += 1; return n[0]')", "f");
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
      lengths_are_limited,
      interrupted,
      the_host_forks,
      a_forked_child_goes_on,
      a_bad_environment,
  };
  return session_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
