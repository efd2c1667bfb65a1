/* errors.c - errors as SQLite and as python_errors have them: see errors.h */
#include "errors.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void entry_fini(struct error_entry *entry) {
  free(entry->function);
  free(entry->type);
  free(entry->message);
  free(entry->file);
  free(entry->traceback);
  *entry = (struct error_entry){0};
}

void error_log_fini(struct error_log *log) {
  for (int i = 0; i < ERRORS_KEPT; i++) entry_fini(&log->entries[i]);
}

const struct error_entry *error_log_get(const struct error_log *log,
                                        uint64_t id) {
  const struct error_entry *entry = &log->entries[id % ERRORS_KEPT];
  return id && entry->id == id ? entry : NULL;
}

static char *copy(const char *text) { return text ? strdup(text) : NULL; }

void error_log_add(struct error_log *log, const char *function,
                   enum engine_mode mode, const struct err *err) {
  if (err->code == ERR_INTERRUPT) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t id = ++log->last;
  struct error_entry *entry = &log->entries[id % ERRORS_KEPT];
  entry_fini(entry);
  *entry = (struct error_entry){
      .id = id,
      .time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
      .function = copy(function),
      .type = copy(err->type ? err->type : err_code_name(err->code)),
      .message = copy(err->text),
      .file = copy(err->file),
      .traceback = copy(err->traceback),
      .line = err->line,
      .mode = mode,
  };
}

/* SQLite's code for an error whose text is ours; 0 for the ordinary one. */
static int special_code(enum err_code code) {
  switch (code) {
    case ERR_NOMEM:
    case ERR_OOM:
      return SQLITE_NOMEM;
    case ERR_TOOBIG:
      return SQLITE_TOOBIG;
    default:
      return 0;
  }
}

void errors_result(sqlite3_context *ctx, const char *prefix, const char *name,
                   struct err *err) {
  int code = special_code(err->code);
  char *what = err->code == ERR_INTERRUPT ? NULL : err_format(err);
  char *message = what ? sqlite3_mprintf("%s%s%s%s", prefix, name ? name : "",
                                         name ? ": " : "", what)
                       : NULL;
  if (err->code == ERR_INTERRUPT) {
    sqlite3_result_error_code(ctx, SQLITE_INTERRUPT);
  } else if (message) {
    sqlite3_result_error(ctx, message, -1);
    if (code) sqlite3_result_error_code(ctx, code); /* the text stays */
  } else {
    sqlite3_result_error_nomem(ctx);
  }
  sqlite3_free(message);
  free(what);
  err_clear(err);
}

int errors_table(sqlite3_vtab *table, const char *prefix, const char *name,
                 struct err *err) {
  int code =
      err->code == ERR_INTERRUPT ? SQLITE_INTERRUPT : special_code(err->code);
  char *what = err->code == ERR_INTERRUPT ? NULL : err_format(err);
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = what ? sqlite3_mprintf("%s%s%s%s", prefix, name ? name : "",
                                          name ? ": " : "", what)
                        : NULL;
  if (!what && !code) code = SQLITE_NOMEM;
  free(what);
  err_clear(err);
  return code ? code : SQLITE_ERROR;
}

char *errors_message(struct err *err) {
  char *what = err_format(err);
  char *message = what ? sqlite3_mprintf("%s", what) : NULL;
  free(what);
  err_clear(err);
  return message;
}
