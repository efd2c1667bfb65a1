/* sqlvalue.c - values, SQLite's to ours and back: see sqlvalue.h */
#include "sqlvalue.h"

enum { SUBTYPE_JSON = 74 }; /* 'J', as SQLite's own JSON functions set it */

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
