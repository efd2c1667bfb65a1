/* pyudf.c - the extension's entry point
**
** Registers everything that is named python_*. Nothing is started here: Python,
** or a worker, comes up with the first call that needs it.
*/
#include <pthread.h>

#include "collect.h"
#include "define.h"
#include "evaluate.h"
#include "introspect.h"
#include "map.h"
#include "session.h"
#include "sqlite.h"

SQLITE_EXTENSION_INIT1

#define EXPORT __attribute__((visibility("default")))

/* Never from the schema. SQLite (tried on 3.40.1) looks at
** DIRECTONLY in a CHECK constraint only where the function is deterministic too;
** without that, a file could define Python by being written to. What it costs:
** a call whose arguments are constant is made once a statement. */
enum { NOT_IN_SCHEMA = SQLITE_DIRECTONLY | SQLITE_DETERMINISTIC };

static const struct {
  const char *name;
  int nargs;
  int flags;
  void (*call)(sqlite3_context *, int, sqlite3_value **);
} functions[] = {
    {"python_define", 1, NOT_IN_SCHEMA, define_source},
    {"python_define", 2, NOT_IN_SCHEMA, define_source},
    {"python_import", 1, NOT_IN_SCHEMA, define_import},
    {"python_import", 2, NOT_IN_SCHEMA, define_import},
    {"python_reload", 0, NOT_IN_SCHEMA, define_reload},
    {"python_drop", 1, NOT_IN_SCHEMA, define_drop},
    {"python_eval", -1, NOT_IN_SCHEMA | SQLITE_RESULT_SUBTYPE,
     evaluate_expression},
    {"python_version", 0, SQLITE_DIRECTONLY, evaluate_python_version},
    {"pyudf_version", 0, SQLITE_INNOCUOUS, evaluate_pyudf_version},
};

static int register_all(struct session *session) {
  int rc = SQLITE_OK;
  size_t count = sizeof functions / sizeof *functions;
  for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
    session_ref(session);
    rc = sqlite3_create_function_v2(
        session->db, functions[i].name, functions[i].nargs,
        SQLITE_UTF8 | functions[i].flags, session, functions[i].call, NULL,
        NULL, session_unref);
  }
  if (rc == SQLITE_OK) {
    /* It runs no code, so that a schema may have it. Not a word of its subtype:
    ** SQLite 3.54 would take it away (lost.c). */
    session_ref(session);
    rc = sqlite3_create_function_v2(
        session->db, "python_rows", -1, SQLITE_UTF8 | SQLITE_INNOCUOUS, session,
        NULL, collect_step, collect_final, session_unref);
  }
  if (rc == SQLITE_OK) rc = introspect_register(session);
  if (rc == SQLITE_OK) rc = map_register(session);
  return rc;
}

/* There is one table for all connections: a call of one copy's function with the
** other's connection would crash, and while there are sessions other threads read
** it. -1 where it cannot be had. */
static int set_api(const sqlite3_api_routines *api) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  int rc = 0;
  pthread_mutex_lock(&lock);
  if (sqlite3_api != api) {
    if (sqlite3_api && session_any()) {
      rc = -1;
    } else {
      SQLITE_EXTENSION_INIT2(api);
    }
  }
  pthread_mutex_unlock(&lock);
  return rc;
}

EXPORT int sqlite3_pyudf_init(sqlite3 *db, char **message,
                              const sqlite3_api_routines *api);

EXPORT int sqlite3_pyudf_init(sqlite3 *db, char **message,
                              const sqlite3_api_routines *api) {
  struct err err = {0};
  if (set_api(api)) {
    *message =
        api->mprintf("pyudf serves another copy of SQLite in this process");
    return SQLITE_ERROR;
  }
  struct session *session = session_get(db, &err);
  if (!session) {
    *message = errors_message(&err);
    return SQLITE_ERROR;
  }
  int rc = session->ready ? SQLITE_OK : register_all(session);
  session->ready = rc == SQLITE_OK;
  session_refresh(session);
  session_unref(session);
  if (rc == SQLITE_OK) return SQLITE_OK_LOAD_PERMANENTLY;
  *message = sqlite3_mprintf("%s", sqlite3_errstr(rc));
  return rc;
}
