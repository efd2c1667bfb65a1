/* evaluate.h - python_eval and the versions: xFunc each, user data: the session
*/
#ifndef PYUDF_EVALUATE_H
#define PYUDF_EVALUATE_H

#include "sqlite.h"

void evaluate_expression(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void evaluate_python_version(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv);
void evaluate_pyudf_version(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv);

#endif
