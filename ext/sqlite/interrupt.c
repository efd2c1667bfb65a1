/* interrupt.c - was sqlite3_interrupt() called?: see interrupt.h
**
** HOW IT WORKS. sqlite3_is_interrupted() came with SQLite 3.41. The table of
** functions that a host hands to its extensions only ever grows at its end, so
** with a host of that version the entry is there whatever headers this was
** compiled with; where they are older, it is the one behind the last that they
** know. With an older host a statement is prepared and thrown away: compiling
** looks at the flag, which is only cleared while no statement runs.
*/
#include "interrupt.h"

#include <limits.h>
#include <stddef.h>

#if SQLITE_VERSION_NUMBER >= 3041000

static int ask(sqlite3 *db) { return sqlite3_is_interrupted(db); }

#elif SQLITE_VERSION_NUMBER >= 3040000

struct newer_routines {
  sqlite3_api_routines known;
  int (*is_interrupted)(sqlite3 *);
};

_Static_assert(offsetof(sqlite3_api_routines, value_encoding) +
                       sizeof(void (*)(void)) ==
                   sizeof(sqlite3_api_routines),
               "the table ends where 3.40's does");

static int ask(sqlite3 *db) {
  return ((const struct newer_routines *)(const void *)sqlite3_api)
      ->is_interrupted(db);
}

#else /* older headers do not say how long the table is: the slow way, always */

static int ask(sqlite3 *db) {
  (void)db;
  return 0;
}

#endif

#if SQLITE_VERSION_NUMBER >= 3040000
enum { HAS_IS_INTERRUPTED = 3041000 };
#else
enum { HAS_IS_INTERRUPTED = INT_MAX };
#endif

int interrupt_pending(sqlite3 *db) {
  if (sqlite3_libversion_number() >= HAS_IS_INTERRUPTED) return ask(db) != 0;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT 1", -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc == SQLITE_INTERRUPT;
}
