/* call.h - calling what a session defined
**
** A space is the C side of a session: its functions, found by two array
** lookups, and the last result. define.c fills it; the runtime's table and the
** worker loop call through it.
**
** Everything here wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_CALL_H
#define PYUDF_CALL_H

#include "../base/runtime.h"
#include "convert.h"
#include "py.h"

enum { CALL_ARGS_MAX = 127 }; /* SQLite's limit */

struct aggregate; /* group.h */
struct table;     /* rows.h */
struct columnar;  /* columnar.h */

/* One function, as define.c made it. */
struct callable {
  PyObject *function;          /* an aggregate's: where errors lie */
  struct aggregate *aggregate; /* NULL unless it is one */
  struct table *table;         /* NULL unless it has rows */
  struct native *native;       /* its compiled code, or NULL */
  struct columnar *columnar;   /* NULL but for a batch function */
  PyObject *awaits;            /* runs a batch of an async one, else NULL */
  int32_t min_args;
  int32_t max_args;             /* -1: any number */
  uint8_t skip_null;            /* 1: NULL in, NULL out, no call */
  uint8_t codes[CALL_ARGS_MAX]; /* enum convert_code */
};

/* The functions of one definition. */
struct callable_table {
  uint32_t count;
  struct callable items[];
};

struct runtime_space {
  PyObject *session;              /* a pyudf._session.Session */
  struct callable_table **tables; /* by definition id, NULL where none */
  uint32_t table_count;
  struct held held;
};

/* NULL-safe. */
void callable_table_free(struct callable_table *table);

/* Borrowed, until the definition is forgotten or made again; NULL and err set
** where there is none, or it does not take so many arguments. */
struct callable *call_find(struct runtime_space *space, uint32_t definition_id,
                           uint32_t index, uint32_t argc, struct err *err);

/* The same for a call whose number of arguments is not known yet. */
struct callable *call_item(struct runtime_space *space, uint32_t definition_id,
                           uint32_t index, struct err *err);

/* The same for a table function. */
struct callable *call_table(struct runtime_space *space, uint32_t definition_id,
                            uint32_t index, uint32_t argc, struct err *err);

/* Argument i (< argc) of the function; NULL with a Python exception set. */
static inline PyObject *call_argument(const struct callable *callable,
                                      uint32_t i, const struct value *value) {
  return convert_in(value, (enum convert_code)callable->codes[i]);
}

static inline int call_any_none(PyObject *const *args, uint32_t argc) {
  for (uint32_t i = 0; i < argc; i++) {
    if (args[i] == Py_None) return 1;
  }
  return 0;
}

/* After call_argument() failed: err from the exception. Returns -1. */
int call_argument_failed(struct runtime_space *space,
                         const struct callable *callable, struct err *err);

/* Calls. args[-1] must be ours to use, and the references in args are taken,
** whatever comes. */
int call_vector(struct runtime_space *space, const struct callable *callable,
                PyObject **args, uint32_t argc, struct value *result,
                struct err *err);

/* Evaluates; `args` is a tuple, borrowed. */
int call_eval(struct runtime_space *space, const char *expression,
              PyObject *args, struct value *result, struct err *err);

/* These are in the runtime's table. */
int call_scalar(struct runtime_space *space, uint32_t definition_id,
                uint32_t index, const struct value *argv, uint32_t argc,
                struct value *result, struct err *err);
int call_expression(struct runtime_space *space, const char *expression,
                    const struct value *argv, uint32_t argc,
                    struct value *result, struct err *err);
int call_version(struct runtime_space *space, struct value *result,
                 struct err *err);
void call_release(struct runtime_space *space);

#endif
