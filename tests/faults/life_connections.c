/* life_connections.c - connections that are closed in every order and place
**
** By whom and when a connection is closed is the host's business: in another
** thread, with statements open, in a destructor, after the thread that opened it.
*/
#include <dlfcn.h>

#include "host.h"

static const char two_rows[] =
    "SELECT f(x) FROM (SELECT 1 AS x UNION ALL SELECT 2)";

static sqlite3 *open_f(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_define('f', 'lambda x: x')", "f");
  is(db, "SELECT f(0)", "0");
  return db;
}

static void statements_open(void) {
  sqlite3 *witness = witness_open(), *db = open_f();
  sqlite3_stmt *a = prepare(db, two_rows), *b = prepare(db, two_rows);
  next_is(a, "1");
  next_is(b, "1");
  ok(sqlite3_close(db) == SQLITE_BUSY, "close refuses");
  next_is(a, "2");
  ok(sqlite3_close_v2(db) == SQLITE_OK, "close_v2 waits");
  next_is(b, "2");
  next_is(a, "done");
  sqlite3_finalize(a);
  next_is(b, "done");
  sqlite3_finalize(b);
  witness_close(witness);
}

static void *use_and_close(void *db) {
  is(db, "SELECT f(1)", "1");
  close_db(db);
  return NULL;
}

static void in_a_thread(void *(*run)(void *), void *arg) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, arg);
  pthread_join(thread, NULL);
}

static void handed_over(void) { in_a_thread(use_and_close, open_f()); }

static void *open_there(void *db) {
  *(sqlite3 **)db = open_f();
  return NULL;
}

/* The thread that has started the template ends: its workers go on. */
static void opener_ends(void) {
  sqlite3 *db = NULL, *other;
  in_a_thread(open_there, &db);
  pause_ms(100);
  is(db, "SELECT f(1)", "1");
  other = open_f();
  if (!strcmp(mode, "process"))
    ok(template_of(db) == template_of(other), "the template goes on");
  close_db(db);
  is(other, "SELECT f(2)", "2");
  close_db(other);
}

/* A thread ends with a statement open, and Python with it. */
static void *step_once(void *statement) {
  sqlite3_step(statement);
  return NULL;
}

static void thread_ends_in_a_statement(void) {
  sqlite3 *db = open_f();
  sqlite3_stmt *statement = prepare(db, two_rows);
  in_a_thread(step_once, statement);
  time_t began = time(NULL);
  is(db, "SELECT f(3)", "3");
  ok(time(NULL) - began < 3, "nobody waits for a thread that has ended");
  sqlite3_finalize(statement);
  close_db(db);
}

/* The one deadlock that the GIL kept across rows could make. */
static void *call(void *db) {
  char text[ASKED];
  return (void *)(intptr_t)strlen(ask_in(db, "SELECT python_eval('1')", text));
}

static void keeps_python(void) {
  sqlite3 *db = open_f(), *other = open_f();
  sqlite3_stmt *statement = prepare(db, two_rows);
  pthread_t thread;
  void *len = NULL;
  next_is(statement, "1");
  pthread_create(&thread, NULL, call, other);
  pthread_join(thread, &len);
  ok(len != NULL, "another thread waits, but not for ever");
  sqlite3_finalize(statement);
  pthread_create(&thread, NULL, call, other);
  pthread_join(thread, &len);
  ok((intptr_t)len == 1, "and calls once the statement has ended");
  close_db(other);
  close_db(db);
}

/* ---- closed in destructors ---- */

static sqlite3 *to_close;

static void close_it(void) {
  if (!to_close) return;
  is(to_close, "SELECT f(7)", "7");
  close_db(to_close);
  _exit(6); /* it was closed here */
}

__attribute__((destructor)) static void destructor(void) { close_it(); }

static void in_atexit(void) {
  atexit(close_it);
  to_close = open_f();
  exit(5);
}

static void in_a_destructor(void) {
  to_close = open_f();
  exit(5);
}

static void close_with_the_thread(void *db) {
  is(db, "SELECT f(7)", "7");
  close_db(db);
}

static pthread_key_t key;

static void *open_with_the_thread(void *arg) {
  (void)arg;
  pthread_setspecific(key, open_f());
  return NULL;
}

static void in_a_key_destructor(void) {
  pthread_key_create(&key, close_with_the_thread);
  in_a_thread(open_with_the_thread, NULL);
}

static void key_made_after_ours(void) {
  sqlite3 *db = open_f();
  pthread_key_create(&key, close_with_the_thread);
  in_a_thread(open_with_the_thread, NULL);
  is(db, "SELECT f(8)", "8");
  close_db(db);
}

/* ---- many ---- */

static void many_in_random_order(void) {
  enum { MANY = 200 };
  static sqlite3 *dbs[MANY];
  unsigned random = 7;
  setenv("PYUDF_EXECUTION_MODE", mode, 1);
  for (int i = 0; i < MANY; i++) {
    sqlite3_open(":memory:", &dbs[i]);
    if (load(dbs[i])) ok(0, "loaded");
    if (i % 5) continue;
    char sql[60], number[20];
    snprintf(sql, sizeof sql, "SELECT python_eval('%d')", i);
    snprintf(number, sizeof number, "%d", i);
    if (strcmp(ask(dbs[i], sql), number)) ok(0, "%s", sql);
  }
  for (int left = MANY; left; left--) {
    random = random * 1103515245 + 12345;
    int at = (int)(random >> 8) % left;
    if (left % 40 == 0) works(dbs[at]);
    if (sqlite3_close(dbs[at])) ok(0, "closed");
    dbs[at] = dbs[left - 1];
  }
  ok(1, "all closed");
}

/* Between two lives of SQLite. */
static void sqlite_shut_down(void) {
  sqlite3_shutdown();
  for (int i = 0; i < 3; i++) {
    ok(sqlite3_initialize() == SQLITE_OK, "initialised");
    sqlite3 *db = open_f();
    close_db(db);
    ok(sqlite3_shutdown() == SQLITE_OK, "shut down");
  }
}

/* The extension stays: Python and threads have pointers into it. */
static void cannot_be_unloaded(void) {
  char path[4200];
  snprintf(path, sizeof path, "%s.so", extension);
  void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  ok(library != NULL, "it is loaded");
  sqlite3 *db = open_f();
  for (int i = 0; library && i < 10; i++) dlclose(library);
  is(db, "SELECT f(1)", "1");
  close_db(db);
  ok(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == library, "and stays");
}

/* The host takes its own Python down, then closes the connection. */
static void host_finalises(void) {
  static const char code[] =
      "import os, sysconfig as s; v = s.get_config_var; "
      "print(next((p for p in (os.path.join(d, v('INSTSONAME') or '') for d in "
      "(v('LIBDIR'), os.path.join(v('LIBDIR'), v('MULTIARCH') or ''))) "
      "if os.path.isfile(p) and '.so' in p), ''))";
  char command[1024], path[1024] = "";
  const char *python = getenv("PYUDF_PYTHON");
  snprintf(command, sizeof command, "'%s' -c \"%s\"",
           python ? python : "python3", code);
  FILE *pipe = popen(command, "re");
  if (pipe && fgets(path, sizeof path, pipe)) path[strcspn(path, "\n")] = 0;
  if (pipe) pclose(pipe);
  void *library = *path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (!library) skip("no shared libpython");
  void (*initialise)(int);
  int (*finalise)(void);
  *(void **)&initialise = dlsym(library, "Py_InitializeEx");
  *(void **)&finalise = dlsym(library, "Py_FinalizeEx");
  initialise(0);
  sqlite3 *db = open_db();
  works(db);
  finalise();
  matches(db, "SELECT python_eval('1 + 1')",
          "Python has ended in this process");
  close_db(db);
  db = open_db();
  matches(db, "SELECT python_eval('1 + 1')", "has finalised its Python");
  ask(db, "PRAGMA python_execution_mode=process");
  works(db);
  close_db(db);
}

static const struct host hosts[] = {
    {"closed with statements open", NOTHING, NOTHING, statements_open, 0, 0},
    {"closed in another thread", NOTHING, NOTHING, handed_over, 0, 0},
    {"the thread that opened it ends", NOTHING, NOTHING, opener_ends, 0, COLD},
    {"a thread ends with a statement open", NOTHING, NOTHING,
     thread_ends_in_a_statement, 0, 0},
    {"a thread keeps Python in a statement", NULL,
     "the other thread's statement", keeps_python, 0, 0},
    {"closed in atexit()", NOTHING, NOTHING, in_atexit, EXITS(6), 0},
    {"closed in a destructor", NOTHING, NOTHING, in_a_destructor, EXITS(6), 0},
    {"closed in a thread's destructor", NOTHING, NOTHING, in_a_key_destructor,
     0, COLD},
    {"closed in a later thread's destructor", NOTHING, NOTHING,
     key_made_after_ours, 0, 0},
    {"200 connections, closed at random", NOTHING, NOTHING,
     many_in_random_order, 0, 0},
    {"sqlite3_shutdown() in between", NOTHING, NOTHING, sqlite_shut_down, 0, 0},
    {"dlclose() of the extension", NOTHING, NOTHING, cannot_be_unloaded, 0, 0},
    {"the host finalises its Python", NULL, "thread mode, with an error",
     host_finalises, 0, COLD},
};

HOSTS_MAIN(hosts)
