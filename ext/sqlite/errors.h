/* errors.h - errors as SQLite and as python_errors have them
**
** The one place that turns a struct err into SQLite's. Owns a session's log of
** the last errors, which python_errors shows.
*/
#ifndef PYUDF_ERRORS_H
#define PYUDF_ERRORS_H

#include "../base/err.h"
#include "../engine/engine.h"
#include "sqlite.h"

enum { ERRORS_KEPT = 100 };

struct error_entry {
  uint64_t id;     /* from 1 */
  int64_t time_ms; /* since 1970, UTC */
  char *function;
  char *type; /* the exception's class, or the kind of error */
  char *message;
  char *file; /* NULL where unknown */
  char *traceback;
  int line;
  enum engine_mode mode;
};

/* Starts as {0}. */
struct error_log {
  struct error_entry entries[ERRORS_KEPT]; /* a ring, by id */
  uint64_t last;                           /* id of the newest, 0 with none */
};

void error_log_fini(struct error_log *log);

/* The entry with an id, NULL where it is gone. */
const struct error_entry *error_log_get(const struct error_log *log,
                                        uint64_t id);

/* Copies it into the log; an interrupt is not worth an entry. */
void error_log_add(struct error_log *log, const char *function,
                   enum engine_mode mode, const struct err *err);

/* Makes it the result of the function that runs in ctx: "<prefix><name>: what",
** or what alone with name NULL. Clears it. */
void errors_result(sqlite3_context *ctx, const char *prefix, const char *name,
                   struct err *err);

/* The same for a virtual table: its message. Returns SQLite's code. */
int errors_table(sqlite3_vtab *table, const char *prefix, const char *name,
                 struct err *err);

/* As a new message (sqlite3_malloc) for a virtual table or a PRAGMA. Clears
** it. */
char *errors_message(struct err *err);

#endif
