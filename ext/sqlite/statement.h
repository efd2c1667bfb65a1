/* statement.h - which functions a running statement has called
**
** Tells the session when such a statement ends, and keeps what it called alive
** where that is dropped meanwhile.
**
** HOW IT WORKS. SQLite's auxiliary data of a negative number belong to the whole
** statement and are destroyed when it is reset or finalised, or has run to its
** end; inside a trigger, when the trigger's program ends. (sqlite3_set_auxdata,
** the same in 3.35 to 3.54; other numbers are destroyed after each call whose
** argument is not constant.) Should a version destroy them at once, the statement
** counts as ended after each call: slower, and right. Where SQLite calls a
** function while it compiles (deterministic ones, built with STAT4), it does.
*/
#ifndef PYUDF_STATEMENT_H
#define PYUDF_STATEMENT_H

#include "session.h"
#include "slot.h"

/* The statement that runs in ctx calls into the session. */
void statement_touch(sqlite3_context *ctx, struct session *session);

/* It calls this slot, which then has a function, or had one when the statement
** first called it. Returns -1 for a slot that is empty. */
int statement_use(sqlite3_context *ctx, struct slot *slot);

/* 1 where the slot's last call in a statement was this one's, and will be told of
** its end. */
static inline int statement_knows(sqlite3_context *ctx,
                                  const struct slot *slot) {
  return slot->seen == ctx && slot->seen_at == slot->session->statements;
}

/* The same; costs two compares from the second row on. */
static inline int statement_call(sqlite3_context *ctx, struct slot *slot) {
  return statement_knows(ctx, slot) ? 0 : statement_use(ctx, slot);
}

/* Whether the slot's function is used in windows, as windows.c keeps it for the
** statement: -1 at first. NULL where SQLite keeps no data. */
int *statement_windows(sqlite3_context *ctx, struct slot *slot);

/* A number that no other statement of the session's has; 0 where it is not known
** which one runs in ctx. Not for xValue and xFinal (SQLite 3.40). */
uint64_t statement_number(sqlite3_context *ctx);

#endif
