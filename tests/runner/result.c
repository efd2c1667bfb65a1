/*
 * result.c: runs a query and renders, sorts and hashes its values exactly as SQLite's sqllogictest does.
 *
 * NULL is NULL, whatever the type. I is the integer value, R has three digits, T is the text up to its first NUL, with
 * @ for every byte outside ' ' to '~', or (empty). Unlike the original, I has 64 bits, and an error after the first
 * row or a second statement is an error. To see bytes, use hex() in the query.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include "result.h"

#include <ctype.h>
#include <md5.h>
#include <stdlib.h>
#include <string.h>

static void result_append(struct result *result, const char *value,
                          size_t len) {
  if (result->count == result->capacity) {
    result->capacity = result->capacity ? result->capacity * 2 : 256;
    result->offsets = text_allocate(result->offsets,
                                    result->capacity * sizeof *result->offsets);
    result->values = text_allocate(result->values,
                                   result->capacity * sizeof *result->values);
  }
  result->offsets[result->count++] = result->bytes.len;
  text_append(&result->bytes, value, len);
  text_append(&result->bytes, "", 1);
}

static void result_append_text(struct result *result, const char *value) {
  size_t start = result->bytes.len, len = strlen(value);

  if (len == 0) {
    result_append(result, "(empty)", 7);
    return;
  }
  result_append(result, value, len);
  for (char *p = result->bytes.data + start; *p; p++)
    if (*p < ' ' || *p > '~') *p = '@';
}

/* -1: out of memory in SQLite. */
static int result_column(struct result *result, sqlite3_stmt *stmt, int i,
                         char type) {
  char number[200]; /* the original's size, which cuts very large numbers */
  const char *value;

  if (sqlite3_column_type(stmt, i) == SQLITE_NULL) {
    result_append(result, "NULL", 4);
  } else if (type == 'T') {
    value = (const char *)sqlite3_column_text(stmt, i);
    if (!value) return -1;
    result_append_text(result, value);
  } else {
    if (type == 'I')
      sqlite3_snprintf(sizeof number, number, "%lld",
                       sqlite3_column_int64(stmt, i));
    else
      sqlite3_snprintf(sizeof number, number, "%.3f",
                       sqlite3_column_double(stmt, i));
    result_append(result, number, strlen(number));
  }
  return 0;
}

/* Whether SQL follows what was prepared: it would be left out without a word. */
static int result_check_tail(sqlite3 *db, const char *tail,
                             struct text *error) {
  sqlite3_stmt *stmt = NULL;
  int rc;

  while (isspace((unsigned char)*tail) || *tail == ';') tail++;
  if (!*tail) return 0;
  rc = sqlite3_prepare_v2(db, tail, -1, &stmt, NULL);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK && !stmt) return 0;
  text_printf(error, "a query is one statement, more follows: %s\n", tail);
  return -1;
}

/* Replaces what the result held. The message is complete, SQLite's own included. */
int result_query(struct result *result, sqlite3 *db, const char *sql,
                 const char *types, struct text *error) {
  int columns = (int)strlen(types), step, rc = -1;
  sqlite3_stmt *stmt = NULL;
  const char *tail;

  result->count = 0;
  text_clear(&result->bytes);
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, &tail) != SQLITE_OK) {
    text_printf(error, "query failed: %s\n", sqlite3_errmsg(db));
    goto done;
  }
  if (sqlite3_column_count(stmt) != columns) {
    text_printf(error, "wrong number of columns: expected %d, got %d\n",
                columns, sqlite3_column_count(stmt));
    goto done;
  }
  if (result_check_tail(db, tail, error)) goto done;
  while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
    for (int i = 0; i < columns; i++)
      if (result_column(result, stmt, i, types[i])) {
        text_append_string(error, "query failed: out of memory\n");
        goto done;
      }
  if (step != SQLITE_DONE) {
    text_printf(error, "query failed: %s\n", sqlite3_errmsg(db));
    goto done;
  }
  for (size_t i = 0; i < result->count; i++)
    result->values[i] = result->bytes.data + result->offsets[i];
  rc = 0;
done:
  sqlite3_finalize(stmt);
  return rc;
}

static int result_compare(const void *a, const void *b, void *columns) {
  const char *const *left = a, *const *right = b;
  int c = 0;

  for (size_t i = 0; c == 0 && i < *(size_t *)columns; i++)
    c = strcmp(left[i], right[i]);
  return c;
}

void result_sort(struct result *result, enum record_sort sort, size_t columns) {
  if (sort == RECORD_NOSORT || result->count == 0) return;
  if (sort == RECORD_VALUESORT) columns = 1;
  qsort_r(result->values, result->count / columns,
          columns * sizeof *result->values, result_compare, &columns);
}

/* The MD5 of all values, each with a newline. */
void result_hash(const char *const *values, size_t count, char hash[33]) {
  unsigned char digest[16];
  MD5_CTX md5;

  MD5Init(&md5);
  for (size_t i = 0; i < count; i++) {
    MD5Update(&md5, (const unsigned char *)values[i], strlen(values[i]));
    MD5Update(&md5, (const unsigned char *)"\n", 1);
  }
  MD5Final(digest, &md5);
  for (int i = 0; i < 16; i++) {
    hash[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    hash[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  hash[32] = 0;
}

void result_fini(struct result *result) {
  text_fini(&result->bytes);
  free(result->offsets);
  free(result->values);
  memset(result, 0, sizeof *result);
}
