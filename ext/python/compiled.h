/* compiled.h - functions that carry compiled code, reached with the GIL
**
** pyudf/_native.py says what they are, ext/base/native.c calls them; this is for
** the runtime, in both modes: what has to go through Python goes through it here,
** with the same checks.
*/
#ifndef PYUDF_COMPILED_H
#define PYUDF_COMPILED_H

#include "../base/native.h"
#include "call.h"

/* Of what Native.row() gives. NULL with a Python exception set. */
struct native *compiled_new(PyObject *row);

/* NULL-safe. */
void compiled_free(struct native *native);

/* Calls one whose `native` is set. */
int compiled_call(struct runtime_space *space, const struct callable *callable,
                  const struct value *argv, uint32_t argc, struct value *result,
                  struct err *err);

/* In the runtime's table. */
const struct native *compiled_get(struct runtime_space *space,
                                  uint32_t definition_id, uint32_t index);

#endif
