/* result.h: the values of a query; see result.c. */
#ifndef SQLTEST_RESULT_H
#define SQLTEST_RESULT_H

#include <sqlite3.h>
#include <stddef.h>

#include "record.h"
#include "text.h"

struct result {
  struct text bytes; /* all values, each with its NUL */
  size_t *offsets;
  const char **values;
  size_t count;
  size_t capacity;
};

int result_query(struct result *result, sqlite3 *db, const char *sql,
                 const char *types, struct text *error);
void result_sort(struct result *result, enum record_sort sort, size_t columns);
void result_hash(const char *const *values, size_t count, char hash[33]);
void result_fini(struct result *result);

#endif
