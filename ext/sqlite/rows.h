/* rows.h - the rows of a virtual table, made all at once
**
** A query of python_functions may itself define and drop functions: what it
** reads is what there was when it began.
*/
#ifndef PYUDF_ROWS_H
#define PYUDF_ROWS_H

#include "../base/value.h"

/* Starts as {.columns = n}. Owns the bytes of its values. */
struct rows {
  struct value *values;
  uint32_t columns;
  uint32_t count; /* values, the columns of all rows */
  uint32_t size;
  int failed; /* 1 once memory ran out */
};

/* Appends the next value, from the left column to the right; copies bytes. */
void rows_add(struct rows *rows, struct value value);

/* Complete rows. */
uint32_t rows_count(const struct rows *rows);

const struct value *rows_get(const struct rows *rows, uint32_t row,
                             uint32_t column);

/* Frees the values; columns stays. */
void rows_clear(struct rows *rows);

#endif
