/* columnar.h - batch functions: columns in, a column or several out
**
** HOW IT WORKS. The rows of a batch become columns (columns.h, arrow.h), which
** pyudf/_batch.py makes into what the function wants; it calls the function, looks
** at what came back, and gives it as buffers and lists (results.h). A call from
** SQL is a batch of one row.
**
** Everything here wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_COLUMNAR_H
#define PYUDF_COLUMNAR_H

#include "../base/runtime.h"
#include "call.h"

/* What the function gets. pyudf/_batch.py has the same numbers. */
enum columnar_kind {
  COLUMNAR_LIST = 0,
  COLUMNAR_NUMPY = 1,
  COLUMNAR_PANDAS = 2,
  COLUMNAR_ARROW = 3
};

/* How a batch function is run. */
struct columnar;

/* From the tuple that pyudf/_batch.py makes; NULL with a Python exception set. */
struct columnar *columnar_new(PyObject *how);

/* NULL-safe. */
void columnar_unref(struct columnar *columnar);

/* Columns of its result. */
uint32_t columnar_width(const struct columnar *columnar);

/* runtime->map() for one. */
int columnar_map(struct runtime_space *space, const struct callable *callable,
                 const struct batch *in, struct buf *out, uint32_t *done,
                 struct err *err);

/* One row. Of several result columns: a JSON object. */
int columnar_call(struct runtime_space *space, const struct callable *callable,
                  const struct value *argv, uint32_t argc, struct value *result,
                  struct err *err);

/* The same with objects: the references in args are taken, whatever comes. */
int columnar_call_objects(struct runtime_space *space,
                          const struct callable *callable, PyObject **args,
                          uint32_t argc, struct value *result, struct err *err);

#endif
