/* sqlvalue.h - values, SQLite's to ours and back
*/
#ifndef PYUDF_SQLVALUE_H
#define PYUDF_SQLVALUE_H

#include "../base/err.h"
#include "../base/value.h"
#include "sqlite.h"

struct session;

/* Borrows from `from`, until SQLite converts it. In a UTF-16 database the text
** is turned into UTF-8 here, in place. Returns -1 for no memory. Inline, as it
** runs for every argument of every call. */
static inline int sqlvalue_get(sqlite3_value *from, struct value *to) {
  to->flags = 0;
  to->len = 0;
  switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
      to->type = VALUE_INTEGER;
      to->integer = sqlite3_value_int64(from);
      return 0;
    case SQLITE_FLOAT:
      to->type = VALUE_REAL;
      to->real = sqlite3_value_double(from);
      return 0;
    case SQLITE_TEXT: /* the text first: it converts, and the length follows */
      to->type = VALUE_TEXT;
      to->data = sqlite3_value_text(from);
      if (!to->data) return -1;
      to->len = (uint64_t)sqlite3_value_bytes(from);
      return 0;
    case SQLITE_BLOB: /* NULL for an empty one, and without memory */
      to->type = VALUE_BLOB;
      to->data = sqlite3_value_blob(from);
      to->len = (uint64_t)sqlite3_value_bytes(from);
      return to->data || !to->len ? 0 : -1;
    default:
      to->type = VALUE_NULL;
      to->integer = 0;
      return 0;
  }
}

/* What a call of a scalar or a table function is given, borrowed: a set of rows
** too, which looks like NULL to sqlvalue_get(). *nulls is 1 where one of them is
** NULL. Returns -1 for no memory, and for a NULL that was a set of rows once. */
int sqlvalue_arguments(struct session *session, int argc, sqlite3_value **argv,
                       struct value *values, int *nulls, struct err *err);

/* The second look at them, where *nulls is 1. */
int sqlvalue_rows(struct session *session, int argc, sqlite3_value **argv,
                  struct value *values, int *nulls, struct err *err);

/* What the rowids of a call with these arguments are counted from: the same whenever
** it is made, 0 without arguments, and another one for others. */
sqlite3_int64 sqlvalue_rowid(const struct value *values, int count);

/* Makes it the result in ctx. Takes what is VALUE_OWNED, copies the rest.
** Fails, before anything is copied, where it is longer than max_len. */
int sqlvalue_result(sqlite3_context *ctx, const struct value *value,
                    uint64_t max_len, struct err *err);

#endif
