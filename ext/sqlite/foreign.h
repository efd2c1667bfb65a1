/* foreign.h - functions of SQLite's own and of the host's
**
** What python_define must not take away from its callers, and what the host
** registered over a function of ours, which SQLite would go on calling.
*/
#ifndef PYUDF_FOREIGN_H
#define PYUDF_FOREIGN_H

#include "session.h"

/* 1 where a call of name with nargs arguments, for which there is no slot, may go
** to a function that is not ours. */
int foreign_has(struct session *session, const char *name, int nargs);

/* Looks at all functions that the connection has, and sets slot.beside. */
void foreign_mark(struct session *session);

/* 1 where there is a table, a view or a virtual table's module of that name, before
** there is one of ours. */
int foreign_has_table(struct session *session, const char *name);

#endif
