/* columns.h - the rows of a batch as columns: a function's arguments
**
** Everything here wants the GIL; what gives NULL or -1 has set a Python exception.
*/
#ifndef PYUDF_COLUMNS_H
#define PYUDF_COLUMNS_H

#include "convert.h"

/* Borrowed values, row by row. */
struct columns {
  uint32_t rows;
  uint32_t count;
  const struct value *values;
};

static inline const struct value *columns_value(const struct columns *columns,
                                                uint32_t column, uint32_t row) {
  return &columns->values[(size_t)row * columns->count + column];
}

/* What a column holds. pyudf/_batch.py has the same numbers. */
enum columns_kind {
  COLUMNS_NONE = 0,    /* nothing but NULL, or nothing */
  COLUMNS_INTEGER = 1, /* int64_t; 0 for NULL */
  COLUMNS_REAL = 2,    /* double; NaN for NULL */
  COLUMNS_BOOL = 3,    /* uint8_t: 0 or 1 */
  COLUMNS_TEXT = 4,    /* objects: str and None */
  COLUMNS_WIDE = 5,    /* text: code points, zeros behind, all of one width */
  COLUMNS_OBJECT = 6   /* objects of any kind */
};

/* What its values are together: NONE, INTEGER, REAL (ints that a double holds
** exactly among them or not), BOOL, TEXT or OBJECT. *nulls: 1 where one is NULL. */
enum columns_kind columns_kind(const struct columns *columns, uint32_t column,
                               enum convert_code code, int *nulls);

/* A new list of objects. */
PyObject *columns_list(const struct columns *columns, uint32_t column,
                       enum convert_code code);

/* A new tuple (kind, data, nulls, width) for NumPy and pandas: data is a
** bytearray or a list, nulls a bytearray with 1 for each NULL, or None; width as
** code points. `wide`: text as COLUMNS_WIDE, where that loses and wastes nothing. */
PyObject *columns_arrays(const struct columns *columns, uint32_t column,
                         enum convert_code code, int wide);

#endif
