/*
** PRAGMAs answered by a lent file control. Owns our authorizer callbacks and the table of where SQLite keeps them.
** Called by pragma.c and, as an authorizer, by SQLite.
**
** HOW IT WORKS. A PRAGMA is shown to the authorizer and then, with nothing in between, handed to the file of its database;
** both inside one sqlite3_prepare, which holds the mutexes of the connection and of all its b-trees. So when the
** authorizer sees one of ours it makes that file answer this once (pragma_file_lend).
**
** A connection has one authorizer and no function that reads it. To keep a host's, its place in the connection's memory
** is found once for each copy of SQLite, on a connection of our own: a callback and an argument known to us must lie next
** to each other in exactly one place, a second pair must appear in the same place, and the place must be empty when the
** authorizer is unset. A whole PRAGMA is then tried there. Anything else than expected: no authorizer is ever set.
** The host's callback is asked first, with all that SQLite says, and its answer stands.
*/
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "pragma_hook.h"

SQLITE_EXTENSION_INIT3

enum { AUTH_LAYOUTS = 8, AUTH_DEPTH = 32, AUTH_DB_MAX = 1 << 16 };

static pthread_mutex_t auth_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pragma_auth_layout auth_layouts[AUTH_LAYOUTS];
static int auth_layouts_count;

/* Opening the probe's connection runs the host's auto-extensions. We may be one of them, and this thread has the lock. */
static _Thread_local int auth_probing;

static struct pragma_auth_pair pair_at(sqlite3 *db, size_t offset) {
  struct pragma_auth_pair pair;

  memcpy(&pair, (const char *)db + offset, sizeof(pair));
  return pair;
}

static int pair_is(struct pragma_auth_pair pair, pragma_auth_call call,
                   const void *arg) {
  return pair.call == call && pair.arg == arg;
}

static int auth_callback(void *arg, int code, const char *a, const char *b,
                         const char *schema, const char *inner) {
  struct pragma_hook *hook = arg;
  int rc = SQLITE_OK;

  if (hook->host.call != NULL) {
    /* Two hooks of this kind that each call the other would never end. */
    if (hook->depth >= AUTH_DEPTH) return SQLITE_DENY;
    hook->depth++;
    rc = hook->host.call(hook->host.arg, code, a, b, schema, inner);
    hook->depth--;
  }
  if (rc == SQLITE_OK && code == SQLITE_PRAGMA && pragma_ours(a)) {
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(hook->db, schema, SQLITE_FCNTL_FILE_POINTER,
                             &file) == SQLITE_OK &&
        file != NULL)
      pragma_file_lend(hook, file);
  }
  return rc;
}

/* Where the pair lies in a connection: its offset, or size where it is nowhere or in several places. */
static size_t pair_find(sqlite3 *db, size_t size, pragma_auth_call call,
                        void *arg) {
  size_t found = size, offset;

  for (offset = 0; offset + sizeof(struct pragma_auth_pair) <= size;
       offset += sizeof(void *)) {
    if (!pair_is(pair_at(db, offset), call, arg)) continue;
    if (found != size) return size;
    found = offset;
  }
  return found;
}

static int probe_first(void *arg, int code, const char *a, const char *b,
                       const char *schema, const char *inner) {
  (void)code, (void)a, (void)b, (void)schema, (void)inner;
  ++*(int *)arg;
  return SQLITE_OK;
}

static int probe_second(void *arg, int code, const char *a, const char *b,
                        const char *schema, const char *inner) {
  (void)a, (void)b, (void)schema, (void)inner;
  ++*(int *)arg;
  return code == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

static int probe_answer(void *arg, const char *name, const char *value,
                        char **text) {
  ++*(int *)arg;
  *text = sqlite3_mprintf("%s=%s", name, value);
  return SQLITE_OK;
}

static int probe_row(void *arg, int count, char **values, char **names) {
  (void)names;
  *(int *)arg += count == 1 && values[0] != NULL &&
                 strcmp(values[0], "python_probe=7") == 0;
  return 0;
}

/* Finds the place of the pair. NULL or why not. */
static const char *probe_place(sqlite3 *db, struct pragma_auth_layout *layout) {
  int first = 0, second = 0;
  size_t size = layout->size;
  size_t at;

  sqlite3_set_authorizer(db, probe_first, &first);
  at = pair_find(db, size, probe_first, &first);
  sqlite3_set_authorizer(db, probe_second, &second);
  if (at == size || pair_find(db, size, probe_second, &second) != at)
    return "its place is not found in this SQLite";
  if (pair_find(db, size, probe_first, &first) != size)
    return "it leaves a copy in this SQLite";
  sqlite3_set_authorizer(db, NULL, NULL);
  if (!pair_is(pair_at(db, at), NULL, NULL) ||
      pair_find(db, size, probe_second, &second) != size)
    return "it is not unset in this SQLite";
  layout->offset = at;
  return NULL;
}

/* A PRAGMA answered once, one denied by a host's authorizer that was there before. NULL or what went wrong. */
static const char *probe_pragma(sqlite3 *db,
                                const struct pragma_auth_layout *layout) {
  struct pragma_hook hook;
  sqlite3_file *file = NULL;
  const char *why = NULL;
  int answers = 0, rows = 0, asked = 0;

  memset(&hook, 0, sizeof(hook));
  hook.db = db;
  hook.mutex = sqlite3_db_mutex(db);
  hook.answer = probe_answer;
  hook.arg = &answers;
  hook.layout = layout;
  sqlite3_set_authorizer(db, auth_callback, &hook);
  if (sqlite3_exec(db, "PRAGMA python_probe = 7", probe_row, &rows, NULL) !=
          SQLITE_OK ||
      answers != 1 || rows != 1)
    why = "a trial PRAGMA was not answered";
  hook.host.call = probe_second;
  hook.host.arg = &asked;
  if (sqlite3_exec(db, "PRAGMA python_probe = 7", NULL, NULL, NULL) !=
          SQLITE_AUTH ||
      answers != 1 || asked != 1)
    why = "a trial PRAGMA was not denied";
  sqlite3_set_authorizer(db, NULL, NULL);
  if (pragma_file_loan_end(&hook))
    why = "a trial PRAGMA did not reach its file";
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
          SQLITE_OK ||
      file->pMethods != NULL)
    why = "a database in memory has an open file in this SQLite";
  return why;
}

/* Fills a layout, under the lock. SQLITE_OK also where it says no; anything else is worth another try. */
static int layout_probe(struct pragma_auth_layout *layout) {
  sqlite3 *db = NULL;
  int rc = SQLITE_OK;

  memset(layout, 0, sizeof(*layout));
  layout->api = sqlite3_api;
  if (sqlite3_set_authorizer == NULL) {
    layout->why = "this SQLite has none";
    return SQLITE_OK;
  }
  auth_probing = 1;
  rc = sqlite3_open_v2(
      ":memory:", &db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
  if (rc == SQLITE_OK) {
    layout->size = sqlite3_msize(db);
    if (layout->size < sizeof(struct pragma_auth_pair) ||
        layout->size > AUTH_DB_MAX)
      layout->why = "the size of a connection is not known in this SQLite";
    else
      layout->why = probe_place(db, layout);
    if (layout->why == NULL) layout->why = probe_pragma(db, layout);
  }
  sqlite3_close(db);
  auth_probing = 0;
  return rc;
}

/* The layout for this copy of SQLite, looked for at most once. NULL, and why, where there is none now. */
static const struct pragma_auth_layout *layout_get(const char **why) {
  struct pragma_auth_layout *layout = NULL;
  int i;

  *why = "a connection for trial";
  if (auth_probing) return NULL;
  *why = NULL;
  pthread_mutex_lock(&auth_lock);
  for (i = 0; i < auth_layouts_count && layout == NULL; i++)
    if (auth_layouts[i].api == sqlite3_api) layout = &auth_layouts[i];
  if (layout == NULL && auth_layouts_count == AUTH_LAYOUTS)
    *why = "too many copies of SQLite in this process";
  else if (layout == NULL &&
           layout_probe(&auth_layouts[auth_layouts_count]) == SQLITE_OK)
    layout = &auth_layouts[auth_layouts_count++];
  else if (layout == NULL)
    *why = "no memory for a trial";
  pthread_mutex_unlock(&auth_lock);
  if (*why == NULL) *why = layout->why;
  return *why == NULL ? layout : NULL;
}

int pragma_auth_trial(void) { return auth_probing; }

int pragma_auth_attached(struct pragma_hook *hook) {
  return hook->layout != NULL &&
         pair_is(pair_at(hook->db, hook->layout->offset), auth_callback, hook);
}

void pragma_auth_attach(struct pragma_hook *hook) {
  struct pragma_auth_pair host;

  if (hook->layout == NULL) {
    hook->layout = layout_get(&hook->auth_why);
    if (hook->layout != NULL && sqlite3_msize(hook->db) != hook->layout->size) {
      hook->layout = NULL;
      hook->auth_why = "this connection is not like others of this SQLite";
    }
    if (hook->layout == NULL) {
      hook->use_auth = 0;
      return;
    }
  } else if (!hook->noticed) {
    hook->noticed = 1;
    sqlite3_log(
        SQLITE_NOTICE,
        "pyudf: the host has set an authorizer since the extension was loaded;"
        " PRAGMA python_... may have been ignored until now");
  }
  host = pair_at(hook->db, hook->layout->offset);
  assert(host.call != auth_callback); /* one hook a connection */
  if (sqlite3_set_authorizer(hook->db, auth_callback, hook) != SQLITE_OK)
    return;
  hook->host = host;
}

/* Writes where sqlite3_set_authorizer would: that one may not be called on a connection that is closing. */
void pragma_auth_detach(struct pragma_hook *hook) {
  if (pragma_auth_attached(hook))
    memcpy((char *)hook->db + hook->layout->offset, &hook->host,
           sizeof(hook->host));
}
