/* test_native.c - compiled code called by many threads, and while it is replaced
**
** Usage: test_native [PYUDF.SO]; the code is that of native_code.c, and here.
*/
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "session.h"

enum { THREADS = 50, THREADS_WORKERS = 4, ROWS = 20000, LATE_S = 120 };

/* Defines `name` of native_code.so, which takes and gives an int64. */
static void define_code(sqlite3 *db, const char *name, const char *as,
                        char text[ASKED]) {
  char sql[400];
  snprintf(sql, sizeof sql,
           "SELECT python_define('%s', 'ctypes.CFUNCTYPE(ctypes.c_int64, "
           "ctypes.c_int64)((\"%s\", ctypes.CDLL(os.environ[\"PYUDF_BUILD\"] + "
           "\"/tests/.libs/native_code.so\")))')",
           as, name);
  ask_in(db, sql, text);
}

/* ---- many threads ---- */

struct user {
  pthread_t thread;
  char met[ASKED];
  char sum[ASKED];
};

/* The first call of a function goes through Python; the second waits in the code
** until all threads are in it, which is never where the GIL is held. */
static void *use(void *arg) {
  struct user *user = arg;
  sqlite3 *db = open_db();
  char sql[300];
  int together = !strcmp(mode, "thread") ? THREADS : 0;
  define_code(db, "meet", "meet", user->met);
  snprintf(sql, sizeof sql, "SELECT sum(meet(column1)) FROM (VALUES (0), (%d))",
           together);
  ask_in(db, sql, user->met);
  define_code(db, "same_int64", "same", user->sum);
  snprintf(sql, sizeof sql,
           "SELECT sum(same(x)) FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION "
           "ALL SELECT x + 1 FROM c WHERE x < %d) SELECT x FROM c)",
           ROWS);
  ask_in(db, sql, user->sum);
  if (sqlite3_close(db)) strcpy(user->sum, "not closed");
  return NULL;
}

static void many_threads(void) {
  struct user *users = calloc(THREADS, sizeof *users);
  int count = !strcmp(mode, "thread") ? THREADS : THREADS_WORKERS;
  int apart = 0, wrong = 0;
  char wanted[64];
  snprintf(wanted, sizeof wanted, "%lld", (long long)ROWS * (ROWS + 1) / 2);
  alarm(LATE_S); /* ends the test where it hangs */
  for (int i = 0; i < count; i++) {
    pthread_create(&users[i].thread, NULL, use, &users[i]);
  }
  for (int i = 0; i < count; i++) {
    pthread_join(users[i].thread, NULL);
    if (strcmp(users[i].met, "2") && !apart++) printf("# %s\n", users[i].met);
    if (strcmp(users[i].sum, wanted) && !wrong++)
      printf("# %s\n", users[i].sum);
  }
  alarm(0);
  ok(!apart, "%s: %d threads are in the code at once", mode, count);
  ok(!wrong, "%s: and each has its own rows", mode);
  free(users);
}

/* ---- replaced while a statement runs ---- */

static void replaced(void) {
  sqlite3 *db = open_db();
  char text[ASKED];
  define_code(db, "same_int64", "f", text);
  ok(!strcmp(text, "f"), "%s: defined: %s", mode, text);
  sqlite3_stmt *rows = prepare(
      db, "SELECT f(column1) FROM (VALUES (1), (2), (3), (258), (5), (6))");
  next_is(rows, "1");
  next_is(rows, "2");
  define_code(db, "same_int64", "other", text);
  next_is(rows, "3");
  define_code(db, "negative", "f", text);
  next_is(rows, "-258");
  /* The space that has the code begins anew. */
  ask(db, "SELECT * FROM pragma_python_path('/nonexistent-for-native-code')");
  next_is(rows, "-5");
  is(db, "SELECT python_drop('f')", "f");
  next_is(rows, "-6");
  next_is(rows, "done");
  sqlite3_finalize(rows);
  contains(db, "SELECT f(1)", "error 1: ");
  is(db, "SELECT python_define('f', 'lambda x: -x')", "f");
  is(db, "SELECT f(1)", "-1");
  close_db(db);
}

/* The mode changes, and with it who may call. */
static void moved(void) {
  sqlite3 *db = open_db();
  char text[ASKED];
  define_code(db, "same_int64", "same", text);
  is(db, "SELECT sum(same(column1)) FROM (VALUES (1), (2))", "3");
  const char *before = mode, *other = *mode == 't' ? "process" : "thread";
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT * FROM pragma_python_execution_mode('%s')",
           other);
  is(db, sql, other);
  is(db, "SELECT sum(same(column1)) FROM (VALUES (3), (4))", "7");
  snprintf(sql, sizeof sql, "SELECT * FROM pragma_python_execution_mode('%s')",
           before);
  is(db, sql, before);
  is(db, "SELECT sum(same(column1)) FROM (VALUES (5), (6))", "11");
  close_db(db);
}

/* ---- code of the host's that uses the connection which calls it ---- */

static sqlite3 *nested_db;
static int nested_depth;
static int freed, freed_inside; /* objects that the code is of */

static int64_t nested(int64_t x) {
  char text[ASKED], text_gc[ASKED];
  if (x == 2 && nested_depth++ == 0) {
    ask_in(nested_db, "SELECT python_drop('nested')", text);
    ask_in(nested_db, "SELECT * FROM pragma_python_path('/nonexistent')", text);
    ask_in(nested_db, "SELECT python_define('nested', 'lambda x: -x')", text);
    ask_in(nested_db, "SELECT nested(5)", text);
    nested_depth--;
    ask_in(nested_db, "SELECT python_eval('gc.collect() and 0')", text_gc);
    freed_inside = freed;
    return atoll(text);
  }
  return x;
}

static void nested_calls(void) {
  if (strcmp(mode, "thread")) return; /* a worker does not have it */
  nested_db = open_db();
  char sql[600];
  snprintf(sql, sizeof sql,
           "SELECT python_define('import ctypes\n"
           "from pyudf import udf\n"
           "freed = ctypes.c_int.from_address(%llu)\n"
           "class Code(ctypes._CFuncPtr):\n"
           "  _flags_, _restype_ = 1, ctypes.c_int64\n"
           "  _argtypes_ = ctypes.c_int64,\n"
           "  def __del__(self, freed=freed): freed.value += 1\n"
           "nested = udf(Code(%llu), name=\"nested\")')",
           (unsigned long long)(uintptr_t)&freed,
           (unsigned long long)(uintptr_t)nested);
  is(nested_db, sql, "nested");
  is(nested_db,
     "SELECT group_concat(nested(column1)) FROM (VALUES (1), (2), (3))",
     "1,-5,-3");
  is(nested_db, "SELECT nested(4)", "-4");
  ok(!freed_inside, "%s: the code stays while it runs", mode);
  ask(nested_db, "SELECT python_eval('gc.collect() and 0')");
  ok(freed == 1, "%s: and goes at last", mode);
  close_db(nested_db);
}

int main(int argc, char **argv) {
  static void (*const tests[])(void) = {replaced, moved, nested_calls,
                                        many_threads};
  if (!getenv("PYUDF_BUILD")) setenv("PYUDF_BUILD", ".", 1);
  return session_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
