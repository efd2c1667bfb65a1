/* arrow.h - columns in Arrow's C data interface
**
** Two structs and capsules with fixed names are the interface:
** https://arrow.apache.org/docs/format/CDataInterface.html. Whichever library
** the function uses makes its arrays of ours, and gives us its own.
** Everything here wants the GIL; what gives NULL or -1 has set a Python exception.
*/
#ifndef PYUDF_ARROW_H
#define PYUDF_ARROW_H

#include "columns.h"

enum {
  ARROW_FLAG_NULLABLE = 2,
};

/* The ABI's. `release` NULL: moved away or released. */
struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#define ARROW_SCHEMA_CAPSULE "arrow_schema"
#define ARROW_ARRAY_CAPSULE "arrow_array"
#define ARROW_STREAM_CAPSULE "arrow_array_stream"

/* The type of a column that holds nothing but NULL. pyudf/_batch.py has the same
** numbers. */
enum arrow_declared {
  ARROW_UNKNOWN = 0,
  ARROW_INTEGER = 1,
  ARROW_REAL = 2,
  ARROW_BOOL = 3,
  ARROW_TEXT = 4,
  ARROW_BLOB = 5
};

/* A new tuple of capsules, of the schema and the array. `name`: the parameter's, for
** errors. */
PyObject *arrow_column(const struct columns *columns, uint32_t column,
                       enum convert_code code, enum arrow_declared declared,
                       const char *name);

/* pyudf._runtime.arrow_import, as its documentation says. */
PyObject *arrow_import(PyObject *module, PyObject *capsules);

/* Reads `rows` values of what arrow_import() gave: its column `child`, or -1 for
** itself. TEXT and BLOB point into it. */
int arrow_values(PyObject *imported, long child, struct value *values,
                 uint32_t rows);

#endif
