/* arguments.c - arguments of pyudf's own functions: see arguments.h */
#include "arguments.h"

#include <stdlib.h>
#include <string.h>

#include "sqlvalue.h"

char *arguments_text(sqlite3_value *value, const char *what, struct err *err) {
  static const char *const types[] = {
      [VALUE_NULL] = "NULL",       [VALUE_INTEGER] = "an integer",
      [VALUE_REAL] = "a real",     [VALUE_TEXT] = "text",
      [VALUE_BLOB] = "a blob",
  };
  struct value text;
  char *copy = NULL;
  if (sqlvalue_get(value, &text)) {
    err_nomem(err);
  } else if (text.type != VALUE_TEXT) {
    err_set(err, ERR_USAGE, "%s must be text, not %s", what, types[text.type]);
  } else if (memchr(text.data, 0, text.len)) {
    err_set(err, ERR_USAGE, "%s must not hold a NUL character", what);
  } else if (!(copy = value_strdup(&text))) {
    err_nomem(err);
  }
  return copy;
}
