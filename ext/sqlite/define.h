/* define.h - python_define and its kin: xFunc each, user data: the session
*/
#ifndef PYUDF_DEFINE_H
#define PYUDF_DEFINE_H

#include "sqlite.h"

void define_source(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void define_import(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void define_reload(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void define_drop(sqlite3_context *ctx, int argc, sqlite3_value **argv);

#endif
