/* foreign.c - functions of SQLite's own and of the host's: see foreign.h
**
** SQLite has a list of its functions, which takes as long as there are many, and
** no way to ask for one.
*/
#include "foreign.h"

#include <string.h>

/* Slots from which on it pays to have a name compiled first. */
enum { MANY = 250 };

#ifndef SQLITE_PREPARE_DONT_LOG
#define SQLITE_PREPARE_DONT_LOG 0x10 /* from 3.48 on; ignored before */
#endif

/* The number of an encoding as pragma_function_list names it. */
static int encoding_of(const unsigned char *name) {
  const char *text = (const char *)name;
  if (text && !strcmp(text, "utf16le")) return SQLITE_UTF16LE;
  if (text && !strcmp(text, "utf16be")) return SQLITE_UTF16BE;
  return SQLITE_UTF8;
}

/* 1 where the connection has no function of that name: a call is compiled, and
** not run. Before 3.48 SQLite logs that it fails. */
static int is_unknown(sqlite3 *db, const char *name) {
  sqlite3_stmt *statement = NULL;
  char *sql = sqlite3_mprintf("SELECT \"%w\"()", name);
  int rc = sql ? sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_DONT_LOG,
                                    &statement, NULL)
               : SQLITE_NOMEM;
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  return rc == SQLITE_ERROR &&
         !strncmp(sqlite3_errmsg(db), "no such function:", 17);
}

int foreign_has(struct session *session, const char *name, int nargs) {
  static const char sql[] =
      "SELECT narg, enc FROM pragma_function_list "
      "WHERE name = ?1 COLLATE NOCASE";
  const struct slots *slots = &session->registry.slots;
  if (slots->count >= MANY && is_unknown(session->db, name)) return 0;
  sqlite3_stmt *statement = NULL;
  int has = 0;
  if (sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL) == SQLITE_OK) {
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    while (!has && sqlite3_step(statement) == SQLITE_ROW) {
      int narg = sqlite3_column_int(statement, 0);
      int encoding = encoding_of(sqlite3_column_text(statement, 1));
      if (narg != nargs && narg >= 0 && nargs >= 0) continue;
      const struct slot *ours = slots_find(slots, name, narg);
      has = !ours || !ours->shapes[encoding];
    }
  }
  sqlite3_finalize(statement);
  return has;
}

void foreign_mark(struct session *session) {
  static const char sql[] = "SELECT name, narg, enc FROM pragma_function_list";
  const struct slots *slots = &session->registry.slots;
  struct slot *slot = NULL;
  while ((slot = slots_next(slots, slot))) slot->beside = 0;
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL) == SQLITE_OK) {
    while (sqlite3_step(statement) == SQLITE_ROW) {
      const char *name = (const char *)sqlite3_column_text(statement, 0);
      int narg = sqlite3_column_int(statement, 1);
      int encoding = encoding_of(sqlite3_column_text(statement, 2));
      slot = name ? slots_find(slots, name, narg) : NULL;
      if (slot && !slot->shapes[encoding]) slot->beside = 1;
    }
  }
  sqlite3_finalize(statement);
}

/* A query is compiled, and not run: some of SQLite's own are in no list before they
** are used (3.51). Before 3.48 SQLite logs that it fails. */
int foreign_has_table(struct session *session, const char *name) {
  sqlite3_stmt *statement = NULL;
  char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\"", name);
  int rc = sql ? sqlite3_prepare_v3(session->db, sql, -1,
                                    SQLITE_PREPARE_DONT_LOG, &statement, NULL)
               : SQLITE_NOMEM;
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  return rc == SQLITE_OK;
}
