/* tables.c - what the tables of introspect.c show: see tables.h */
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../engine/workers.h"
#include "calls.h"

static void add_text(struct rows *rows, const char *text) {
  rows_add(rows, value_text(text));
}

static void add_number(struct rows *rows, uint64_t number) {
  rows_add(rows, value_integer((int64_t)number));
}

static const char *mode_name(enum engine_mode mode) {
  return mode == ENGINE_THREAD ? "thread" : "process";
}

/* A bad value from the environment is shown as it is: using it is the error. */
static int fill_settings(struct session *session, int setting,
                         struct rows *rows, struct err *err) {
  (void)setting, (void)err;
  for (int id = 0; id < SETTING_COUNT; id++) {
    const struct setting *item = &session->settings.items[id];
    add_text(rows, setting_name(id));
    add_text(rows, item->text);
    add_text(rows, setting_default(&session->settings, id));
    add_text(rows, setting_source_name(item->source));
    add_text(rows, setting_help(id));
  }
  return 0;
}

int tables_set(struct session *session, int id, sqlite3_value *value,
               enum setting_source source, struct err *err) {
  const char *text = (const char *)sqlite3_value_text(value);
  if (!text && sqlite3_value_type(value) != SQLITE_NULL) return err_nomem(err);
  if (text && strlen(text) != (size_t)sqlite3_value_bytes(value)) {
    return err_set(err, ERR_USAGE, "%s accepts no NUL character",
                   setting_name(id));
  }
  return settings_set(&session->settings, id, text, source, err);
}

int tables_update_setting(struct session *session, int row,
                          sqlite3_value **columns, struct err *err) {
  struct rows rows = {.columns = 5};
  int rc = -1;
  fill_settings(session, 0, &rows, err);
  for (uint32_t i = 0; i < rows.columns && !rows.failed; i++) {
    const struct value *was = rows_get(&rows, (uint32_t)row, i);
    const char *text = (const char *)sqlite3_value_text(columns[i]);
    if (i == 1) continue;
    if (!text || strlen(text) != was->len ||
        memcmp(text, was->data, was->len)) {
      err_set(err, ERR_USAGE, "python_settings: only value can be changed");
      goto done;
    }
  }
  if (rows.failed) {
    err_nomem(err);
    goto done;
  }
  rc = tables_set(session, row, columns[1], SETTING_UPDATE, err);
done:
  rows_clear(&rows);
  return rc;
}

static int fill_pragma(struct session *session, int setting, struct rows *rows,
                       struct err *err) {
  const char *value = settings_get(&session->settings, setting, err);
  if (!value) return -1;
  add_text(rows, value);
  return 0;
}

static void flags_text(uint32_t flags, char text[120]) {
  static const struct {
    uint32_t flag;
    const char *name;
  } names[] = {{FUNCTION_DETERMINISTIC, "deterministic"},
               {FUNCTION_DIRECT_ONLY, "direct_only"},
               {FUNCTION_INNOCUOUS, "innocuous"},
               {FUNCTION_NULL_CALL, "null_call"},
               {FUNCTION_INVERSE, "inverse"},
               {FUNCTION_PARALLEL, "parallel"},
               {FUNCTION_BATCH, "batch"},
               {FUNCTION_ASYNC, "async"},
               {FUNCTION_NATIVE, "native"}};
  *text = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!(flags & names[i].flag)) continue;
    if (*text) strcat(text, ",");
    strcat(text, names[i].name);
  }
}

static int fill_functions(struct session *session, int setting,
                          struct rows *rows, struct err *err) {
  (void)setting, (void)err;
  static const char *const kinds[] = {"scalar", "aggregate", "window", "table"};
  const struct function *function = session->registry.functions;
  for (; function; function = function->next) {
    const struct function_spec *spec = &function->spec;
    const struct metrics *metrics = &function->metrics;
    char flags[120];
    if (!function->slots) continue;
    flags_text(spec->flags, flags);
    add_text(rows, spec->name);
    add_text(rows, kinds[spec->kind]);
    add_text(rows, spec->arguments);
    add_text(rows, spec->result);
    add_text(rows, flags);
    add_text(rows, spec->module);
    add_text(rows, spec->source);
    add_text(rows, mode_name(calls_mode(function)));
    add_number(rows, metrics->calls);
    add_number(rows, spec->kind == FUNCTION_TABLE
                         ? metrics->rows
                         : metrics->calls - metrics->errors);
    add_number(rows, metrics->errors);
    rows_add(rows, value_real((double)metrics->time_ns / 1e9));
    rows_add(rows, function->workers ? value_integer(function->workers)
                                     : value_null());
  }
  return 0;
}

/* "2026-01-31 13:05:09.120", UTC; NULL for 0. */
static void add_time(struct rows *rows, int64_t unix_ms) {
  time_t seconds = (time_t)(unix_ms / 1000);
  char when[40], fraction[8];
  struct tm utc;
  gmtime_r(&seconds, &utc);
  strftime(when, sizeof when - sizeof fraction, "%Y-%m-%d %H:%M:%S", &utc);
  snprintf(fraction, sizeof fraction, ".%03d", (int)(unix_ms % 1000));
  strcat(when, fraction);
  add_text(rows, unix_ms ? when : NULL);
}

static int fill_errors(struct session *session, int setting, struct rows *rows,
                       struct err *err) {
  (void)setting, (void)err;
  const struct error_log *log = &session->errors;
  uint64_t id = log->last > ERRORS_KEPT ? log->last - ERRORS_KEPT + 1 : 1;
  for (; id <= log->last; id++) {
    const struct error_entry *entry = error_log_get(log, id);
    add_number(rows, id);
    add_time(rows, entry->time_ms);
    add_text(rows, entry->function);
    add_text(rows, entry->type);
    add_text(rows, entry->message);
    add_text(rows, entry->file);
    rows_add(rows, entry->line ? value_integer(entry->line) : value_null());
    add_text(rows, entry->traceback);
    add_text(rows, mode_name(entry->mode));
  }
  return 0;
}

/* All of this process's, whichever connection's they are. */
static int fill_workers(struct session *session, int setting, struct rows *rows,
                        struct err *err) {
  (void)setting;
  uint32_t count;
  struct workers_info *infos = workers_list(&count);
  if (!infos) return err_nomem(err);
  for (uint32_t i = 0; i < count; i++) {
    const struct workers_info *info = &infos[i];
    rows_add(rows, info->pid ? value_integer(info->pid) : value_null());
    add_text(rows, info->state);
    add_text(rows, info->since_ms ? info->name : NULL);
    add_time(rows, info->since_ms);
    add_number(rows, info->calls);
    add_number(rows, info->memory);
    add_number(rows, info->restarts);
    add_time(rows, info->started_ms);
    add_number(rows, info->session == session->host.arg);
  }
  free(infos);
  return 0;
}

const struct table_spec tables[] = {
    {.name = "python_settings",
     .columns = 5,
     .writable = 1,
     .schema = "CREATE TABLE x(name TEXT, value TEXT, \"default\" TEXT, "
               "source TEXT, help TEXT)",
     .fill = fill_settings},
    {.name = "python_functions",
     .columns = 13,
     .schema = "CREATE TABLE x(name TEXT, kind TEXT, arguments TEXT, "
               "result TEXT, flags TEXT, module TEXT, source TEXT, mode TEXT, "
               "calls INTEGER, rows INTEGER, errors INTEGER, call_time REAL, "
               "workers INTEGER)",
     .fill = fill_functions},
    {.name = "python_errors",
     .columns = 9,
     .schema =
         "CREATE TABLE x(id INTEGER, time TEXT, function TEXT, type TEXT, "
         "message TEXT, file TEXT, line INTEGER, traceback TEXT, "
         "mode TEXT)",
     .fill = fill_errors},
    {.name = "python_workers",
     .columns = 9,
     .schema = "CREATE TABLE x(pid INTEGER, state TEXT, function TEXT, "
               "since TEXT, calls INTEGER, memory INTEGER, restarts INTEGER, "
               "started TEXT, own INTEGER)",
     .fill = fill_workers},
};
const int tables_count = sizeof tables / sizeof *tables;

const struct table_spec tables_pragma = {
    .name = "pragma",
    .columns = 1,
    .hidden = 1,
    .schema = "CREATE TABLE x(%s TEXT, arg HIDDEN)",
    .fill = fill_pragma};
