/* interrupt.c - was sqlite3_interrupt() called?: see interrupt.h
**
** HOW IT WORKS. sqlite3_is_interrupted() came with SQLite 3.41. The table of
** functions that a host hands to its extensions only ever grows at its end, so
** with a host of that version the entry is there whatever headers this was
** compiled with; where they are older, it is the one behind the last that they
** know.
**
** An older host has no such function, but a flag in the connection: on a
** connection of our own, the one byte that sqlite3_interrupt() changes, from 0
** to 1. Its place is looked for once; where it is not found exactly so, a
** statement is prepared and thrown away instead: compiling looks at the flag,
** which is only cleared while no statement runs.
*/
#include "interrupt.h"

#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

enum { CONNECTION_MAX = 1 << 16 }; /* bytes; 3.40's is some 700 */

static pthread_once_t flag_once = PTHREAD_ONCE_INIT;
static size_t flag_offset; /* 0: not found */

/* The place of the only byte that differs, from 0 to 1; 0 where it is not the
** only one. */
static size_t only_change(const unsigned char *before,
                          const unsigned char *after, size_t size) {
  size_t place = 0;
  for (size_t i = 1; i < size; i++) {
    if (before[i] == after[i]) continue;
    if (place || before[i] != 0 || after[i] != 1) return 0;
    place = i;
  }
  return place;
}

static void find_flag(void) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL) ==
      SQLITE_OK) {
    size_t size = sqlite3_msize(db);
    unsigned char *before =
        size > 0 && size <= CONNECTION_MAX ? malloc(size) : NULL;
    if (before) {
      memcpy(before, db, size);
      sqlite3_interrupt(db);
      flag_offset = only_change(before, (const unsigned char *)db, size);
      free(before);
    }
  }
  sqlite3_close(db);
}

/* The flag of an older host's connection, or NULL. */
static const volatile unsigned char *flag_of(sqlite3 *db) {
  pthread_once(&flag_once, find_flag);
  return flag_offset ? (const volatile unsigned char *)db + flag_offset : NULL;
}

int interrupt_is_shared(void) {
  if (sqlite3_libversion_number() >= HAS_IS_INTERRUPTED) return 1;
  pthread_once(&flag_once, find_flag);
  return flag_offset != 0;
}

int interrupt_pending(sqlite3 *db) {
  if (sqlite3_libversion_number() >= HAS_IS_INTERRUPTED) return ask(db) != 0;
  const volatile unsigned char *flag = flag_of(db);
  if (flag) return *flag != 0;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT 1", -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return rc == SQLITE_INTERRUPT;
}
