/* interrupt.h - was sqlite3_interrupt() called?
*/
#ifndef PYUDF_INTERRUPT_H
#define PYUDF_INTERRUPT_H

#include "sqlite.h"

/* 1 once it was, until the running statements have ended. To be asked by the
** thread that runs the statement. */
int interrupt_pending(sqlite3 *db);

/* 1 where interrupt_pending() may be asked from any thread, while the
** connection is open. */
int interrupt_is_shared(void);

#endif
