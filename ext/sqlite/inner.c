/* inner.c - the query whose rows python_map reads: see inner.h */
#include "inner.h"

#include <string.h>

#include "collect.h"
#include "sqlvalue.h"

/* Behind blanks, comments and empty statements. */
static const char *skip(const char *sql) {
  for (;;) {
    sql += strspn(sql, " \t\r\n\f;");
    if (!strncmp(sql, "--", 2)) {
      sql += strcspn(sql, "\n");
    } else if (!strncmp(sql, "/*", 2)) {
      const char *end = strstr(sql + 2, "*/");
      sql = end ? end + 2 : sql + strlen(sql);
    } else {
      return sql;
    }
  }
}

/* 1 where it begins with a word that a query begins with. Others are not even
** prepared: a PRAGMA acts then. */
static int is_query(const char *sql) {
  static const char letters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$";
  static const char *const words[] = {"SELECT", "WITH", "VALUES"};
  size_t len = strspn(sql, letters);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (len == strlen(words[i]) && !sqlite3_strnicmp(sql, words[i], (int)len)) {
      return 1;
    }
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
            sqlite3_errmsg(inner->session->db));
  }
}

static int refuse(struct inner *inner, struct err *err, const char *why) {
  inner_close(inner);
  return err_set(err, ERR_USAGE, "python_map: the query %s", why);
}

int inner_open(struct inner *inner, struct session *session, const char *query,
               struct err *err) {
  const char *tail = NULL;
  const char *begin = skip(query);
  inner->session = session;
  if (!*begin) return refuse(inner, err, "is empty");
  if (!is_query(begin)) {
    return refuse(inner, err,
                  "must begin with SELECT, WITH or VALUES: only what reads is "
                  "mapped");
  }
  int rc = sqlite3_prepare_v2(session->db, query, -1, &inner->statement, &tail);
  if (rc != SQLITE_OK) {
    end(inner, rc);
    return inner_error(inner, err);
  }
  sqlite3_stmt *statement = inner->statement;
  if (!sqlite3_stmt_readonly(statement)) {
    return refuse(inner, err, "changes the database: only a SELECT is mapped");
  }
  if (*skip(tail)) {
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

/* 1 where a statement runs that may change what the query reads. */
static int is_changing(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  while ((statement = sqlite3_next_stmt(db, statement)) != NULL) {
    if (sqlite3_stmt_busy(statement) && !sqlite3_stmt_readonly(statement)) {
      return 1;
    }
  }
  return 0;
}

static int step(struct inner *inner) {
  int rc = sqlite3_step(inner->statement);
  if (rc == SQLITE_ROW) return 1;
  end(inner, rc);
  inner_close(inner);
  return 0;
}

/* What looks like a NULL may be a set of rows, or have been one: for that is asked
** again where more of them were made. */
static int check_null(struct inner *inner, int column, sqlite3_value *value) {
  struct session *session = inner->session;
  const char *what = NULL;
  if (collect_get(session, value)) {
    what = "is";
  } else if (inner->sets != (uint64_t)session->sets + session->loose_sets) {
    inner->sets = (uint64_t)session->sets + session->loose_sets;
    if (collect_lost(session)) what = "is NULL, and may have been";
  }
  if (!what) return 0;
  inner->code = SQLITE_ERROR;
  return err_set(&inner->err, ERR_USAGE,
                 "python_map: column %d of the query %s a set of rows, which a "
                 "map does not hand on",
                 column + 1, what);
}

/* By sqlite3_column_value(), one look for each column: its value may only be read
** under the connection's mutex, which whoever runs a virtual table has. */
static int get(struct inner *inner, int column, struct value *value) {
  sqlite3_value *from = sqlite3_column_value(inner->statement, column);
  if (sqlvalue_get(from, value)) {
    inner_fail(inner);
    return -1;
  }
  if (value->type != VALUE_NULL || !check_null(inner, column, from)) return 0;
  inner_close(inner);
  return -1;
}

/* ---- rows that are read before the first one is given ---- */

/* Each is one value, its columns encoded, as all of them are wanted at a time. */
static int keep(struct inner *inner, struct rowset *rowset, struct buf *row) {
  struct value value;
  row->len = 0;
  for (uint32_t i = 0; i < inner->columns; i++) {
    if (get(inner, (int)i, &value)) return -1;
    codec_add(row, &value);
  }
  if (row->failed) return err_nomem(&inner->err);
  value_set_bytes(&value, VALUE_BLOB, 0, row->data, row->len);
  return rowset_add(rowset, &value, &inner->err);
}

/* What fails comes after the rows before it, but for an interrupt. */
static void keep_all(struct inner *inner) {
  struct buf row = {0};
  struct rowset *rowset = rowset_new(1, ROWSET_MEMORY, &inner->err);
  while (rowset && step(inner) && !keep(inner, rowset, &row)) continue;
  inner_close(inner);
  buf_fini(&row);
  if (!rowset) return;
  rowset_reader_init(&inner->kept, rowset);
  rowset_unref(rowset);
  inner->ended = inner->err.code == ERR_INTERRUPT;
}

static int next_kept(struct inner *inner) {
  struct value row;
  if (rowset_next(&inner->kept, &row, &inner->err) == 1) {
    inner->row.at = row.data;
    inner->row.end = inner->row.at + row.len;
    return 1;
  }
  inner_close(inner);
  return 0;
}

/* ---- rows ---- */

int inner_next(struct inner *inner) {
  if (inner->ended) return 0;
  if (!inner->begun) {
    inner->begun = 1;
    if (is_changing(inner->session->db)) keep_all(inner);
    if (inner->ended) return 0;
  }
  return inner->kept.rowset ? next_kept(inner) : step(inner);
}

int inner_get(struct inner *inner, struct value *key, struct value *argv,
              uint32_t argc) {
  for (uint32_t i = 0; i <= argc; i++) {
    struct value *value = i ? &argv[i - 1] : key;
    if (!inner->kept.rowset) {
      if (get(inner, (int)i, value)) return -1;
    } else if (codec_get(&inner->row, value)) {
      inner_fail(inner);
      return -1;
    }
  }
  return 0;
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
  rowset_reader_fini(&inner->kept);
  inner->statement = NULL;
  inner->ended = 1;
}
