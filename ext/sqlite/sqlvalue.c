/* sqlvalue.c - values, SQLite's to ours and back: see sqlvalue.h */
#include "sqlvalue.h"

#include "collect.h"

/* SQLite that takes the subtype of scalar subqueries: lost.c. */
enum { TAKES_SUBTYPES = 3052000 };

enum { SUBTYPE_JSON = 74 }; /* 'J', as SQLite's own JSON functions set it */

int sqlvalue_arguments(struct session *session, int argc, sqlite3_value **argv,
                       struct value *values, int *nulls, struct err *err) {
  *nulls = 0;
  for (int i = 0; i < argc; i++) {
    if (sqlvalue_get(argv[i], &values[i])) return err_nomem(err);
    *nulls |= values[i].type == VALUE_NULL;
  }
  return *nulls ? sqlvalue_rows(session, argc, argv, values, nulls, err) : 0;
}

/* Sets of rows first: once one has been taken, a NULL is a NULL. */
int sqlvalue_rows(struct session *session, int argc, sqlite3_value **argv,
                  struct value *values, int *nulls, struct err *err) {
  int null = 0; /* from 1 */
  for (int i = 0; i < argc; i++) {
    if (values[i].type != VALUE_NULL) continue;
    struct rowset *rowset = collect_get(session, argv[i]);
    if (rowset) {
      value_set_bytes(&values[i], VALUE_ROWS, 0, rowset, rowset_len(rowset));
    } else if (!null) {
      null = i + 1;
    }
  }
  *nulls = null != 0;
  if (!null || !collect_lost(session)) return 0;
  return err_set(err, ERR_USAGE,
                 "argument %d is NULL, and may have been rows of python_rows, "
                 "which do not outlive a subquery that is stored or sorted: "
                 "put (SELECT python_rows(...) FROM ...) into the argument "
                 "itself%s",
                 null,
                 sqlite3_libversion_number() < TAKES_SUBTYPES
                     ? ""
                     : ", and functions called in it into subqueries of their "
                       "own: python_rows((SELECT f(x)), ...)");
}

/* FNV-1a. */
sqlite3_int64 sqlvalue_rowid(const struct value *values, int count) {
  uint64_t hash = 0xcbf29ce484222325;
  for (int i = 0; i < count; i++) {
    const struct value *value = &values[i];
    int bytes = value_is_bytes(value);
    const uint8_t *data =
        bytes ? value->data : (const uint8_t *)&value->integer;
    uint64_t len = bytes                          ? value->len
                   : value->type == VALUE_INTEGER ? sizeof value->integer
                   : value->type == VALUE_REAL    ? sizeof value->real
                                                  : 0;
    hash = (hash ^ value->type) * 0x100000001b3;
    for (uint64_t k = 0; k < len; k++) hash = (hash ^ data[k]) * 0x100000001b3;
  }
  return count ? (sqlite3_int64)(hash >> 33) << 32 : 0;
}

int sqlvalue_result(sqlite3_context *ctx, const struct value *value,
                    uint64_t max_len, struct err *err) {
  void *owned = NULL;
  void (*destructor)(void *) = SQLITE_TRANSIENT;
  if (value_is_bytes(value)) {
    if (value->flags & VALUE_OWNED) {
      owned = (void *)(uintptr_t)value->data;
      destructor = sqlite3_free;
    }
    if (value->len > max_len) {
      sqlite3_free(owned);
      return err_set(err, ERR_TOOBIG, "the result has %llu bytes",
                     (unsigned long long)value->len);
    }
    if (!value->len) { /* SQLite takes a NULL pointer for NULL */
      sqlite3_free(owned);
      destructor = SQLITE_STATIC;
    }
  }
  switch (value->type) {
    case VALUE_INTEGER:
      sqlite3_result_int64(ctx, value->integer);
      break;
    case VALUE_REAL:
      sqlite3_result_double(ctx, value->real);
      break;
    case VALUE_TEXT:
      sqlite3_result_text64(ctx, value->len ? value->data : "", value->len,
                            destructor, SQLITE_UTF8);
      if (value->flags & VALUE_JSON) sqlite3_result_subtype(ctx, SUBTYPE_JSON);
      break;
    case VALUE_BLOB:
      sqlite3_result_blob64(ctx, value->len ? value->data : "", value->len,
                            destructor);
      break;
    default:
      sqlite3_result_null(ctx);
  }
  return 0;
}
