/* explain.c - what EXPLAIN says of the statements that run: see explain.h */
#include "explain.h"

#include <string.h>

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

static int explain(sqlite3 *db, sqlite3_stmt *running,
                   int (*look)(void *arg, sqlite3_stmt *row), void *arg) {
  const char *sql = sqlite3_sql(running);
  char *text = sql ? sqlite3_mprintf("EXPLAIN %s", first_word(sql)) : NULL;
  sqlite3_stmt *program = NULL;
  int found = 0;
  int rc =
      text ? sqlite3_prepare_v2(db, text, -1, &program, NULL) : SQLITE_NOMEM;
  while (rc == SQLITE_OK && sqlite3_step(program) == SQLITE_ROW && !found) {
    found = look(arg, program);
  }
  if (sqlite3_finalize(program) != SQLITE_OK) found = 1;
  sqlite3_free(text);
  return found || rc != SQLITE_OK;
}

int explain_running(sqlite3 *db, int (*look)(void *arg, sqlite3_stmt *row),
                    void *arg) {
  sqlite3_stmt *statement = NULL;
  while ((statement = sqlite3_next_stmt(db, statement)) != NULL) {
    if (sqlite3_stmt_busy(statement) && !sqlite3_stmt_isexplain(statement) &&
        explain(db, statement, look, arg)) {
      return 1;
    }
  }
  return 0;
}

int explain_is_of(sqlite3_stmt *row, const char *name) {
  const char *p4 = (const char *)sqlite3_column_text(row, EXPLAIN_P4);
  size_t len = strlen(name);
  return p4 && !sqlite3_strnicmp(p4, name, (int)len) && p4[len] == '(';
}
