/*
** What test_pragma.c and test_pragma_shared.c share: connections with the test extension loaded, a working directory.
*/
#ifndef PYUDF_TESTS_PRAGMA_TAP_H
#define PYUDF_TESTS_PRAGMA_TAP_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tap.h"

enum { RW = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI };

static char *extension, dir[300];
static int misuses;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[400];

static inline void on_log(void *arg, int code, const char *message) {
  (void)arg;
  pthread_mutex_lock(&log_lock);
  if ((code & 0xff) == SQLITE_MISUSE) {
    misuses++;
    printf("# misuse: %s\n", message);
  }
  if (strstr(message, "pyudf") != NULL)
    snprintf(logged, sizeof(logged), "%s", message);
  pthread_mutex_unlock(&log_lock);
}

/* The first column of all rows, "none", or "error: ...". */
static inline const char *query(sqlite3 *db, const char *sql, char *out,
                                size_t size) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  int count = 0;

  snprintf(out, size, "none");
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
      const char *text = (const char *)sqlite3_column_text(stmt, 0);
      size_t used = count++ == 0 ? 0 : strlen(out);
      snprintf(out + used, size - used, "%s%s", count > 1 ? "," : "",
               text == NULL ? "NULL" : text);
    }
  }
  if (rc != SQLITE_DONE) snprintf(out, size, "error: %s", sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return out;
}

static inline int is(sqlite3 *db, const char *what, const char *sql,
                     const char *want) {
  char got[500];
  int pass = strcmp(query(db, sql, got, sizeof(got)), want) == 0;

  ok(pass, "%s: %s", what, sql);
  if (!pass) printf("#   got  %s\n#   want %s\n", got, want);
  return pass;
}

static inline void run(sqlite3 *db, const char *sql) {
  char *error = NULL;

  if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
    ok(0, "%s: %s", sql, error);
  sqlite3_free(error);
}

/* This and the next two end the program where they fail. */
static inline sqlite3 *open_plain(const char *path, int flags,
                                  const char *vfs) {
  sqlite3 *db = NULL;

  if (sqlite3_open_v2(path, &db, flags, vfs) != SQLITE_OK) {
    printf("Bail out! %s: %s\n", path, sqlite3_errmsg(db));
    exit(1);
  }
  return db;
}

static inline sqlite3 *load(sqlite3 *db) {
  char *error = NULL;

  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, (int *)NULL);
  if (sqlite3_load_extension(db, extension, "sqlite3_extpragma_init", &error) !=
      SQLITE_OK) {
    printf("Bail out! %s\n", error);
    exit(1);
  }
  return db;
}

static inline sqlite3 *open_loaded(const char *path) {
  return load(open_plain(path, RW, NULL));
}

static inline const sqlite3_io_methods *methods_of(sqlite3 *db,
                                                   const char *schema) {
  sqlite3_file *file = NULL;

  sqlite3_file_control(db, schema, SQLITE_FCNTL_FILE_POINTER, &file);
  return file == NULL ? NULL : file->pMethods;
}

static inline void closes(sqlite3 *db, const char *what) {
  ok(sqlite3_close(db) == SQLITE_OK, "%s: closes", what);
}

/* Takes argv[1] as the extension, goes to a directory of its own under TMPDIR, logs. */
static inline void pragma_start(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 2 && (extension = realpath(argv[1], NULL)) == NULL) {
    snprintf(dir, sizeof(dir), "%s.so",
             argv[1]); /* as sqlite3_load_extension does */
    extension = realpath(dir, NULL);
  }
  if (extension == NULL) {
    printf("Bail out! usage: %s EXTENSION\n", argv[0]);
    exit(1);
  }
  unsetenv("PYUDF_PRAGMA");
  snprintf(dir, sizeof(dir), "%s/pragma.XXXXXX",
           getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  if (mkdtemp(dir) == NULL || chdir(dir) != 0) {
    printf("Bail out! %s\n", dir);
    exit(1);
  }
  printf("# SQLite %s\n", sqlite3_libversion());
  sqlite3_config(SQLITE_CONFIG_LOG, on_log, NULL);
}

/* What main returns. */
static inline int pragma_end(void) {
  char remove[400];

  ok(misuses == 0, "SQLite saw no misuse");
  ok(sqlite3_memory_used() == 0, "all memory was given back");
  snprintf(remove, sizeof(remove), "rm -rf '%s'", dir);
  if (chdir("/") != 0 || system(remove) != 0)
    printf("# %s is still there\n", dir);
  free(extension);
  return tap_done();
}

#endif
