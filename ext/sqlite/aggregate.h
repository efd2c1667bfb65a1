/* aggregate.h - calls of aggregate functions, in groups and in windows
*/
#ifndef PYUDF_AGGREGATE_H
#define PYUDF_AGGREGATE_H

#include "sqlite.h"

/* xStep, xInverse, xValue and xFinal of every slot of an aggregate function. */
void aggregate_step(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void aggregate_inverse(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void aggregate_value(sqlite3_context *ctx);
void aggregate_final(sqlite3_context *ctx);

#endif
