/* py.h - Python.h as every file of the runtime includes it
**
** The runtime is built against the stable ABI of CPython 3.11, so that one file
** serves every CPython from there on.
*/
#ifndef PYUDF_PY_H
#define PYUDF_PY_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
/* PY_SSIZE_T_CLEAN is not defined: no format with # is used, and 3.11's macros
** for it name private symbols. */
#include <Python.h>

/* Exported from 3.11 on, declared for the limited API from 3.12 on only. Weak, so
** that an older Python loads this file and is told what it lacks. */
#if Py_LIMITED_API + 0 < 0x030c0000
#define PY_VECTORCALL_ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))
extern PyObject *PyObject_Vectorcall(PyObject *callable, PyObject *const *args,
                                     size_t nargsf, PyObject *kwnames)
    __attribute__((weak));
#endif

#endif
