/*
 * conn.c: opens, prepares and closes the database connections of one run of a test file.
 *
 * A connection is prepared in this order: the encoding, which is fixed by the first use of the database; the
 * extension; the execution mode, which must come back as a row (SQLite says nothing about a PRAGMA it does not know).
 * With a database file, the file is removed first, so that every run starts empty.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Removes the database file and what SQLite keeps beside it. */
int conn_set_init(struct conn_set *set, const struct conn_config *config,
                  struct text *error) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  struct text path = {0};
  int rc = 0;

  set->config = config;
  set->first = NULL;
  for (size_t i = 0;
       config->db && !rc && i < sizeof suffixes / sizeof *suffixes; i++) {
    text_clear(&path);
    text_printf(&path, "%s%s", config->db, suffixes[i]);
    if (unlink(path.data) && errno != ENOENT) {
      text_printf(error, "cannot remove %s: %s\n", path.data, strerror(errno));
      rc = -1;
    }
  }
  text_fini(&path);
  return rc;
}

/* Runs `sql`; its first row must have `want` in its first column. */
static int conn_expect(sqlite3 *db, const char *sql, const char *want,
                       struct text *error) {
  sqlite3_stmt *stmt = NULL;
  const char *got = NULL;
  int rc = -1, step = SQLITE_ERROR;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
    step = sqlite3_step(stmt);
  if (step == SQLITE_ROW) got = (const char *)sqlite3_column_text(stmt, 0);
  if (step != SQLITE_ROW && step != SQLITE_DONE)
    text_printf(error, "%s: %s\n", sql, sqlite3_errmsg(db));
  else if (!got)
    text_printf(error, "%s: nothing came back\n", sql);
  else if (strcmp(got, want))
    text_printf(error, "%s: %s came back\n", sql, got);
  else
    rc = 0;
  sqlite3_finalize(stmt);
  return rc;
}

static int conn_load(sqlite3 *db, const char *file, struct text *error) {
  char *real = realpath(file, NULL), *message = NULL;
  int rc = sqlite3_enable_load_extension(db, 1);

  if (rc == SQLITE_OK)
    rc = sqlite3_load_extension(db, real ? real : file, NULL, &message);
  if (rc != SQLITE_OK)
    text_printf(error, "cannot load %s: %s\n", file,
                message ? message : sqlite3_errmsg(db));
  sqlite3_free(message);
  free(real);
  return rc == SQLITE_OK ? 0 : -1;
}

static int conn_prepare(sqlite3 *db, const struct conn_config *config,
                        struct text *error) {
  struct text sql = {0};
  int rc = 0;

  if (config->encoding) {
    text_printf(&sql, "PRAGMA encoding='%s'", config->encoding);
    sqlite3_exec(db, sql.data, NULL, NULL, NULL);
    rc = conn_expect(db, "PRAGMA encoding", config->encoding, error);
  }
  if (!rc && config->load) rc = conn_load(db, config->load, error);
  if (!rc && config->mode) {
    text_clear(&sql);
    text_printf(&sql, "PRAGMA python_execution_mode=%s", config->mode);
    rc = conn_expect(db, sql.data, config->mode, error);
  }
  text_fini(&sql);
  return rc;
}

static int conn_open(struct conn_set *set, struct conn *conn,
                     struct text *error) {
  const char *file = set->config->db ? set->config->db : ":memory:";

  if (sqlite3_open(file, &conn->db) != SQLITE_OK) {
    text_printf(error, "cannot open %s: %s\n", file, sqlite3_errmsg(conn->db));
  } else if (!conn_prepare(conn->db, set->config, error)) {
    return 0;
  }
  sqlite3_close_v2(conn->db);
  conn->db = NULL;
  return -1;
}

/* The strict sqlite3_close: an extension that keeps a statement makes every host's close fail. */
static int conn_close(struct conn *conn, struct text *error) {
  int rc = sqlite3_close(conn->db);

  if (rc != SQLITE_OK) {
    text_printf(error, "cannot close connection %s: %s\n", conn->name,
                sqlite3_errmsg(conn->db));
    sqlite3_close_v2(conn->db);
  }
  conn->db = NULL;
  return rc == SQLITE_OK ? 0 : -1;
}

/* Opens the connection at its first use. NULL: it cannot be opened. */
struct conn *conn_set_get(struct conn_set *set, const char *name,
                          struct text *error) {
  struct conn *conn;

  for (conn = set->first; conn; conn = conn->next)
    if (!strcmp(conn->name, name)) break;
  if (!conn) {
    conn = text_allocate(NULL, sizeof *conn);
    conn->name = text_allocate(NULL, strlen(name) + 1);
    strcpy(conn->name, name);
    conn->db = NULL;
    conn->next = set->first;
    set->first = conn;
  }
  if (!conn->db && conn_open(set, conn, error)) return NULL;
  return conn;
}

int conn_reopen(struct conn_set *set, struct conn *conn, struct text *error) {
  int closed = conn_close(conn, error);
  int opened = conn_open(set, conn, error);

  return closed || opened ? -1 : 0;
}

/* Closes all; -1 if one could not be closed. */
int conn_set_fini(struct conn_set *set, struct text *error) {
  struct conn *conn, *next;
  int rc = 0;

  for (conn = set->first; conn; conn = next) {
    next = conn->next;
    if (conn->db && conn_close(conn, error)) rc = -1;
    free(conn->name);
    free(conn);
  }
  set->first = NULL;
  return rc;
}
