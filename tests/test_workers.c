/* test_workers.c - how many workers a process may have, and what others see of them
**
** PYUDF_MAX_WORKERS is read once a process: it is 2 in this one. Loads argv[1],
** or $PYUDF_BUILD/pyudf.
*/
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"

static const char define_nap[] =
    "SELECT python_define('nap', 'lambda s: __import__(\"time\").sleep(s)')";

static void *nap(void *db) {
  static char text[ASKED];
  return (void *)(uintptr_t)ask_in(db, "SELECT nap(60)", text);
}

/* Asks again until it is so, for at most ten seconds. */
static void becomes(sqlite3 *db, const char *sql, const char *expected) {
  for (int i = 0; i < 500 && strcmp(ask(db, sql), expected) != 0; i++) {
    usleep(20000);
  }
  is(db, sql, expected);
}

/* Who looks for the function that hangs does not find it. */
static void shows_what_runs(void) {
  sqlite3 *db = open_db(), *other = open_db();
  is(db, define_nap, "nap");
  is(db, "SELECT nap(0)", "NULL");
  is(db, "SELECT state || own FROM python_workers", "idle1");
  pthread_t thread;
  pthread_create(&thread, NULL, nap, db);
  becomes(other, "SELECT function FROM python_workers", "nap");
  is(other, "SELECT state || own || calls FROM python_workers", "running02");
  is(other,
     "SELECT abs(julianday('now') - julianday(since)) < 0.001 FROM "
     "python_workers",
     "1");
  pid_t pid = atoi(ask(other, "SELECT pid FROM python_workers"));
  kill(pid, SIGSTOP);
  becomes(other, "SELECT state FROM python_workers", "stopped");
  kill(pid, SIGCONT);
  becomes(other, "SELECT state FROM python_workers", "running");
  kill(pid, SIGKILL);
  void *text;
  pthread_join(thread, &text);
  ok(strstr(text, "SIGKILL") != NULL, "the call ends with its worker");
  is(other, "SELECT count(*) FROM python_workers", "0");
  is(db, "SELECT nap(0)", "NULL");
  is(other, "SELECT state || restarts FROM python_workers", "idle1");
  close_db(db);
  close_db(other);
}

static void *close_soon(void *db) {
  usleep(300000);
  sqlite3_close(db);
  return NULL;
}

static void *interrupt_soon(void *db) {
  usleep(300000);
  sqlite3_interrupt(db);
  return NULL;
}

/* 1 where all that the test asserts holds in a forked child; its lines are not
** shown. */
static int holds_in_child(void (*test)(void)) {
  int status = -1;
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    tap_failed = 0;
    if (!freopen("/dev/null", "w", stdout)) _exit(1);
    test();
    _exit(tap_failed != 0);
  }
  waitpid(pid, &status, 0);
  return status == 0;
}

static void counts_anew(void) {
  sqlite3 *own[2] = {open_db(), open_db()};
  for (int i = 0; i < 2; i++) is(own[i], "SELECT python_eval('1')", "1");
  is(own[0], "SELECT count(*) FROM python_workers", "2");
}

/* A pile of processes, or a wait for ever. */
static void has_no_more(void) {
  sqlite3 *db[4];
  for (int i = 0; i < 4; i++) db[i] = open_db();
  for (int i = 0; i < 2; i++) is(db[i], "SELECT python_eval('1')", "1");
  contains(db[2], "SELECT python_eval('1')",
           "this process has 2 workers, as many as PYUDF_MAX_WORKERS allows");
  pthread_t thread;
  pthread_create(&thread, NULL, interrupt_soon, db[2]);
  contains(db[2], "SELECT python_eval('1')", "error 9");
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, close_soon, db[0]);
  is(db[2], "SELECT python_eval('1')", "1");
  pthread_join(thread, NULL);
  is(db[3], "SELECT count(*) FROM python_workers", "2");
  contains(db[1], "SELECT python_eval('os.abort()')", "SIGABRT");
  is(db[3], "SELECT python_eval('1')", "1");
  ask(db[3], "PRAGMA python_execution_mode=thread");
  is(db[3], "SELECT python_eval('2')", "2");
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (sanitizer && *sanitizer) {
    /* Seen with gcc 12: its allocator's lock may be held when it forks. */
    ok(1,
       "a forked child has places of its own # SKIP a sanitizer's allocator "
       "may hang in a forked child");
  } else {
    ok(holds_in_child(counts_anew), "a forked child has places of its own");
  }
  is(db[3], "SELECT count(*) FROM python_workers", "2");
  for (int i = 1; i < 4; i++) close_db(db[i]);
}

static void has_a_bad_limit(void) {
  setenv("PYUDF_MAX_WORKERS", "many", 1);
  sqlite3 *db = open_db();
  contains(db, "SELECT python_eval('1')",
           "PYUDF_MAX_WORKERS accepts a number from 1, not 'many'");
  close_db(db);
}

int main(int argc, char **argv) {
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  extension = argc > 1 ? argv[1] : path;
  mode = "process";
  ok(holds_in_child(has_a_bad_limit), "PYUDF_MAX_WORKERS=many is an error");
  setenv("PYUDF_MAX_WORKERS", "2", 1);
  shows_what_runs();
  has_no_more();
  return tap_done();
}
