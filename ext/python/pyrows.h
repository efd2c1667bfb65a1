/* pyrows.h - a set of rows as Python sees it: pyudf.Rows
**
** Everything here wants the GIL.
*/
#ifndef PYUDF_PYROWS_H
#define PYUDF_PYROWS_H

#include "../base/rowset.h"
#include "py.h"

/* Makes the types, once a process: before the first set of rows. Returns 0, or
** -1 with a Python exception set. */
int pyrows_start(void);

/* Puts Rows into the module; the same. */
int pyrows_add_to(PyObject *module);

/* A new object with a reference of its own; NULL with a Python exception set. */
PyObject *pyrows_new(struct rowset *rowset);

/* The set of rows that an object is, borrowed; NULL where it is none. */
struct rowset *pyrows_get(PyObject *object);

#endif
