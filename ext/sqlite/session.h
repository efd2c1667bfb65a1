/* session.h - all that pyudf keeps for one connection
**
** Owned by what is registered with SQLite: every function and module holds a
** reference, and the session goes with the last of them, when the connection is
** closed and its last statement finalised. Everything here runs under the
** connection's mutex.
*/
#ifndef PYUDF_SESSION_H
#define PYUDF_SESSION_H

#include "../engine/engine.h"
#include "../engine/pool.h"
#include "errors.h"
#include "pragma.h"
#include "program.h"
#include "registry.h"
#include "settings.h"
#include "sqlite.h"

enum { SESSION_PARALLEL = ENGINE_MODES }; /* + mode: the parallel ones */
enum { SESSION_ENGINES = 2 * ENGINE_MODES };

/* What failed where SQLite does not listen: see aggregate.c. */
struct late {
  struct err err;
  sqlite3_context *ctx; /* who is to tell; NULL: there is nothing */
  uint64_t statement;   /* its number */
};

/* What lost.c has found out. */
struct lost {
  uint64_t statement; /* about which; 0: about none */
  int possible;
};

struct session {
  sqlite3 *db;
  uint32_t refs;
  int ready;      /* all was registered */
  uint32_t forks; /* forks_epoch() of the process that the engines are of */
  uint32_t depth; /* calls of the engines under way */
  int ended;      /* a statement ended meanwhile */
  int defining;   /* an engine makes a definition */
  int maps;       /* whose next row is being made: nested ones */
  uint64_t statements; /* grows with each end of a statement that called us */
  uint64_t begun;      /* statements that called us, so far: their numbers */
  uint64_t failed;     /* number of the last that we gave an error */
  uint32_t running;    /* of these, how many have not ended */
  uint32_t sets;       /* of rows that no function has taken: see collect.h */
  uint32_t loose_sets; /* the same, of statements that are not known */
  struct engine *engines[SESSION_ENGINES]; /* NULL until used */
  struct pool *pools[ENGINE_MODES];        /* the same */
  struct engine_host host;
  struct settings settings;
  struct program program;
  struct registry registry;
  struct error_log errors;
  struct late late;
  struct lost lost;
  struct pragma_hook *hook;
  struct session *next; /* in the process's list */
};

/* The session of a connection, made if there is none; with one more ref. NULL
** and err set on failure, or where another copy of pyudf.so has one. */
struct session *session_get(sqlite3 *db, struct err *err);

/* 1 while the process has any session. */
int session_any(void);

void session_ref(struct session *session);
void session_unref(void *session); /* void: it is also an xDestroy */

/* What is looked after once in a while, when SQLite calls: the PRAGMA hook, the
** length limit, whether this is a forked child. */
void session_refresh(struct session *session);

/* The engine of a mode, opened if it is not. */
int session_engine(struct session *session, enum engine_mode mode,
                   struct engine **engine, struct err *err);

/* Its engine and those that share its work. */
int session_pool(struct session *session, enum engine_mode mode,
                 struct pool **pool, struct err *err);

/* The same for groups of functions that are FUNCTION_PARALLEL. */
int session_parallel(struct session *session, enum engine_mode mode,
                     struct engine **engine, struct err *err);

/* A statement that called functions has ended. */
void session_statement_end(struct session *session);

/* The same for a virtual table's cursor, of whose statement SQLite says nothing. */
void session_cursor_end(struct session *session);

/* What had to wait until no call was under way. */
void session_settle(struct session *session);

/* Around every use of an engine. */
static inline void session_enter(struct session *session) { session->depth++; }

static inline void session_leave(struct session *session) {
  if (--session->depth == 0 && (session->ended || session->program.dead)) {
    session_settle(session);
  }
}

#endif
