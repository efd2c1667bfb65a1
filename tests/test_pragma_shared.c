/*
** test_pragma_shared EXTENSION: the PRAGMA hook with a shared cache, with many threads, and as an auto-extension.
** Links libsqlite3; TAP on standard output; works in a directory of its own under TMPDIR.
*/
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pragma_tap.h"

#ifndef ROUNDS
#define ROUNDS 40
#endif

enum { THREADS = 8 };

/* SQLite's own mutexes, and the file that mutex_enter looks at. */
static sqlite3_mutex_methods mutexes;
static sqlite3_file *loan_file;
static int loan_seen, loan_guarded, loan_kept;

/* In a thread of its own: SQLITE_DEBUG asserts that a thread does not try a mutex it has. */
static void *opening_try(void *arg) {
  sqlite3_mutex *opening = mutexes.xMutexAlloc(SQLITE_MUTEX_STATIC_OPEN);

  (void)arg;
  if (mutexes.xMutexTry(opening) != SQLITE_OK) return &mutexes;
  mutexes.xMutexLeave(opening);
  return NULL;
}

static void *opening_hold(void *arg) {
  sqlite3_mutex *opening = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_OPEN);

  sqlite3_mutex_enter(opening);
  pthread_barrier_wait(arg);
  pthread_barrier_wait(arg);
  sqlite3_mutex_leave(opening);
  return NULL;
}

/*
** sqlite3_file_control enters the connection's mutex while a loan is on: here the file can be seen as sqlite3_open, joining
** the shared cache in another thread, may see it, and be told what that tells it.
*/
static void mutex_enter(sqlite3_mutex *mutex) {
  static _Thread_local int inside;

  if (loan_file != NULL && !inside) {
    const sqlite3_io_methods *lent = loan_file->pMethods;
    inside = 1;
    if (lent != NULL) {
      pthread_t thread;
      void *db = NULL, *busy = NULL;
      loan_seen++;
      pthread_create(&thread, NULL, opening_try, NULL);
      pthread_join(thread, &busy);
      loan_guarded += busy != NULL;
      lent->xFileControl(loan_file, SQLITE_FCNTL_PDB, &db);
      loan_kept += loan_file->pMethods == lent;
    }
    inside = 0;
  }
  mutexes.xMutexEnter(mutex);
}

static void mutex_watch(void) {
  sqlite3_mutex_methods watched;

  sqlite3_initialize(); /* which chooses them */
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_GETMUTEX, &mutexes);
  watched = mutexes;
  watched.xMutexEnter = mutex_enter;
  sqlite3_config(SQLITE_CONFIG_MUTEX, &watched);
}

/*
** Prevents: sqlite3_open, joining a shared cache in another thread, that meets a loan's methods and calls them when it is
** over: a crash of the host, seen once in some twenty runs of threads_run.
*/
static void test_loan(void) {
  static const char path[] = "file:loan?mode=memory&cache=shared";
  pthread_barrier_t barrier;
  pthread_t thread;
  sqlite3 *db = open_loaded(path);

  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &loan_file);
  is(db, "loan", "PRAGMA python_level = 2", "2");
  ok(loan_seen > 0 && loan_guarded == loan_seen,
     "loan: under the mutex of sqlite3_open");
  ok(loan_kept == loan_seen, "loan: what is no PRAGMA passes on");
  loan_file = NULL;
  ok(methods_of(db, "main") == NULL, "loan: over");
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, opening_hold, &barrier);
  pthread_barrier_wait(&barrier);
  is(db, "loan, while another opens", "PRAGMA python_level = 3",
     "3"); /* and no deadlock, should that wait for us */
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  closes(db, "loan");
}

/* Prevents: one connection's PRAGMA answered by another that has the same file open through a shared cache. */
static void test_shared(const char *what, const char *path, int flags,
                        const char *gap) {
  sqlite3 *a = load(open_plain(path, RW | flags, NULL)),
          *b = open_plain(path, RW | flags, NULL), *c;
  const sqlite3_io_methods *methods = methods_of(a, "main");
  int authorizer = gap == NULL;

  c = load(open_plain(path, RW | flags, NULL));
  ok(methods_of(c, "main") == methods, "%s: a file is wrapped once", what);
  if (!authorizer) {
    sqlite3_set_authorizer(a, NULL, NULL);
    sqlite3_set_authorizer(c, NULL, NULL);
  }
  is(a, what, "PRAGMA python_level = 21", authorizer ? "21" : gap);
  is(c, what, "PRAGMA python_level",
     authorizer             ? "1"
     : strstr(gap, "error") ? gap
                            : "1");
  is(b, what, "PRAGMA python_level = 5",
     authorizer || !strstr(gap, "error") ? "none" : gap);
  if (authorizer || strcmp(gap, "21") == 0) {
    is(a, what, "PRAGMA python_level", "21");
    closes(a, what);
    is(c, what, "PRAGMA python_level = 22", "22");
    is(b, what, "PRAGMA python_level", "none");
    closes(c, what);
    is(b, what, "PRAGMA python_level", "none");
    run(b, "CREATE TABLE IF NOT EXISTS s(a); INSERT INTO s VALUES(1)");
    a = open_plain(path, RW | flags, NULL);
    is(load(a), what, "PRAGMA python_level", "1");
  } else
    closes(c, what);
  run(a, "SELECT pragma_hook('end')");
  is(a, what, "PRAGMA python_level", "none");
  closes(a, what);
  closes(b, what);
}

/* Prevents: doubt about whose a PRAGMA is where the authorizer has said so. */
static void test_shared_known(const char *what, int flags) {
  sqlite3 *a = load(open_plain("known.db", RW | flags, NULL)),
          *b = load(open_plain("known.db", RW | flags, NULL));

  is(a, what, "PRAGMA python_level = 31", "31");
  is(b, what, "PRAGMA python_level", "1");
  is(b, what, "PRAGMA python_level = 32", "32");
  is(a, what, "PRAGMA python_level", "31");
  closes(a, what);
  closes(b, what);
}

static void *thread_main(void *arg) {
  static const char *const paths[] = {"threads.db", ":memory:", "",
                                      "file:threads.db?cache=shared",
                                      "file:threads?mode=memory&cache=shared"};
  long me = (long)arg, bad = 0;
  char sql[100], want[20], got[200];
  int i, j;

  for (i = 0; i < ROUNDS; i++) {
    sqlite3 *db = open_loaded(paths[(me + i) % 5]);
    snprintf(want, sizeof(want), "%ld%03d", me, i);
    snprintf(sql, sizeof(sql), "PRAGMA python_level = %s", want);
    bad += strcmp(query(db, sql, got, sizeof(got)), want) != 0;
    for (j = 0; j < 5; j++)
      bad +=
          strcmp(query(db, "PRAGMA python_level", got, sizeof(got)), want) != 0;
    query(db, "SELECT pragma_hook('refresh'), count(*) FROM sqlite_master", got,
          sizeof(got));
    bad += sqlite3_close(db) != SQLITE_OK;
  }
  return (void *)bad;
}

static long threads_run(void) {
  pthread_t threads[THREADS];
  void *bad;
  long i, sum = 0;

  for (i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, thread_main, (void *)i);
  for (i = 0; i < THREADS; i++) {
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  return sum;
}

static void *race_open(void *arg) {
  int i;

  for (i = 0; i < ROUNDS * 50; i++) sqlite3_close(open_plain(arg, RW, NULL));
  return NULL;
}

/* Prevents: as test_loan, with real threads. */
static void test_race(const char *path) {
  pthread_t threads[2];
  char got[100];
  int i, bad = 0;
  sqlite3 *db = open_loaded(path);

  for (i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, race_open, (void *)path);
  for (i = 0; i < ROUNDS * 250; i++)
    bad += strcmp(query(db, "PRAGMA python_level", got, sizeof(got)), "1") != 0;
  for (i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  ok(bad == 0, "%s: a PRAGMA while others open the shared cache", path);
  closes(db, path);
}

static int auto_init(sqlite3 *db, char **error, const void *api) {
  (void)error, (void)api;
  load(db);
  return SQLITE_OK;
}

/* Prevents: a deadlock where the connection we try things on loads us too. */
static int automatic_run(void) {
  sqlite3 *db;
  char got[100];

  sqlite3_auto_extension((void (*)(void))auto_init);
  db = open_plain(":memory:", RW, NULL);
  query(db, "PRAGMA python_level", got, sizeof(got));
  sqlite3_close(db);
  return strcmp(got, "1") != 0;
}

/* In a process of its own: the trial is made once in a process. */
static int child(int automatic) {
  pid_t pid = fork();
  int status = 1;

  if (pid == 0) {
    alarm(120);
    _exit(automatic ? automatic_run() : threads_run() != 0);
  }
  waitpid(pid, &status, 0);
  return status;
}

int main(int argc, char **argv) {
  pragma_start(argc, argv);
  mutex_watch();
  ok(child(1) == 0, "as an auto-extension");
  ok(child(0) == 0, "many threads load it at once for the first time");
  test_shared("shared cache", "shared.db", SQLITE_OPEN_SHAREDCACHE, NULL);
  test_shared("shared cache, host's authorizer", "shared.db",
              SQLITE_OPEN_SHAREDCACHE, "21");
  test_shared(
      "shared cache, no mutex", "shared.db",
      SQLITE_OPEN_SHAREDCACHE | SQLITE_OPEN_NOMUTEX,
      "error: python_level: this file is shared by connections without mutexes;"
      " use UPDATE python_settings SET value=... WHERE name='python_level'");
  test_shared_known("shared cache, no mutex, authorizer",
                    SQLITE_OPEN_SHAREDCACHE | SQLITE_OPEN_NOMUTEX);
  test_shared("shared memory", "file::memory:?cache=shared", 0, NULL);
  test_loan();
  ok(threads_run() == 0, "%d threads, each its own value", THREADS);
  test_race("file:threads.db?cache=shared");
  test_race("file:threads?mode=memory&cache=shared");
  setenv("PYUDF_PRAGMA", "authorizer", 1);
  test_race("file:threads.db?cache=shared");
  return pragma_end();
}
