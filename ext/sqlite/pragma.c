/*
** The interface of the PRAGMA hook, and what both of its ways share.
**
** HOW IT WORKS. SQLite hands the name and value of every PRAGMA, at prepare time, first to the authorizer and then, by
** SQLITE_FCNTL_PRAGMA, to the file of the database it is for. Only the file can answer.
**
**   pragma_auth.c  sees our PRAGMA in the authorizer, asks the host's authorizer first, and lends the file our methods for
**                  the one file control that follows. Any database, nothing stays changed; a connection has one
**                  authorizer, so a host that sets its own later undoes it until the next pragma_hook_refresh.
**   pragma_file.c  gives files of the ordinary VFSes methods that answer, until the file is closed: holds in that gap, and
**                  where the authorizer cannot be used.
**
** Where both see a PRAGMA the first answers it.
*/
#include "pragma.h"

#include <stdlib.h>
#include <string.h>

#include "pragma_hook.h"

SQLITE_EXTENSION_INIT3

int pragma_ours(const char *name) {
  return name != NULL && sqlite3_strnicmp(name, "python_", 7) == 0;
}

int pragma_reply(struct pragma_hook *hook, char **args) {
  char *text = NULL;
  int rc = hook->answer(hook->arg, args[1], args[2], &text);

  if (rc == SQLITE_NOTFOUND) {
    sqlite3_free(text);
    return rc;
  }
  args[0] = text; /* SQLite frees it */
  return rc;
}

/* A SQLite without threads has no mutex functions: the pointers to them are NULL. It has no mutexes either. */
int pragma_mutex_try(sqlite3_mutex *mutex) {
  return mutex == NULL ? SQLITE_OK : sqlite3_mutex_try(mutex);
}

void pragma_mutex_leave(sqlite3_mutex *mutex) {
  if (mutex != NULL) sqlite3_mutex_leave(mutex);
}

/*
** Files can be shared by connections (shared cache), and a file control does not say whose it is. The newest statement of
** a connection that compiles has no SQL text yet: true of 3.35 to 3.54, tests/test_pragma.c would notice. Trying the mutex
** succeeds for the compiling connection, whose mutex this thread holds; for an idle one, which the statement tells; and it
** fails for one that another thread is in.
*/
int pragma_compiles(struct pragma_hook *hook) {
  int yes = 0;

  if (pragma_mutex_try(hook->mutex) == SQLITE_OK) {
    sqlite3_stmt *newest = sqlite3_next_stmt(hook->db, NULL);
    yes = newest != NULL && sqlite3_sql(newest) == NULL;
    pragma_mutex_leave(hook->mutex);
  }
  return yes;
}

int pragma_hook_new(sqlite3 *db, pragma_answer answer, void *arg,
                    struct pragma_hook **out) {
  const char *use = getenv("PYUDF_PRAGMA");
  struct pragma_hook *hook = sqlite3_malloc(sizeof(*hook));
  int wanted;

  *out = hook;
  if (hook == NULL) return SQLITE_NOMEM;
  memset(hook, 0, sizeof(*hook));
  hook->db = db;
  hook->mutex = sqlite3_db_mutex(db);
  hook->answer = answer;
  hook->arg = arg;
  hook->use_auth =
      use == NULL || (strcmp(use, "off") != 0 && strcmp(use, "file") != 0);
  hook->use_file = use == NULL ||
                   (strcmp(use, "off") != 0 && strcmp(use, "authorizer") != 0);
  hook->auth_why = "PYUDF_PRAGMA in the environment";
  wanted = hook->use_auth;
  if (hook->mutex != NULL) sqlite3_mutex_enter(hook->mutex);
  if (hook->use_auth) pragma_auth_attach(hook);
  if (hook->use_file) pragma_file_attach(hook);
  pragma_mutex_leave(hook->mutex);
  if (wanted && !pragma_auth_attached(hook) && !pragma_auth_trial())
    sqlite3_log(SQLITE_WARNING,
                "pyudf: PRAGMA python_...: %s; UPDATE python_settings works",
                pragma_hook_state(hook));
  return SQLITE_OK;
}

void pragma_hook_refresh(struct pragma_hook *hook) {
  int attached;

  if (hook == NULL || (!hook->use_auth && !hook->use_file)) return;
  attached = pragma_auth_attached(hook);
  if (attached && !hook->file_lost) return;
  if (hook->use_auth && !attached) pragma_auth_attach(hook);
  if (hook->use_file) pragma_file_attach(hook);
}

void pragma_hook_free(struct pragma_hook *hook) {
  if (hook == NULL) return;
  pragma_auth_detach(hook);
  pragma_file_detach(hook);
  sqlite3_free(hook);
}

const char *pragma_hook_state(struct pragma_hook *hook) {
  int auth, file;

  if (hook == NULL) return "off: no session";
  auth = pragma_auth_attached(hook);
  file = hook->links != NULL;
  if (auth) return file ? "authorizer, file" : "authorizer";
  sqlite3_snprintf(
      sizeof(hook->state), hook->state,
      file ? "file (no authorizer: %s)" : "off: %s",
      hook->layout != NULL ? "the host replaced ours" : hook->auth_why);
  return hook->state;
}
