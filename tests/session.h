/* session.h - connections with the extension loaded, for the tests in C
**
** Each test runs in both modes: session_main() calls all of them in each.
*/
#ifndef PYUDF_TESTS_SESSION_H
#define PYUDF_TESTS_SESSION_H

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

enum { ASKED = 2048 }; /* bytes of an answer */

static const char *extension;
static const char *mode; /* "process" or "thread" */

/* The first column of the first row, "" for none, or "error N: message": in
** text. */
static inline const char *ask_in(sqlite3 *db, const char *sql,
                                 char text[ASKED]) {
  sqlite3_stmt *statement = NULL;
  *text = 0;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    const char *value = (const char *)sqlite3_column_text(statement, 0);
    snprintf(text, ASKED, "%s", value ? value : "NULL");
    while (rc == SQLITE_ROW) rc = sqlite3_step(statement);
  }
  if (rc != SQLITE_DONE && rc != SQLITE_OK) {
    /* The text is the connection's, which other threads may be using. */
    sqlite3_mutex_enter(sqlite3_db_mutex(db));
    snprintf(text, ASKED, "error %d: %s", rc, sqlite3_errmsg(db));
    sqlite3_mutex_leave(sqlite3_db_mutex(db));
  }
  sqlite3_finalize(statement);
  return text;
}

/* The same, valid until the next call but three. */
static inline const char *ask(sqlite3 *db, const char *sql) {
  static char texts[4][ASKED];
  static int next;
  return ask_in(db, sql, texts[next++ % 4]);
}

#define is(db, sql, expected) is_at(__LINE__, db, sql, expected)

/* The first line of an SQL text, for a test's name. */
static inline int shown(const char *sql) {
  size_t len = strcspn(sql, "\n");
  return len > 60 ? 60 : (int)len;
}

static inline void is_at(int line, sqlite3 *db, const char *sql,
                         const char *expected) {
  const char *got = ask(db, sql);
  if (!ok(!strcmp(got, expected), "%s, line %d: %.*s", mode, line, shown(sql),
          sql)) {
    printf("# expected %s\n#      got %s\n", expected, got);
  }
}

#define contains(db, sql, part) contains_at(__LINE__, db, sql, part)

static inline void contains_at(int line, sqlite3 *db, const char *sql,
                               const char *part) {
  const char *got = ask(db, sql);
  if (!ok(strstr(got, part) != NULL, "%s, line %d: %.*s", mode, line,
          shown(sql), sql)) {
    printf("# expected ...%s...\n#      got %s\n", part, got);
  }
}

/* The shell goes without a sanitizer that workers are to have: the thread
** sanitizer crashes in it (seen with gcc 12). */
static inline char *hide_preload(void) {
  const char *preload = getenv("LD_PRELOAD");
  char *hidden = preload ? strdup(preload) : NULL;
  unsetenv("LD_PRELOAD");
  return hidden;
}

static inline void show_preload(char *hidden) {
  if (hidden) setenv("LD_PRELOAD", hidden, 1);
  free(hidden);
}

/* system() */
static inline int shell(const char *command) {
  char *hidden = hide_preload();
  int status = system(command);
  show_preload(hidden);
  return status;
}

/* A fault test under the thread sanitizer, which says so. */
static inline int too_slow_here(void) {
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (!sanitizer || strcmp(sanitizer, "thread")) return 0;
  printf(
      "1..0 # SKIP the thread sanitizer is too slow for it: see "
      "check-soak\n");
  return 1;
}

static inline int load(sqlite3 *db) {
  char *message = NULL;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  int rc = sqlite3_load_extension(db, extension, NULL, &message);
  if (rc != SQLITE_OK) printf("# %s\n", message);
  sqlite3_free(message);
  return rc;
}

static inline sqlite3 *open_db(void) {
  sqlite3 *db = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK || load(db) != SQLITE_OK) {
    printf("Bail out! no connection\n");
    exit(1);
  }
  char sql[120];
  snprintf(sql, sizeof sql,
           "UPDATE python_settings SET value='%s' "
           "WHERE name='python_execution_mode'",
           mode);
  ask(db, sql);
  return db;
}

#define close_db(db) ok(sqlite3_close(db) == SQLITE_OK, "%s: closed", mode)

static inline sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
    printf("# %s: %s\n", sql, sqlite3_errmsg(db));
  }
  return statement;
}

/* The next row's first column, "done", or the error. */
static inline const char *step(sqlite3_stmt *statement) {
  switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
      return (const char *)sqlite3_column_text(statement, 0);
    case SQLITE_DONE:
      return "done";
    default:
      return sqlite3_errmsg(sqlite3_db_handle(statement));
  }
}

#define next_is(statement, expected) next_at(__LINE__, statement, expected)

static inline void next_at(int line, sqlite3_stmt *statement,
                           const char *expected) {
  const char *got = step(statement);
  if (!ok(!strcmp(got, expected), "%s, line %d: next row", mode, line)) {
    printf("# expected %s\n#      got %s\n", expected, got);
  }
}

/* argv[1], or $PYUDF_BUILD/pyudf.so, is what is tested. */
static inline void session_run(int argc, char **argv,
                               void (*const tests[])(void), size_t count) {
  static const char *const modes[] = {"process", "thread"};
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf.so", build ? build : ".");
  extension = argc > 1 ? argv[1] : path;
  for (int i = 0; i < 2; i++) {
    mode = modes[i];
    for (size_t k = 0; k < count; k++) tests[k]();
  }
}

/* All there is: main()'s status. */
static inline int session_main(int argc, char **argv,
                               void (*const tests[])(void), size_t count) {
  session_run(argc, argv, tests, count);
  return tap_done();
}

#endif
