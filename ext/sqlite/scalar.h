/* scalar.h - calls of scalar functions
*/
#ifndef PYUDF_SCALAR_H
#define PYUDF_SCALAR_H

#include "../engine/engine.h"
#include "sqlite.h"

struct function;

/* The most arguments that a call may have: SQLite's own limit up to 3.48. */
enum { SCALAR_ARGS_MAX = 127 };

/* Where a function runs: where it must, else where the session says. */
enum engine_mode scalar_mode(const struct function *function);

/* xFunc of every slot of a scalar function. */
void scalar_call(sqlite3_context *ctx, int argc, sqlite3_value **argv);

#endif
