/* introspect.c - what a session shows of itself as tables: see introspect.h
**
** The virtual tables' machinery, the same for all: a query's rows are made when
** it begins (tables.c) and then read.
*/
#include "introspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "sqlvalue.h"
#include "tables.h"

/* pAux of a module. */
struct introspect_module {
  struct session *session;
  const struct table_spec *spec;
  int setting; /* pragma_python_x: its number */
};

struct introspect_table {
  sqlite3_vtab base;
  const struct introspect_module *module;
};

struct introspect_cursor {
  sqlite3_vtab_cursor base;
  struct rows rows;
  uint32_t row;
};

static const struct introspect_module *module_of(sqlite3_vtab *table) {
  return ((struct introspect_table *)table)->module;
}

/* Leaves the error where SQLite looks for a table's message. */
static int fail(sqlite3_vtab *table, struct err *err) {
  if (err->code == ERR_NOMEM) {
    err_clear(err);
    return SQLITE_NOMEM;
  }
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = errors_message(err);
  return SQLITE_ERROR;
}

static int introspect_connect(sqlite3 *db, void *aux, int argc,
                              const char *const *argv, sqlite3_vtab **out,
                              char **message) {
  (void)argc, (void)argv, (void)message;
  const struct introspect_module *module = aux;
  char schema[256];
  snprintf(schema, sizeof schema, module->spec->schema,
           setting_name(module->setting));
  int rc = sqlite3_declare_vtab(db, schema);
  if (rc != SQLITE_OK) return rc;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  struct introspect_table *table = sqlite3_malloc(sizeof *table);
  if (!table) return SQLITE_NOMEM;
  *table = (struct introspect_table){.module = module};
  *out = &table->base;
  return SQLITE_OK;
}

static int introspect_disconnect(sqlite3_vtab *table) {
  sqlite3_free(table);
  return SQLITE_OK;
}

/* Only the argument of pragma_python_x('value') is of use; idxNum 1 says that
** there is one. */
static int introspect_best_index(sqlite3_vtab *table,
                                 sqlite3_index_info *info) {
  int hidden = module_of(table)->spec->hidden;
  info->estimatedCost = 1000;
  for (int i = 0; i < info->nConstraint && hidden; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != hidden ||
        constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!constraint->usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum = 1;
    info->estimatedCost = 1;
    break;
  }
  return SQLITE_OK;
}

static int introspect_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  struct introspect_cursor *cursor = sqlite3_malloc(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  *cursor = (struct introspect_cursor){
      .rows = {.columns = module_of(table)->spec->columns}};
  *out = &cursor->base;
  return SQLITE_OK;
}

static int introspect_close(sqlite3_vtab_cursor *base) {
  struct introspect_cursor *cursor = (struct introspect_cursor *)base;
  rows_clear(&cursor->rows);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

static int introspect_filter(sqlite3_vtab_cursor *base, int number,
                             const char *name, int argc, sqlite3_value **argv) {
  (void)name;
  struct introspect_cursor *cursor = (struct introspect_cursor *)base;
  const struct introspect_module *module = module_of(base->pVtab);
  struct session *session = module->session;
  struct err err = {0};
  session_refresh(session);
  if (number && argc && sqlite3_value_type(argv[0]) != SQLITE_NULL &&
      tables_set(session, module->setting, argv[0], SETTING_PRAGMA, &err)) {
    return fail(base->pVtab, &err);
  }
  rows_clear(&cursor->rows);
  cursor->row = 0;
  if (module->spec->fill(session, module->setting, &cursor->rows, &err)) {
    return fail(base->pVtab, &err);
  }
  return cursor->rows.failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int introspect_next(sqlite3_vtab_cursor *base) {
  ((struct introspect_cursor *)base)->row++;
  return SQLITE_OK;
}

static int introspect_eof(sqlite3_vtab_cursor *base) {
  const struct introspect_cursor *cursor = (struct introspect_cursor *)base;
  return cursor->row >= rows_count(&cursor->rows);
}

static int introspect_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                             int column) {
  const struct introspect_cursor *cursor = (struct introspect_cursor *)base;
  if ((uint32_t)column < cursor->rows.columns) {
    sqlvalue_result(ctx, rows_get(&cursor->rows, cursor->row, (uint32_t)column),
                    UINT64_MAX, NULL);
  }
  return SQLITE_OK;
}

static int introspect_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((struct introspect_cursor *)base)->row;
  return SQLITE_OK;
}

/* python_settings alone: argv has the old and the new rowid, then the columns. */
static int introspect_update(sqlite3_vtab *table, int argc,
                             sqlite3_value **argv, sqlite3_int64 *rowid) {
  (void)rowid;
  struct err err = {0};
  struct session *session = module_of(table)->session;
  if (argc == 1 || sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    err_set(&err, ERR_USAGE,
            "python_settings: rows are neither inserted nor deleted");
    return fail(table, &err);
  }
  session_refresh(session);
  if (tables_update_setting(session, sqlite3_value_int(argv[0]), argv + 2,
                            &err)) {
    return fail(table, &err);
  }
  return SQLITE_OK;
}

static void module_destroy(void *aux) {
  struct introspect_module *module = aux;
  session_unref(module->session);
  free(module);
}

#define READER                                                          \
  .xConnect = introspect_connect, .xDisconnect = introspect_disconnect, \
  .xBestIndex = introspect_best_index, .xOpen = introspect_open,        \
  .xClose = introspect_close, .xFilter = introspect_filter,             \
  .xNext = introspect_next, .xEof = introspect_eof,                     \
  .xColumn = introspect_column, .xRowid = introspect_rowid

static const sqlite3_module reader = {READER};
static const sqlite3_module writer = {READER, .xUpdate = introspect_update};

static int add(struct session *session, const struct table_spec *spec,
               const char *name, int setting) {
  struct introspect_module *module = malloc(sizeof *module);
  if (!module) return SQLITE_NOMEM;
  *module = (struct introspect_module){session, spec, setting};
  session_ref(session);
  return sqlite3_create_module_v2(session->db, name,
                                  spec->writable ? &writer : &reader, module,
                                  module_destroy);
}

int introspect_register(struct session *session) {
  int rc = SQLITE_OK;
  for (int i = 0; i < tables_count && rc == SQLITE_OK; i++) {
    rc = add(session, &tables[i], tables[i].name, 0);
  }
  for (int id = 0; id < SETTING_COUNT && rc == SQLITE_OK; id++) {
    char name[80];
    snprintf(name, sizeof name, "pragma_%s", setting_name(id));
    rc = add(session, &tables_pragma, name, id);
  }
  return rc;
}
