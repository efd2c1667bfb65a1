/* session.c - all that pyudf keeps for one connection: see session.h */
#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/forks.h"
#include "interrupt.h"
#include "package.h"

/* The sessions of this process: loading twice finds the first one's. */
static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *sessions;

static void *host_alloc(uint64_t len) { return sqlite3_malloc64(len); }

static void host_free(void *data) { sqlite3_free(data); }

static int host_interrupted(void *arg) {
  struct session *session = arg;
  return interrupt_pending(session->db);
}

static int pragma_text(struct session *session, const char *name,
                       const char *value, const char **text, struct err *err) {
  struct settings *settings = &session->settings;
  int id = settings_find(name, err);
  if (id < 0) return -1;
  if (value && settings_set(settings, id, value, SETTING_PRAGMA, err))
    return -1;
  *text = settings_get(settings, id, err);
  return *text ? 0 : -1;
}

/* PRAGMA python_x, PRAGMA python_x = value. */
static int pragma(void *arg, const char *name, const char *value, char **text) {
  struct err err = {0};
  const char *answer = NULL;
  if (sqlite3_strnicmp(name, "python_", 7)) return SQLITE_NOTFOUND;
  if (pragma_text(arg, name, value, &answer, &err)) {
    *text = errors_message(&err);
    return *text ? SQLITE_ERROR : SQLITE_NOMEM;
  }
  *text = sqlite3_mprintf("%s", answer);
  return *text ? SQLITE_OK : SQLITE_NOMEM;
}

static void session_free(struct session *session) {
  if (session->forks == forks_epoch()) {
    for (int i = 0; i < ENGINE_MODES; i++) {
      engine_close(session->engines[SESSION_PARALLEL + i]);
      pool_free(session->pools[i]);
      engine_close(session->engines[i]);
    }
  }
  pragma_hook_free(session->hook);
  registry_fini(&session->registry);
  program_fini(&session->program);
  error_log_fini(&session->errors);
  err_clear(&session->late.err);
  settings_fini(&session->settings);
  free(session);
}

static struct session *session_new(sqlite3 *db, struct err *err) {
  struct session *session = calloc(1, sizeof *session);
  if (!session) {
    err_nomem(err);
    return NULL;
  }
  session->db = db;
  session->refs = 1;
  session->forks = forks_epoch();
  session->host = (struct engine_host){
      .arg = session,
      .program = &session->program.list,
      .settings = &session->settings.engine,
      .max_len = (uint64_t)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1),
      .alloc = host_alloc,
      .free = host_free,
      .interrupted = host_interrupted,
  };
  if (settings_init(&session->settings, err) ||
      (pragma_hook_new(db, pragma, session, &session->hook) &&
       err_nomem(err))) {
    session_free(session);
    return NULL;
  }
  return session;
}

/* 1 where another copy of pyudf, from another file, is loaded already. */
static int is_taken(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  int taken = 0;
  /* As a PRAGMA it reads no schema, which the host may not want yet. */
  int rc = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &statement, NULL);
  while (rc == SQLITE_OK && !taken && sqlite3_step(statement) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    taken = name && !sqlite3_stricmp(name, "pyudf_version");
  }
  sqlite3_finalize(statement);
  return taken;
}

struct session *session_get(sqlite3 *db, struct err *err) {
  pthread_mutex_lock(&sessions_lock);
  struct session *session = sessions;
  while (session && session->db != db) session = session->next;
  pthread_mutex_unlock(&sessions_lock);
  if (session) {
    session_ref(session);
    return session;
  }
  if (is_taken(db)) {
    err_set(err, ERR_USAGE, "another copy of pyudf serves this connection");
    return NULL;
  }
  package_find();
  session = session_new(db, err);
  if (!session) return NULL;
  pthread_mutex_lock(&sessions_lock);
  session->next = sessions;
  sessions = session;
  pthread_mutex_unlock(&sessions_lock);
  return session;
}

int session_any(void) {
  pthread_mutex_lock(&sessions_lock);
  int any = sessions != NULL;
  pthread_mutex_unlock(&sessions_lock);
  return any;
}

void session_ref(struct session *session) { session->refs++; }

void session_unref(void *arg) {
  struct session *session = arg;
  if (--session->refs) return;
  pthread_mutex_lock(&sessions_lock);
  struct session **at = &sessions;
  while (*at != session) at = &(*at)->next;
  *at = session->next;
  pthread_mutex_unlock(&sessions_lock);
  session_free(session);
}

void session_refresh(struct session *session) {
  pragma_hook_refresh(session->hook);
  session->host.max_len =
      (uint64_t)sqlite3_limit(session->db, SQLITE_LIMIT_LENGTH, -1);
  if (session->forks != forks_epoch() && !session->depth) {
    /* A forked child: the engines are its parent's. They are left as they are,
    ** memory and all: whatever they hold is in use over there. */
    memset(session->engines, 0, sizeof session->engines);
    memset(session->pools, 0, sizeof session->pools);
    session->forks = forks_epoch();
  }
}

int session_engine(struct session *session, enum engine_mode mode,
                   struct engine **engine, struct err *err) {
  if (!session->engines[mode]) {
    if (settings_check(&session->settings, err)) return -1;
    /* Once: with the first engine open, the watching thread reads it. */
    if (!session->host.package_parent) {
      session->host.interrupted_anywhere =
          interrupt_is_shared() ? host_interrupted : NULL;
      session->host.package_parent = package_parent(err);
    }
    if (!session->host.package_parent) return -1;
    if (engine_open(mode, &session->host, &session->engines[mode], err)) {
      return -1;
    }
  }
  *engine = session->engines[mode];
  return 0;
}

int session_pool(struct session *session, enum engine_mode mode,
                 struct pool **pool, struct err *err) {
  struct engine *first;
  if (!session->pools[mode]) {
    if (session_engine(session, mode, &first, err)) return -1;
    session->pools[mode] = pool_new(mode, first, err);
  }
  *pool = session->pools[mode];
  return *pool ? 0 : -1;
}

int session_parallel(struct session *session, enum engine_mode mode,
                     struct engine **engine, struct err *err) {
  struct engine **made = &session->engines[SESSION_PARALLEL + mode];
  struct pool *pool;
  if (!*made && (session_pool(session, mode, &pool, err) ||
                 engine_open_parallel(pool, made, err))) {
    return -1;
  }
  *engine = *made;
  return 0;
}

static void forget(void *arg, uint32_t definition_id) {
  struct session *session = arg;
  for (int i = 0; i < ENGINE_MODES; i++) {
    if (session->engines[i]) engine_forget(session->engines[i], definition_id);
    if (session->pools[i]) pool_forget(session->pools[i], definition_id);
  }
}

void session_settle(struct session *session) {
  if (session->depth) return;
  session->depth++; /* what it runs must not come here again */
  if (session->program.dead) program_sweep(&session->program, forget, session);
  session->depth--;
  if (session->ended) {
    session->ended = 0;
    for (int i = 0; i < ENGINE_MODES; i++) {
      if (session->engines[i]) engine_statement_end(session->engines[i]);
      if (session->pools[i]) pool_statement_end(session->pools[i]);
    }
  }
}

void session_cursor_end(struct session *session) {
  session->statements++;
  session->ended = 1;
  session_settle(session);
}

void session_statement_end(struct session *session) {
  if (!--session->running) session->sets = 0;
  session_cursor_end(session);
}
