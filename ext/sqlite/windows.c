/* windows.c - is an aggregate function used as a window function?: see windows.h */
#include "windows.h"

#include <string.h>

#include "statement.h"

/* 1 where a step of a program takes rows of the function away, or asks for its
** value before the last: the fourth parameter is "name(1)". */
static int is_window(sqlite3_stmt *program, const char *name) {
  const char *operation = (const char *)sqlite3_column_text(program, 1);
  const char *p4 = (const char *)sqlite3_column_text(program, 5);
  size_t len = strlen(name);
  if (!operation) return 1;
  if (sqlite3_stricmp(operation, "AggInverse") &&
      sqlite3_stricmp(operation, "AggValue")) {
    return 0;
  }
  return !p4 || (!sqlite3_strnicmp(p4, name, (int)len) && p4[len] == '(');
}

/* Behind the comments and empty statements that a statement may begin with. */
static const char *first_word(const char *sql) {
  for (;;) {
    sql += strspn(sql, " \t\r\n\f;");
    const char *end = NULL;
    if (!strncmp(sql, "--", 2)) {
      end = strchr(sql, '\n');
    } else if (!strncmp(sql, "/*", 2)) {
      end = strstr(sql + 2, "*/");
      if (end) end++;
    } else {
      return sql;
    }
    if (!end) return sql;
    sql = end + 1;
  }
}

/* 1 where the program of the statement uses the function in windows, or is not to
** be had. */
static int has_windows(sqlite3 *db, sqlite3_stmt *running, const char *name) {
  const char *sql = sqlite3_sql(running);
  char *text = sql ? sqlite3_mprintf("EXPLAIN %s", first_word(sql)) : NULL;
  sqlite3_stmt *program = NULL;
  int found = 0;
  int rc =
      text ? sqlite3_prepare_v2(db, text, -1, &program, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && sqlite3_step(program) == SQLITE_ROW && !found) {
    found = is_window(program, name);
  }
  if (sqlite3_finalize(program) != SQLITE_OK) found = 1;
  sqlite3_free(text);
  return found || rc != SQLITE_OK;
}

static int any_has_windows(sqlite3 *db, const char *name) {
  sqlite3_stmt *statement = NULL;
  while ((statement = sqlite3_next_stmt(db, statement)) != NULL) {
    if (sqlite3_stmt_busy(statement) && !sqlite3_stmt_isexplain(statement) &&
        has_windows(db, statement, name)) {
      return 1;
    }
  }
  return 0;
}

int windows_may_use(sqlite3_context *ctx, struct slot *slot) {
  struct session *session = slot->session;
  uint32_t flags = slot->function ? slot->function->spec.flags : 0;
  if (flags & FUNCTION_INVERSE && !(flags & FUNCTION_PARALLEL)) return 0;
  int *known = statement_windows(ctx, slot);
  if (!known) return any_has_windows(session->db, slot->name);
  if (*known < 0) *known = any_has_windows(session->db, slot->name);
  return *known;
}
