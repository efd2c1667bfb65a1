/* collect.h - python_rows(a, b, ...), an aggregate whose value is a set of rows
**
** HOW IT WORKS. The value is a pointer (sqlite3_result_pointer), which to
** everybody else is a NULL. It gets to a function only where SQLite does not
** store it on the way: a sorter, a subquery in FROM, a CTE and a compound SELECT
** make a plain NULL of it. So the session counts the sets that were made and that
** no function has taken, and a scalar or table function that gets a plain NULL
** while there are any fails, if the program of a statement that runs is one that
** can lose them (lost.c). What was made before is forgotten once a function has
** taken a set, and when no statement runs that has called us.
**
** What remains: in a statement that stores a set which nobody wants, and in one
** that wants both, a NULL that is none fails too; the text says what to do. Rows
** that another function made a NULL of, and those of a set that was lost while
** another one was taken, come as None. An aggregate function's NULLs are its own.
** Of an empty group without a row SQLite does not say whose statement it is
** (3.40): its set counts as long as SQLite keeps it.
*/
#ifndef PYUDF_COLLECT_H
#define PYUDF_COLLECT_H

#include "../base/rowset.h"
#include "session.h"
#include "sqlite.h"

/* The callbacks of the aggregate; its user data is the session. */
void collect_step(sqlite3_context *ctx, int argc, sqlite3_value **argv);
void collect_final(sqlite3_context *ctx);

/* The set of rows that the value is, borrowed as the value; NULL where it is
** none. */
struct rowset *collect_get(struct session *session, sqlite3_value *value);

/* 1 where a NULL may be a set of rows that was lost. */
int collect_lost(struct session *session);

#endif
