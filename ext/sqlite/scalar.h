/* scalar.h - calls of scalar functions
*/
#ifndef PYUDF_SCALAR_H
#define PYUDF_SCALAR_H

#include "sqlite.h"

/* xFunc of every slot of a scalar function. */
void scalar_call(sqlite3_context *ctx, int argc, sqlite3_value **argv);

#endif
