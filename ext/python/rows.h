/* rows.h - calls of a table function: what their rows come from
**
** A call gives an iterator: a generator, or of whatever the function returns. Its
** items become rows: of one column the item itself, of several a tuple, a list, a
** dict, a dataclass. pyudf/_table.py does what is rare.
**
** Everything here wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_ROWS_PY_H
#define PYUDF_ROWS_PY_H

#include "../base/runtime.h"
#include "call.h"
#include "py.h"

/* How a table function is called, and what its rows look like. */
struct table;

/* From the tuple that pyudf/_table.py makes; NULL with a Python exception set. */
struct table *table_new(PyObject *how);

/* NULL-safe. */
void table_unref(struct table *table);

/* Once a process. Returns 0, or -1 with a Python exception set. */
int rows_start(void);

/* As rows_new, with objects; the references in args are taken, whatever comes.
** args[-1] must be ours to use. */
struct runtime_rows *rows_new_objects(struct runtime_space *space,
                                      const struct callable *callable,
                                      PyObject **args,
                                      const struct tablecall *call,
                                      struct err *err);

/* Columns of a row. */
uint32_t rows_columns(const struct runtime_rows *rows);

/* 0 where a function has as many columns as SQL was told; 0 of those: any. */
int rows_check(uint32_t columns, uint32_t wanted, struct err *err);

/* The same for a function that is known to be a table's. */
uint32_t table_columns(const struct table *table);

/* The parameter that argument i of the call is for. */
uint32_t rows_parameter(const struct tablecall *call, uint32_t i);

/* These are in the runtime's table. */
struct runtime_rows *rows_new(struct runtime_space *space,
                              uint32_t definition_id, uint32_t index,
                              const struct tablecall *call, struct err *err);
int rows_next(struct runtime_space *space, struct runtime_rows *rows,
              struct value *values, struct err *err);
int rows_free(struct runtime_space *space, struct runtime_rows *rows,
              struct err *err);

#endif
