/*
** What pragma.c, pragma_auth.c and pragma_file.c share, and nobody else includes.
*/
#ifndef PYUDF_PRAGMA_HOOK_H
#define PYUDF_PRAGMA_HOOK_H

#include <stddef.h>

#include "pragma.h"

typedef int (*pragma_auth_call)(void *arg, int code, const char *a,
                                const char *b, const char *schema,
                                const char *inner);

/* What sqlite3_set_authorizer was last given, as it lies in a connection: the callback, then its argument. */
struct pragma_auth_pair {
  pragma_auth_call call;
  void *arg;
};

/* Where the pair lies in the connections of one copy of SQLite. */
struct pragma_auth_layout {
  const sqlite3_api_routines *api; /* which copy */
  sqlite3_uint64 size;             /* of its connections, in bytes */
  size_t offset;                   /* of the pair */
  const char *why;                 /* NULL, or why the authorizer is not used */
};

struct pragma_file_link;

struct pragma_hook {
  sqlite3 *db;
  sqlite3_mutex *mutex; /* the connection's */
  pragma_answer answer;
  void *arg;
  int use_auth;
  int use_file;

  /* pragma_auth.c */
  const struct pragma_auth_layout
      *layout; /* NULL: not in use, auth_why says why */
  const char *auth_why;
  struct pragma_auth_pair host; /* asked first */
  int depth;                    /* callbacks running */
  int noticed;                  /* a replaced authorizer was logged */

  /* A loan, pragma_file.c; under its lock */
  sqlite3_file *lent_to;
  const sqlite3_io_methods *lent_from; /* what lent_to had */
  sqlite3_mutex *lent_mutex;           /* taken for it, or NULL */
  struct pragma_hook *lent_next;

  /* pragma_file.c; under its lock */
  struct pragma_file_link *links; /* the wrapped files this hook answers for */
  int file_lost;                  /* one of them was closed */

  char state[200];
};

/* Is this PRAGMA name one of ours? */
int pragma_ours(const char *name);

/* Lets the hook answer. args is the argument of SQLITE_FCNTL_PRAGMA. */
int pragma_reply(struct pragma_hook *hook, char **args);

/* Is this connection compiling a statement, in this very thread? Takes no lock that could be waited for. */
int pragma_compiles(struct pragma_hook *hook);

/* As sqlite3_mutex_try and _leave; NULL is fine. */
int pragma_mutex_try(sqlite3_mutex *mutex);
void pragma_mutex_leave(sqlite3_mutex *mutex);

/* The authorizer. Attach is also what re-attaches. Trial: is this thread opening the connection on which we try? */
int pragma_auth_trial(void);
int pragma_auth_attached(struct pragma_hook *hook);
void pragma_auth_attach(struct pragma_hook *hook);
void pragma_auth_detach(struct pragma_hook *hook);

/* The files that answer by themselves. */
void pragma_file_attach(struct pragma_hook *hook);
void pragma_file_detach(struct pragma_hook *hook);

/* Makes the hook the one to answer the PRAGMA that this file is given next, by this thread, in this sqlite3_prepare. */
void pragma_file_lend(struct pragma_hook *hook, sqlite3_file *file);

/* Ends a loan that the file was not asked about, which must not happen. Was there one? */
int pragma_file_loan_end(struct pragma_hook *hook);

#endif
