/* arguments.c - what users hand over: see arguments.h */
#include "arguments.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sqlvalue.h"

char *arguments_text(sqlite3_value *value, const char *what, struct err *err) {
  static const char *const types[] = {
      [VALUE_NULL] = "NULL",   [VALUE_INTEGER] = "an integer",
      [VALUE_REAL] = "a real", [VALUE_TEXT] = "text",
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

char *arguments_absolute(const char *path, size_t len) {
  char directory[PATH_MAX], *text = NULL;
  if (len && *path != '/' && getcwd(directory, sizeof directory)) {
    while (len > 1 && path[0] == '.' && path[1] == '/') {
      path += 2;
      len -= 2;
    }
    if (!len || (len == 1 && *path == '.')) return strdup(directory);
    int rc = asprintf(&text, "%s/%.*s", strcmp(directory, "/") ? directory : "",
                      (int)len, path);
    return rc < 0 ? NULL : text;
  }
  return strndup(path, len);
}

static int ends_in_py(const char *text, size_t len) {
  return len >= 3 && !memcmp(text + len - 3, ".py", 3);
}

/* What is a file is said by _split_import() and _import() of pyudf/_session.py. */
char *arguments_module(char *text) {
  static const char spaces[] = " \t\n\r\f\v";
  if (!text) return NULL;
  const char *begin = text + strspn(text, spaces);
  size_t len = strlen(begin);
  while (len && strchr(spaces, begin[len - 1])) len--;
  const char *colon = memrchr(begin, ':', len);
  size_t where = len;
  if (colon) {
    size_t tail = len - (size_t)(colon - begin);
    if (!memchr(colon, '/', tail) && !ends_in_py(colon, tail)) where -= tail;
  }
  if (!ends_in_py(begin, where) && !memchr(begin, '/', where)) return text;
  if (*begin == '~') return text; /* a home directory */
  char *absolute = arguments_absolute(begin, len);
  free(text);
  return absolute;
}
