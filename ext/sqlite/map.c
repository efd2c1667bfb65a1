/* map.c - python_map, the virtual table: see map.h
**
** SELECT key, value FROM python_map(name, query): the hidden columns are the
** arguments, in maparg.h's order. And CREATE VIRTUAL TABLE temp.x USING
** python_map(name, query), which has the function's columns. mapping.c does what
** there is to do.
*/
#include "map.h"

#include <stdlib.h>
#include <string.h>

#include "maparg.h"
#include "mapping.h"
#include "sqlvalue.h"

enum { VALUE = 1, HIDDEN = 2 /* the first hidden column */ };

struct map_table {
  sqlite3_vtab base;
  struct session *session;
  char *name, *query; /* NULL: they are arguments of each reader */
  uint32_t columns;   /* of the result, as they were declared */
  struct mapping_options options;
};

struct map_cursor {
  sqlite3_vtab_cursor base;
  struct mapping *mapping; /* NULL at the end */
  struct mapping_options options;
  sqlite3_value *name, *query; /* as they were given */
  sqlite3_int64 row;
};

/* Leaves the error where SQLite looks for a table's message. */
static int fail(char **message, int code, struct err *err) {
  int rc = code                         ? code
           : err->code == ERR_NOMEM     ? SQLITE_NOMEM
           : err->code == ERR_OOM       ? SQLITE_NOMEM
           : err->code == ERR_TOOBIG    ? SQLITE_TOOBIG
           : err->code == ERR_INTERRUPT ? SQLITE_INTERRUPT
                                        : SQLITE_ERROR;
  sqlite3_free(*message);
  *message = NULL;
  if (err->code != ERR_INTERRUPT && err->text) *message = errors_message(err);
  err_clear(err);
  return rc;
}

/* ---- the table ---- */

/* "name\tTYPE" lines as columns of a declaration. */
static void declare_columns(sqlite3_str *schema, const char *columns) {
  if (!*columns) sqlite3_str_appendall(schema, ", value");
  while (*columns) {
    size_t line = strcspn(columns, "\n");
    size_t name = strcspn(columns, "\t\n");
    char *text = sqlite3_mprintf("%.*s", (int)name, columns);
    size_t type = name < line ? line - name - 1 : 0;
    sqlite3_str_appendf(schema, ", \"%w\" %.*s", text ? text : "", (int)type,
                        columns + name + 1);
    sqlite3_free(text);
    columns += line + (columns[line] == '\n');
  }
}

static int declare(sqlite3 *db, const char *columns, int hidden) {
  sqlite3_str *schema = sqlite3_str_new(db);
  sqlite3_str_appendall(schema, "CREATE TABLE x(key");
  declare_columns(schema, columns);
  for (int i = 0; hidden && i < MAPARG_COUNT; i++) {
    sqlite3_str_appendf(schema, ", %s HIDDEN", maparg_names[i]);
  }
  sqlite3_str_appendall(schema, ")");
  char *text = sqlite3_str_finish(schema);
  int rc = text ? sqlite3_declare_vtab(db, text) : SQLITE_NOMEM;
  sqlite3_free(text);
  if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  return rc;
}

/* A table of a user's: the function says which columns it has. */
static int connect_created(struct map_table *table, int argc,
                           const char *const *argv, struct err *err) {
  struct session *session = table->session;
  if (sqlite3_stricmp(argv[1], "temp")) {
    return err_set(err, ERR_USAGE,
                   "python_map is for tables in temp, as what is stored in a "
                   "database must not run code: CREATE VIRTUAL TABLE temp.%s",
                   argv[2]);
  }
  if (maparg_parse(argc - 3, argv + 3, &table->name, &table->query,
                   &table->options, err)) {
    return -1;
  }
  struct mapping *mapping =
      mapping_new(session, table->name, table->query, &table->options, err);
  if (!mapping) return -1;
  const struct function *function = mapping_function(mapping);
  table->columns = mapping_columns(function);
  int rc = declare(session->db, function->spec.columns, 0);
  if (rc == SQLITE_NOMEM) {
    err_nomem(err);
  } else if (rc != SQLITE_OK) {
    err_set(err, ERR_USAGE, "the columns of %s cannot be declared: %s",
            table->name, sqlite3_errmsg(session->db));
  }
  mapping_free(mapping);
  return rc == SQLITE_OK ? 0 : -1;
}

static int map_disconnect(sqlite3_vtab *base) {
  struct map_table *table = (struct map_table *)base;
  free(table->name);
  free(table->query);
  free(table);
  return SQLITE_OK;
}

static int map_connect(sqlite3 *db, void *aux, int argc,
                       const char *const *argv, sqlite3_vtab **out,
                       char **message) {
  struct err err = {0};
  struct map_table *table = calloc(1, sizeof *table);
  int rc = SQLITE_OK;
  if (!table) return SQLITE_NOMEM;
  table->session = aux;
  table->columns = 1;
  session_refresh(table->session);
  mapping_defaults(table->session, &table->options);
  if (argc == 3 && !sqlite3_stricmp(argv[2], argv[0])) {
    rc = declare(db, "", 1);
  } else if (connect_created(table, argc, argv, &err)) {
    rc = fail(message, 0, &err);
  }
  if (rc == SQLITE_OK) {
    *out = &table->base;
  } else {
    map_disconnect(&table->base);
  }
  return rc;
}

/* idxNum has a bit for every argument that there is, in their order. */
static int map_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct map_table *table = (const struct map_table *)base;
  int places[MAPARG_COUNT], next = 0;
  info->estimatedCost = 1e6;
  info->estimatedRows = 100000;
  if (table->name) return SQLITE_OK;
  for (int i = 0; i < MAPARG_COUNT; i++) places[i] = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    int arg = constraint->iColumn - HIDDEN;
    if (arg < 0 || arg >= MAPARG_COUNT ||
        constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!constraint->usable) return SQLITE_CONSTRAINT;
    if (places[arg] < 0) places[arg] = i;
  }
  for (int arg = 0; arg < MAPARG_COUNT; arg++) {
    if (places[arg] < 0) continue;
    info->aConstraintUsage[places[arg]].argvIndex = ++next;
    info->aConstraintUsage[places[arg]].omit = 1;
    info->idxNum |= 1 << arg;
  }
  /* Without them it is an error, which no plan should be made for. */
  if (places[MAPARG_NAME] < 0 || places[MAPARG_QUERY] < 0) {
    info->estimatedCost = 1e99;
  }
  return SQLITE_OK;
}

/* ---- the cursor ---- */

static int map_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  struct map_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static void clear(struct map_cursor *cursor) {
  mapping_free(cursor->mapping);
  cursor->mapping = NULL;
  sqlite3_value_free(cursor->name);
  sqlite3_value_free(cursor->query);
  cursor->name = cursor->query = NULL;
  cursor->row = 0;
}

static int map_close(sqlite3_vtab_cursor *base) {
  struct map_cursor *cursor = (struct map_cursor *)base;
  clear(cursor);
  free(cursor);
  return SQLITE_OK;
}

static int map_next(sqlite3_vtab_cursor *base) {
  struct map_cursor *cursor = (struct map_cursor *)base;
  struct err err = {0};
  int rc = mapping_next(cursor->mapping, &err);
  cursor->row++;
  if (rc > 0) return SQLITE_OK;
  int code = mapping_code(cursor->mapping);
  mapping_free(cursor->mapping);
  cursor->mapping = NULL;
  return rc ? fail(&base->pVtab->zErrMsg, code, &err) : SQLITE_OK;
}

/* The text of an argument, borrowed. */
static const char *text_of(sqlite3_value *value, enum maparg arg,
                           struct err *err) {
  const char *text = value ? (const char *)sqlite3_value_text(value) : NULL;
  if (!value || sqlite3_value_type(value) != SQLITE_TEXT) {
    err_set(err, ERR_USAGE,
            "python_map wants a function's name and a query, both text: "
            "python_map('f', 'SELECT key, argument FROM t')%s%s",
            value ? "; not so its " : "; there is no ", maparg_names[arg]);
    return NULL;
  }
  if (!text) {
    err_nomem(err);
  } else if (strlen(text) != (size_t)sqlite3_value_bytes(value)) {
    err_set(err, ERR_USAGE, "python_map's %s must not hold a NUL character",
            maparg_names[arg]);
    text = NULL;
  }
  return text;
}

/* Takes the arguments that idxNum says there are. */
static int take(struct map_cursor *cursor, int number, sqlite3_value **argv,
                struct err *err) {
  for (int arg = 0, i = 0; arg < MAPARG_COUNT; arg++) {
    if (!(number & 1 << arg)) continue;
    sqlite3_value *value = argv[i++];
    if (arg >= MAPARG_WORKERS) {
      if (maparg_set((enum maparg)arg, value, &cursor->options, err)) return -1;
      continue;
    }
    sqlite3_value *copy = sqlite3_value_dup(value);
    if (!copy) return err_nomem(err);
    if (arg == MAPARG_NAME) cursor->name = copy;
    if (arg == MAPARG_QUERY) cursor->query = copy;
  }
  return 0;
}

static int begin(struct map_cursor *cursor, const struct map_table *table,
                 struct err *err) {
  struct session *session = table->session;
  const char *name = table->name, *query = table->query;
  if (!name && !(name = text_of(cursor->name, MAPARG_NAME, err))) return -1;
  if (!query && !(query = text_of(cursor->query, MAPARG_QUERY, err))) return -1;
  cursor->mapping = mapping_new(session, name, query, &cursor->options, err);
  if (!cursor->mapping) return -1;
  struct value given[] = {value_text(name), value_text(query)};
  cursor->row = table->name ? 0 : sqlvalue_rowid(given, 2);
  uint32_t columns = mapping_columns(mapping_function(cursor->mapping));
  if (columns == table->columns) return 0;
  if (table->name) {
    return err_set(err, ERR_USAGE,
                   "python function %s has %u result columns by now, and the "
                   "table has %u: drop the table and create it anew",
                   name, columns, table->columns);
  }
  return err_set(err, ERR_USAGE,
                 "python function %s has %u result columns: CREATE VIRTUAL "
                 "TABLE temp.x USING python_map(%s, ...) has them all",
                 name, columns, name);
}

static int map_filter(sqlite3_vtab_cursor *base, int number, const char *text,
                      int argc, sqlite3_value **argv) {
  (void)text, (void)argc;
  struct map_cursor *cursor = (struct map_cursor *)base;
  struct map_table *table = (struct map_table *)base->pVtab;
  struct err err = {0};
  clear(cursor);
  session_refresh(table->session);
  mapping_defaults(table->session, &cursor->options);
  maparg_copy(&table->options, &cursor->options);
  if (take(cursor, number, argv, &err) || begin(cursor, table, &err)) {
    clear(cursor);
    return fail(&base->pVtab->zErrMsg, 0, &err);
  }
  return map_next(base);
}

static int map_eof(sqlite3_vtab_cursor *base) {
  return ((struct map_cursor *)base)->mapping == NULL;
}

/* An argument, as it is in effect. */
static void argument(sqlite3_context *ctx, const struct map_cursor *cursor,
                     enum maparg arg) {
  if (arg == MAPARG_NAME || arg == MAPARG_QUERY) {
    sqlite3_result_value(ctx,
                         arg == MAPARG_NAME ? cursor->name : cursor->query);
    return;
  }
  int64_t number = maparg_get(arg, &cursor->options);
  if (number >= 0) sqlite3_result_int64(ctx, number);
}

static int map_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                      int column) {
  const struct map_cursor *cursor = (const struct map_cursor *)base;
  const struct map_table *table = (const struct map_table *)base->pVtab;
  if (column > (int)table->columns) {
    argument(ctx, cursor, (enum maparg)(column - HIDDEN));
  } else {
    sqlvalue_result(ctx,
                    column ? mapping_values(cursor->mapping) + column - VALUE
                           : mapping_key(cursor->mapping),
                    UINT64_MAX, NULL);
  }
  return SQLITE_OK;
}

static int map_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((const struct map_cursor *)base)->row;
  return SQLITE_OK;
}

/* xCreate is xConnect: the table is there without being created. */
static const sqlite3_module module = {
    .xCreate = map_connect,
    .xConnect = map_connect,
    .xBestIndex = map_best_index,
    .xDisconnect = map_disconnect,
    .xDestroy = map_disconnect,
    .xOpen = map_open,
    .xClose = map_close,
    .xFilter = map_filter,
    .xNext = map_next,
    .xEof = map_eof,
    .xColumn = map_column,
    .xRowid = map_rowid,
};

int map_register(struct session *session) {
  session_ref(session);
  return sqlite3_create_module_v2(session->db, "python_map", &module, session,
                                  session_unref);
}
