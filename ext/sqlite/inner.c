/* inner.c - the query whose rows python_map reads: see inner.h */
#include "inner.h"

#include "sqlvalue.h"

/* 1 where there is another statement behind it. */
static int has_more(sqlite3 *db, const char *tail) {
  while (tail && *tail) {
    sqlite3_stmt *next = NULL;
    const char *at = tail;
    if (sqlite3_prepare_v2(db, at, -1, &next, &tail) != SQLITE_OK) return 1;
    sqlite3_finalize(next);
    if (next) return 1;
    if (tail == at) return 0;
  }
  return 0;
}

/* The statement's end, with SQLite's own words. */
static void end(struct inner *inner, int rc) {
  inner->ended = 1;
  if (rc == SQLITE_DONE || inner->code) return;
  inner->code = rc;
  if (rc == SQLITE_NOMEM) {
    err_nomem(&inner->err);
  } else if (rc == SQLITE_INTERRUPT) {
    err_set(&inner->err, ERR_INTERRUPT, "interrupted");
  } else {
    err_set(&inner->err, ERR_USAGE, "python_map: %s",
            sqlite3_errmsg(inner->db));
  }
}

static int refuse(struct inner *inner, struct err *err, const char *why) {
  inner_close(inner);
  return err_set(err, ERR_USAGE, "python_map: the query %s", why);
}

int inner_open(struct inner *inner, sqlite3 *db, const char *query,
               struct err *err) {
  const char *tail = NULL;
  inner->db = db;
  int rc = sqlite3_prepare_v2(db, query, -1, &inner->statement, &tail);
  if (rc != SQLITE_OK) {
    end(inner, rc);
    return inner_error(inner, err);
  }
  sqlite3_stmt *statement = inner->statement;
  if (!statement) return refuse(inner, err, "is empty");
  if (!sqlite3_stmt_readonly(statement)) {
    return refuse(inner, err, "changes the database: only a SELECT is mapped");
  }
  if (has_more(db, tail)) {
    return refuse(inner, err, "is more than one statement");
  }
  if (sqlite3_bind_parameter_count(statement)) {
    return refuse(inner, err,
                  "has parameters, for which there are no values: put them "
                  "into its text");
  }
  inner->columns = (uint32_t)sqlite3_column_count(statement);
  if (!inner->columns) {
    return refuse(inner, err, "gives no columns: the first one is the key");
  }
  return 0;
}

int inner_next(struct inner *inner) {
  if (inner->ended) return 0;
  int rc = sqlite3_step(inner->statement);
  if (rc == SQLITE_ROW) return 1;
  end(inner, rc);
  inner_close(inner);
  return 0;
}

/* By sqlite3_column_value(), one look for each column: its value may only be read
** under the connection's mutex, which whoever runs a virtual table has. */
int inner_get(struct inner *inner, struct value *key, struct value *argv,
              uint32_t argc) {
  int rc = sqlvalue_get(sqlite3_column_value(inner->statement, 0), key);
  for (uint32_t i = 0; i < argc && !rc; i++) {
    rc = sqlvalue_get(sqlite3_column_value(inner->statement, (int)i + 1),
                      &argv[i]);
  }
  if (rc) inner_fail(inner);
  return rc;
}

void inner_fail(struct inner *inner) {
  end(inner, SQLITE_NOMEM);
  inner_close(inner);
}

int inner_error(struct inner *inner, struct err *err) {
  if (!inner->err.code) return 0;
  err_take(err, &inner->err);
  return -1;
}

void inner_close(struct inner *inner) {
  sqlite3_finalize(inner->statement);
  inner->statement = NULL;
  inner->ended = 1;
}
