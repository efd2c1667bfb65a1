/* convert.h - SQL values to Python objects and back
**
** The one converter, of both engines. The plain types are done here, without a
** lookup by name; what is rare is done by pyudf/_adapt.py.
**
** Everything here wants the GIL.
*/
#ifndef PYUDF_CONVERT_H
#define PYUDF_CONVERT_H

#include "../base/value.h"
#include "py.h"

/* How one argument is converted, chosen at definition. pyudf/_signature.py has
** the same numbers. */
enum convert_code {
  CONVERT_DEFAULT = 0,
  CONVERT_BOOL = 1,       /* INTEGER as bool */
  CONVERT_MEMORYVIEW = 2, /* BLOB as memoryview */
  CONVERT_JSON = 3        /* TEXT as what the JSON in it says */
};

/* What a VALUE_HELD result points into. Starts as {0}. */
struct held {
  PyObject *object;
  Py_buffer view; /* in use where view.obj is set */
};

void held_release(struct held *held);

/* Takes what it needs of the package: once a process. Returns 0, or -1 with a
** Python exception set. */
int convert_start(void);

/* TEXT, BLOB, ROWS and all that an annotation asks for. */
PyObject *convert_in_other(const struct value *value, enum convert_code code);

/* A new object; NULL with a Python exception set. */
static inline PyObject *convert_in(const struct value *value,
                                   enum convert_code code) {
  if (value->type == VALUE_INTEGER && code != CONVERT_BOOL) {
    return PyLong_FromLongLong(value->integer);
  }
  if (value->type == VALUE_REAL) return PyFloat_FromDouble(value->real);
  return convert_in_other(value, code);
}

/* Takes the reference to `object`. TEXT and BLOB point into *held, which must
** be empty. Returns 0, or -1 with a Python exception set. */
int convert_out(PyObject *object, struct value *result, struct held *held);

#endif
