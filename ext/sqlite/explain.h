/* explain.h - what EXPLAIN says of the statements that run
**
** SQLite does not say which statement a function is called from, so that all that
** run are looked at. The host's authorizer and its profile see the EXPLAIN, and
** changes() inside an INSERT, UPDATE or DELETE is 0 behind it.
*/
#ifndef PYUDF_EXPLAIN_H
#define PYUDF_EXPLAIN_H

#include "sqlite.h"

/* Its columns. */
enum {
  EXPLAIN_OPCODE = 1,
  EXPLAIN_P1 = 2,
  EXPLAIN_P2 = 3,
  EXPLAIN_P3 = 4,
  EXPLAIN_P4 = 5,
  EXPLAIN_P5 = 6
};

/* Shows all operations of all programs to `look`, until that returns 1. Returns 1
** then, and where a program is not to be had. */
int explain_running(sqlite3 *db, int (*look)(void *arg, sqlite3_stmt *row),
                    void *arg);

/* 1 where the operation's fourth parameter is "name(...)". */
int explain_is_of(sqlite3_stmt *row, const char *name);

#endif
