/* inner.h - the query whose rows python_map reads
**
** Its rows come as they are wanted. SQLite does not know that a map's statement
** reads them: where a statement runs that writes, they are all read first.
*/
#ifndef PYUDF_INNER_H
#define PYUDF_INNER_H

#include "../base/codec.h"
#include "../base/err.h"
#include "../base/rowset.h"
#include "../base/value.h"
#include "session.h"
#include "sqlite.h"

/* Starts as {0}. */
struct inner {
  struct session *session;
  sqlite3_stmt *statement; /* NULL once it has ended */
  uint32_t columns;
  uint64_t sets; /* of rows, when it was last asked for one that was lost */
  int begun;     /* a row was wanted */
  struct rowset_reader kept; /* rows that were read first */
  struct codec_reader row;   /* of them, what is left of this one */
  int ended;                 /* 1: there are no more rows */
  int code;                  /* SQLite's, where that is an error; else 0 */
  struct err err;            /* and what it says */
};

/* Compiles it: one statement that reads. */
int inner_open(struct inner *inner, struct session *session, const char *query,
               struct err *err);

/* 1 where there is a next row; 0 once it has ended, well or not. */
int inner_next(struct inner *inner);

/* The row's columns, borrowed: the first, and those after it. -1, where one cannot
** be had, is the end. */
int inner_get(struct inner *inner, struct value *key, struct value *argv,
              uint32_t argc);

/* Memory ran out over a row: that is its end. */
void inner_fail(struct inner *inner);

/* How it ended: 0, or -1 and err. */
int inner_error(struct inner *inner, struct err *err);

void inner_close(struct inner *inner);

#endif
