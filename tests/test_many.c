/* test_many.c - many threads of the host at once
**
** Own connections under SQLite's multi-thread mode, one connection for all under
** its serialised mode, and what one thread's end leaves to the others.
** Usage: test_many [PYUDF.SO]
*/
#include <pthread.h>
#include <unistd.h>

#include "session.h"

enum { THREADS = 8, TURNS = 15, LATE_S = 60 };

static int open_flags;

static sqlite3 *open_with(int flags) {
  sqlite3 *db = NULL;
  char text[ASKED], sql[120];
  flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(":memory:", &db, flags, NULL) || load(db)) {
    printf("Bail out! no connection\n");
    exit(1);
  }
  snprintf(sql, sizeof sql,
           "UPDATE python_settings SET value='%s' WHERE "
           "name='python_execution_mode'",
           mode);
  ask_in(db, sql, text);
  return db;
}

struct user {
  pthread_t thread;
  sqlite3 *db; /* NULL: one of its own, opened and closed by its thread */
  int number;
  char wrong[ASKED]; /* the first answer that was */
};

/* What it asks, and what should come. */
static void question(const struct user *user, int turn, char sql[200],
                     char wanted[64]) {
  int n = 20 + turn;
  snprintf(sql, 200,
           "SELECT sum(f(x, %d)) FROM (WITH RECURSIVE c(x) AS (VALUES(1) "
           "UNION ALL SELECT x+1 FROM c WHERE x < %d) SELECT x FROM c)",
           user->number, n);
  snprintf(wanted, 64, "%d", n * (n + 1) / 2 * 3 + n * user->number);
}

static void *use(void *arg) {
  struct user *user = arg;
  sqlite3 *db = user->db ? user->db : open_with(open_flags);
  char text[ASKED], sql[200], wanted[64];
  if (!user->db) {
    ask_in(db, "SELECT python_define('f', 'lambda x, y: 3 * x + y')", text);
  }
  for (int turn = 0; turn < TURNS && !*user->wrong; turn++) {
    question(user, turn, sql, wanted);
    if (turn % 5 == 4) {
      strcpy(sql, "SELECT f('a', 1)");
      strcpy(wanted, "");
      ask_in(db, sql, text);
      /* The message is the connection's last, and may be another thread's. */
      if (!strstr(text, user->db ? "error 1: " : "TypeError")) {
        strcpy(user->wrong, text);
      }
    } else if (strcmp(ask_in(db, sql, text), wanted)) {
      snprintf(user->wrong, sizeof user->wrong, "%.1500s, not %s", text,
               wanted);
    }
  }
  if (!user->db && sqlite3_close(db)) strcpy(user->wrong, "not closed");
  return NULL;
}

static void all_use(sqlite3 *db, const char *name) {
  struct user users[THREADS] = {0};
  int wrong = 0;
  for (int i = 0; i < THREADS; i++) {
    users[i].db = db;
    users[i].number = i + 1;
    pthread_create(&users[i].thread, NULL, use, &users[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(users[i].thread, NULL);
    if (*users[i].wrong) printf("# %d: %s\n", i, users[i].wrong);
    wrong += *users[i].wrong != 0;
  }
  ok(!wrong, "%s: %s", mode, name);
}

/* Each statement of one connection waits for the others', between rows too. */
static void one_for_all(void) {
  sqlite3 *db = open_with(SQLITE_OPEN_FULLMUTEX);
  is(db, "SELECT python_define('f', 'lambda x, y: 3 * x + y')", "f");
  all_use(db, "one connection in eight threads");
  is(db, "SELECT f(1, 1)", "4");
  close_db(db);
}

static void each_its_own(void) {
  open_flags = SQLITE_OPEN_NOMUTEX;
  all_use(NULL, "a connection without a mutex in each of eight threads");
  open_flags = SQLITE_OPEN_FULLMUTEX;
  all_use(NULL, "a connection in each of eight threads");
}

/* ---- a thread that is to end while it waits for another's import ---- */

static void *import_it(void *arg) {
  struct user *user = arg;
  ask_in(user->db, "SELECT get()", user->wrong);
  return NULL;
}

/* One imports, which takes a while; one waits for it, and its time is over; one
** waits too. A TimeoutError in importlib left the module's lock taken: the third
** waited for ever. */
static void import_and_timeout(void) {
  char place[] = "/tmp/pyudf-many-XXXXXX", path[100], sql[300];
  struct user users[3] = {0};
  if (!mkdtemp(place)) return;
  snprintf(path, sizeof path, "%s/%s_slow.py", place, mode);
  FILE *file = fopen(path, "w");
  fputs("import time\nfor i in range(60): time.sleep(0.02)\nvalue = 42\n",
        file);
  fclose(file);
  for (int i = 0; i < 3; i++) {
    users[i].db = open_with(0);
    snprintf(sql, sizeof sql, "SELECT * FROM pragma_python_path('%s')", place);
    is(users[i].db, sql, place);
    snprintf(sql, sizeof sql,
             "SELECT python_define('get', 'def get():\n"
             "  import %s_slow as slow, time\n"
             "  for i in range(50): time.sleep(0.01)\n"
             "  return slow.value')",
             mode);
    is(users[i].db, sql, "get");
  }
  is(users[1].db, "SELECT * FROM pragma_python_timeout(100)", "100");
  alarm(LATE_S); /* ends the test where it hangs */
  for (int i = 0; i < 3; i++) {
    pthread_create(&users[i].thread, NULL, import_it, &users[i]);
    usleep(200000);
  }
  for (int i = 0; i < 3; i++) pthread_join(users[i].thread, NULL);
  alarm(0);
  ok(!strcmp(users[0].wrong, "42"), "%s: it is imported: %s", mode,
     users[0].wrong);
  ok(strstr(users[1].wrong, "timed out after 100 ms") != NULL,
     "%s: too late for one: %s", mode, users[1].wrong);
  ok(!strcmp(users[2].wrong, "42"), "%s: but not for others: %s", mode,
     users[2].wrong);
  for (int i = 0; i < 3; i++) close_db(users[i].db);
  unlink(path);
  snprintf(sql, sizeof sql, "rm -r %s", place);
  ok(!shell(sql), "%s: cleaned up", mode);
}

int main(int argc, char **argv) {
  static void (*const own[])(void) = {each_its_own};
  static void (*const all[])(void) = {each_its_own, one_for_all,
                                      import_and_timeout};
  ok(sqlite3_config(SQLITE_CONFIG_MULTITHREAD) == SQLITE_OK,
     "SQLite for one connection a thread");
  session_run(argc, argv, own, 1);
  ok(sqlite3_shutdown() == SQLITE_OK &&
         sqlite3_config(SQLITE_CONFIG_SERIALIZED) == SQLITE_OK,
     "SQLite for connections in many threads");
  return session_main(argc, argv, all, sizeof all / sizeof *all);
}
