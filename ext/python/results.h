/* results.h - the columns that a batch function returned, as values
**
** pyudf/_batch.py has looked at their types and lengths; here they are read.
** Everything here wants the GIL; what gives NULL or -1 has set a Python exception.
*/
#ifndef PYUDF_RESULTS_H
#define PYUDF_RESULTS_H

#include <math.h>

#include "convert.h"

/* What a column is. pyudf/_batch.py has the same numbers. */
enum results_kind {
  RESULTS_LIST = 0,     /* objects: a list */
  RESULTS_INTEGER = 1,  /* a buffer of int64_t */
  RESULTS_UNSIGNED = 2, /* of uint64_t */
  RESULTS_REAL = 3,     /* of double */
  RESULTS_BOOL = 4,     /* of uint8_t */
  RESULTS_WIDE = 5,     /* of code points, all of one width, zeros behind */
  RESULTS_BYTES = 6,    /* of bytes, the same */
  RESULTS_ARROW = 7     /* what arrow_import() gave, and which of its columns */
};

struct results_column {
  enum results_kind kind;
  PyObject *list;       /* LIST */
  Py_buffer data;       /* in use where data.obj is set */
  Py_buffer nulls;      /* the same: 1 for NULL */
  struct value *values; /* WIDE, BYTES, ARROW: made beforehand */
  uint8_t *texts;       /* what these of WIDE point into */
};

struct results {
  uint32_t rows;
  uint32_t count;
  PyObject *held; /* what it was made of */
  struct results_column columns[];
};

/* NaN is NULL, as SQLite has it. */
static inline void results_real(struct value *value, double real) {
  value_set_real(value, real);
  if (isnan(real)) value_set_null(value);
}

/* From a list of tuples (kind, data, nulls, extra), one a column: nulls a buffer or
** None, extra the width or the number of the column. New. */
struct results *results_new(PyObject *list, uint32_t rows);

/* NULL-safe. */
void results_free(struct results *results);

/* Bytes that all rows take as values (codec.h) where none has any of its own;
** else 0. */
uint64_t results_size(const struct results *results);

/* One value. TEXT and BLOB point into *held, which must be empty, or into the
** results. Returns 0 or -1. */
int results_get(const struct results *results, uint32_t column, uint32_t row,
                struct value *value, struct held *held);

#endif
