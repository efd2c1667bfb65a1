/* windows.h - is an aggregate function used as a window function?
**
** SQLite calls xStep for both uses alike. A function that cannot take rows away
** has to keep those of a window, and need not keep those of a group, which may
** be many: so it is found out which it is.
**
** HOW IT WORKS. The program that SQLite made of a running statement takes rows
** away from a window, or asks for values before the last, by operations that only
** windows have; EXPLAIN lists them, those of views and triggers too. Asked once a
** statement; where it cannot be told, the answer is yes.
*/
#ifndef PYUDF_WINDOWS_H
#define PYUDF_WINDOWS_H

#include "slot.h"
#include "sqlite.h"

/* 1 where a running statement of the connection may use windows, and the slot's
** function has to know; ctx is the call's. */
int windows_may_use(sqlite3_context *ctx, struct slot *slot);

#endif
