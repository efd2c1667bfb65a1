/*
** PRAGMAs of our own: names beginning with python_, on any database of a connection.
**
** Owns the hook of one connection. Called by the session, always with the connection's mutex held (that is: from the load
** of the extension or from a callback of SQLite's). What it does, what was tried and its limits: docs/pragma.md.
*/
#ifndef PYUDF_PRAGMA_H
#define PYUDF_PRAGMA_H

#include "sqlite3ext.h"

struct pragma_hook;

/*
** Answers one PRAGMA, while its statement is being prepared. name is as written in the SQL, in any case. value is NULL
** where the PRAGMA is read, else the text SQLite's parser made of it: quotes removed, a sign kept.
**   SQLITE_OK        *text is the one row given back. NULL: no row, and the result column has no name, which not every
**                    host survives: better give one.
**   SQLITE_NOTFOUND  not ours: goes on to the file system and to SQLite, which ignores PRAGMAs it does not know.
**   other            an error, *text is its message.
** *text comes from sqlite3_malloc. It may run SQL on the connection, but must not free the hook.
*/
typedef int (*pragma_answer)(void *arg, const char *name, const char *value,
                             char **text);

/*
** Hooks a connection. Fails with SQLITE_NOMEM only: where a connection cannot be hooked, sqlite3_log says so once and
** pragma_hook_state tells why. The environment variable PYUDF_PRAGMA turns it off ("off") or leaves one of the two ways
** ("file", "authorizer").
*/
int pragma_hook_new(sqlite3 *db, pragma_answer answer, void *arg,
                    struct pragma_hook **out);

/*
** Hooks again what was undone since: a host's own sqlite3_set_authorizer, a main database replaced by sqlite3_deserialize.
** Some ten nanoseconds where nothing was. Call it whenever SQLite calls the extension.
*/
void pragma_hook_refresh(struct pragma_hook *hook);

/*
** The end of a session. Calls nothing of SQLite's that takes the connection, so it may run in any destructor, also while
** the connection is closing and its databases are gone; but the connection's memory must still be there, as it is in the
** xDestroy of a function or module. NULL is fine.
*/
void pragma_hook_free(struct pragma_hook *hook);

/* For humans: "authorizer, file", "authorizer", "file (no authorizer: why)" or "off: why". Valid until the next call. */
const char *pragma_hook_state(struct pragma_hook *hook);

#endif
