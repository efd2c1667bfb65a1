/* calls.h - what calls of functions of all kinds have in common
*/
#ifndef PYUDF_CALLS_H
#define PYUDF_CALLS_H

#include "session.h"
#include "slot.h"
#include "sqlite.h"

/* The most arguments that a call may have: SQLite's own limit up to 3.48. */
enum { CALLS_ARGS_MAX = 127 };

/* Where a function runs: where it must, else where the session says. */
static inline enum engine_mode calls_mode(const struct function *function) {
  switch (function->spec.mode) {
    case FUNCTION_PROCESS:
      return ENGINE_PROCESS;
    case FUNCTION_THREAD:
      return ENGINE_THREAD;
    default:
      return function->session->settings.mode;
  }
}

/* The function that a call of the slot is for; NULL, and the error is SQLite's,
** where the slot is empty or has a function of another kind by now. */
struct function *calls_function(sqlite3_context *ctx, struct slot *slot,
                                enum function_kind kind);

/* That error: what there is instead is `function`, or NULL. */
void calls_no_function(sqlite3_context *ctx, struct slot *slot,
                       const struct function *function);

/* The arguments, borrowed; *nulls is 1 where one of them is NULL. Returns -1 for
** too few or too many of them, no memory, a set of rows for an aggregate function
** or one that was lost. */
int calls_arguments(const struct function *function, int argc,
                    sqlite3_value **argv, struct value values[CALLS_ARGS_MAX],
                    int *nulls, struct err *err);

/* The call failed: the error is noted, and SQLite's; or, by python_on_error, its
** result is NULL. Returns 1 then. */
int calls_fail(sqlite3_context *ctx, struct function *function,
               enum engine_mode mode, struct err *err);

#endif
