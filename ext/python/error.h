/* error.h - Python's exceptions as struct err: the one place */
#ifndef PYUDF_ERROR_H
#define PYUDF_ERROR_H

#include "../base/err.h"
#include "py.h"

/* Takes what it needs of the package: once a process. Returns 0, or -1 with a
** Python exception set. */
int error_start(void);

/* Moves the Python exception that is set, whatever it is, into an empty *err.
** `session` (may be NULL) knows the sources that have no file. `function` (may
** be NULL) is where the error lies if no code of the user's was running.
** Returns -1. */
int error_take(PyObject *session, PyObject *function, struct err *err);

#endif
