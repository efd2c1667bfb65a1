/*
** A small extension around ext/sqlite/pragma.c, so that the PRAGMA hook can be tested alone. Knows two settings,
** python_execution_mode and python_level, kept for each connection; any other python_ name is an error, but for
** python_foreign, which it says is not its own.
**
** pragma_hook('refresh' | 'state' | 'end' | 'count' | 'mode')
**   end frees the hook of an open connection; count is how often a PRAGMA was answered.
*/
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3ext.h"

SQLITE_EXTENSION_INIT1

#include "pragma.h"

int sqlite3_extpragma_init(sqlite3 *db, char **error,
                           const sqlite3_api_routines *api);

struct session {
  struct pragma_hook *hook;
  char mode[32];
  char level[32];
  int count;
};

static int session_answer(void *arg, const char *name, const char *value,
                          char **text) {
  struct session *session = arg;
  char *setting = NULL;

  session->count++;
  if (sqlite3_strnicmp(name, "python_", 7) != 0)
    abort(); /* the contract of pragma.h */
  if (sqlite3_stricmp(name, "python_foreign") == 0) return SQLITE_NOTFOUND;
  if (sqlite3_stricmp(name, "python_execution_mode") == 0)
    setting = session->mode;
  else if (sqlite3_stricmp(name, "python_level") == 0)
    setting = session->level;
  if (setting == NULL) {
    *text = sqlite3_mprintf("no setting %s", name);
    return SQLITE_ERROR;
  }
  if (setting == session->mode && value != NULL &&
      strcmp(value, "process") != 0 && strcmp(value, "thread") != 0) {
    *text = sqlite3_mprintf(
        "python_execution_mode is process or thread, not '%s'", value);
    return SQLITE_ERROR;
  }
  if (value != NULL)
    sqlite3_snprintf(sizeof(session->mode), setting, "%s", value);
  *text = sqlite3_mprintf("%s", setting);
  return SQLITE_OK;
}

static void session_function(sqlite3_context *context, int count,
                             sqlite3_value **values) {
  struct session *session = sqlite3_user_data(context);
  const char *what = (const char *)sqlite3_value_text(values[0]);

  (void)count;
  if (what == NULL) return;
  if (strcmp(what, "refresh") == 0)
    pragma_hook_refresh(session->hook);
  else if (strcmp(what, "end") == 0) {
    pragma_hook_free(session->hook);
    session->hook = NULL;
  } else if (strcmp(what, "state") == 0)
    sqlite3_result_text(context, pragma_hook_state(session->hook), -1,
                        SQLITE_TRANSIENT);
  else if (strcmp(what, "count") == 0)
    sqlite3_result_int(context, session->count);
  else if (strcmp(what, "mode") == 0)
    sqlite3_result_text(context, session->mode, -1, SQLITE_TRANSIENT);
}

static void session_destroy(void *arg) {
  struct session *session = arg;

  pragma_hook_free(session->hook);
  sqlite3_free(session);
}

static pthread_mutex_t api_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((visibility("default"))) int sqlite3_extpragma_init(
    sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  struct session *session;
  int rc;

  (void)error;
  /* once: threads that loaded it before are reading it */
  pthread_mutex_lock(&api_lock);
  if (sqlite3_api != api) SQLITE_EXTENSION_INIT2(api);
  pthread_mutex_unlock(&api_lock);
  session = sqlite3_malloc(sizeof(*session));
  if (session == NULL) return SQLITE_NOMEM;
  memset(session, 0, sizeof(*session));
  sqlite3_snprintf(sizeof(session->mode), session->mode, "process");
  sqlite3_snprintf(sizeof(session->level), session->level, "1");
  rc = pragma_hook_new(db, session_answer, session, &session->hook);
  if (rc != SQLITE_OK) {
    sqlite3_free(session);
    return rc;
  }
  /* frees the session, also where it fails */
  rc =
      sqlite3_create_function_v2(db, "pragma_hook", 1, SQLITE_UTF8, session,
                                 session_function, NULL, NULL, session_destroy);
  return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}
