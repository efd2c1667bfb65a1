/* windows.c - is an aggregate function used as a window function?: see windows.h */
#include "windows.h"

#include "explain.h"
#include "statement.h"

/* 1 where a step of a program takes rows of the function away, or asks for its
** value before the last: the fourth parameter is "name(1)". */
static int is_window(void *name, sqlite3_stmt *row) {
  const char *operation =
      (const char *)sqlite3_column_text(row, EXPLAIN_OPCODE);
  if (!operation) return 1;
  if (sqlite3_stricmp(operation, "AggInverse") &&
      sqlite3_stricmp(operation, "AggValue")) {
    return 0;
  }
  return !sqlite3_column_text(row, EXPLAIN_P4) || explain_is_of(row, name);
}

/* 1 where a program uses the function in windows, or is not to be had. */
static int any_has_windows(sqlite3 *db, char *name) {
  return explain_running(db, is_window, name);
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
