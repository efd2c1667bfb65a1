/* table.c - calls of table functions: see table.h
**
** A table function is an eponymous virtual table: its columns, and behind them a
** hidden one for each parameter. SQLite plans once and calls many times, so what it
** was told of columns and parameters (the shape) stays true for a statement: where a
** function is defined anew with another shape, its name gets another module, and
** statements compiled before say that they are to be prepared again.
**
** HOW IT WORKS. xBestIndex takes the equalities on parameters, all that there are:
** one that is not usable yet is SQLITE_CONSTRAINT, so that SQLite tries another
** order of the join. Which parameters have a value, and which columns are wanted,
** goes to xFilter as text.
**
** A row's rowid is its number in the call, and above it a hash of the arguments. So
** the rows of a call have the same whenever it is made again, by which RIGHT and FULL
** JOIN know them, and those of two calls differ, by which OR of two arguments does.
*/
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "errors.h"
#include "metrics.h"
#include "session.h"
#include "shape.h"
#include "sqlvalue.h"

struct table_vtab {
  sqlite3_vtab base;
  struct slot *slot;
  struct shape shape;
};

struct table_cursor {
  sqlite3_vtab_cursor base;
  struct function *function; /* with a ref */
  struct engine *engine;
  struct engine_rows *rows; /* NULL: at the end */
  enum engine_mode mode;
  uint32_t forks; /* session.forks when it began */
  const struct value *row;
  sqlite3_int64 rowid;
  sqlite3_value *arguments[CALLS_ARGS_MAX]; /* by parameter; NULL: none */
  struct tablecall call;
};

/* The plan that xBestIndex makes. */
enum { PLAN_TEXT = 3 * 16 + 1 };

static struct session *session_of(struct sqlite3_vtab *base) {
  return ((struct table_vtab *)base)->slot->session;
}

/* ---- the table ---- */

static struct function *function_of(const struct slot *slot) {
  return slot->function ? slot->function : slot->last;
}

static int table_connect(sqlite3 *db, void *aux, int argc,
                         const char *const *argv, sqlite3_vtab **out,
                         char **message) {
  (void)argc, (void)argv;
  struct slot *slot = aux;
  struct function *function = function_of(slot);
  struct err err = {0};
  if (!function) {
    registry_no_function(&slot->session->registry, slot->name, &err);
    *message = errors_message(&err);
    return SQLITE_ERROR;
  }
  struct table_vtab *table = calloc(1, sizeof *table);
  if (!table || shape_init(&table->shape, &function->spec)) {
    free(table);
    return SQLITE_NOMEM;
  }
  char *schema = shape_schema(&table->shape);
  int rc = schema ? sqlite3_declare_vtab(db, schema) : SQLITE_NOMEM;
  free(schema);
  if (rc != SQLITE_OK) {
    shape_fini(&table->shape);
    free(table);
    return rc;
  }
  if (function->spec.flags & FUNCTION_DIRECT_ONLY) {
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  } else if (function->spec.flags & FUNCTION_INNOCUOUS) {
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
  }
  table->slot = slot;
  session_ref(slot->session);
  *out = &table->base;
  return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base) {
  struct table_vtab *table = (struct table_vtab *)base;
  struct session *session = session_of(base);
  shape_fini(&table->shape);
  free(table);
  session_unref(session);
  return SQLITE_OK;
}

/* 1 where the rows come as the query wants them. */
static int is_ordered(const struct shape *shape,
                      const sqlite3_index_info *info) {
  if (!info->nOrderBy || (uint32_t)info->nOrderBy > shape->order_count) {
    return 0;
  }
  for (int i = 0; i < info->nOrderBy; i++) {
    if (info->aOrderBy[i].iColumn != (int)shape->order[i].column ||
        info->aOrderBy[i].desc != shape->order[i].desc) {
      return 0;
    }
  }
  return 1;
}

static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const struct shape *shape = &((struct table_vtab *)base)->shape;
  int by_parameter[CALLS_ARGS_MAX];
  struct tablecall call = {0};
  memset(by_parameter, -1, sizeof by_parameter);
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    int parameter = constraint->iColumn - (int)shape->columns;
    if (parameter < 0 || constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!constraint->usable) return SQLITE_CONSTRAINT;
    if (by_parameter[parameter] < 0) by_parameter[parameter] = i;
  }
  int count = 0;
  for (uint32_t i = 0; i < shape->parameters; i++) {
    if (by_parameter[i] < 0) continue;
    tablecall_give(&call, i);
    info->aConstraintUsage[by_parameter[i]].argvIndex = ++count;
    info->aConstraintUsage[by_parameter[i]].omit = 1;
  }
  info->idxStr = sqlite3_mprintf("%016llx%016llx%016llx", call.given[0],
                                 call.given[1], info->colUsed);
  if (!info->idxStr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->estimatedRows = shape->row_estimate;
  info->estimatedCost = (double)shape->row_estimate + 1;
  /* It is told when it is run, as a plan with more arguments may be found. */
  if (count < shape->required) info->estimatedCost = 1e100;
  info->orderByConsumed = is_ordered(shape, info);
  return SQLITE_OK;
}

/* ---- cursors ---- */

/* The error is noted, and SQLite's. Returns its code. */
static int fail(struct table_cursor *cursor, struct err *err) {
  struct function *function = cursor->function;
  function->metrics.errors++;
  error_log_add(&function->session->errors, function->spec.name, cursor->mode,
                err);
  return errors_table(cursor->base.pVtab, "python function ",
                      function->spec.name, err);
}

/* Nothing more is wanted of the call. What ending it raises is an error where the
** statement can still have one. */
static int end(struct table_cursor *cursor, struct err *err) {
  struct engine_rows *rows = cursor->rows;
  int rc = 0;
  cursor->rows = NULL;
  /* In a forked child it is the parent's. */
  if (rows && cursor->forks == cursor->function->session->forks) {
    rc = engine_rows_close(cursor->engine, &cursor->function->id, rows, err);
  }
  for (uint32_t i = 0; i < CALLS_ARGS_MAX; i++) {
    if (!cursor->arguments[i]) continue;
    sqlite3_value_free(cursor->arguments[i]);
    cursor->arguments[i] = NULL;
  }
  return rc;
}

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  struct table_vtab *table = (struct table_vtab *)base;
  struct slot *slot = table->slot;
  struct function *function = function_of(slot);
  struct err err = {0};
  session_refresh(slot->session);
  if (!function) {
    registry_no_function(&slot->session->registry, slot->name, &err);
    return errors_table(base, "", NULL, &err);
  }
  if (!shape_is_of(&table->shape, &function->spec)) {
    err_set(&err, ERR_USAGE,
            "its columns or parameters have changed: prepare the statement "
            "again");
    return errors_table(base, "python function ", slot->name, &err);
  }
  struct table_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  function_ref(function);
  slot_use(slot);
  cursor->function = function;
  *out = &cursor->base;
  return SQLITE_OK;
}

static int table_close(sqlite3_vtab_cursor *base) {
  struct table_cursor *cursor = (struct table_cursor *)base;
  struct slot *slot = ((struct table_vtab *)base->pVtab)->slot;
  struct session *session = slot->session;
  struct err err = {0};
  session_enter(session);
  if (end(cursor, &err)) {
    /* SQLite asks no more: python_errors has it. */
    error_log_add(&session->errors, slot->name, cursor->mode, &err);
    err_clear(&err);
  }
  function_unref(cursor->function);
  slot_unuse(slot);
  free(cursor);
  session_leave(session);
  session_cursor_end(session);
  return SQLITE_OK;
}

/* The next row, or the end. */
static int advance(struct table_cursor *cursor, struct err *err) {
  struct function *function = cursor->function;
  uint64_t began =
      metrics_row(&function->metrics, function->session->settings.metrics);
  int got = engine_rows_next(cursor->engine, &function->id, cursor->rows,
                             &cursor->row, err);
  metrics_end(&function->metrics, began);
  if (got > 0) {
    cursor->rowid++;
    return 0;
  }
  struct err late = {0};
  int rc = end(cursor, &late);
  if (got < 0) {
    err_clear(&late);
  } else if (rc) {
    err_take(err, &late);
  }
  return got < 0 || rc ? -1 : 0;
}

/* The arguments, and copies of them for whoever asks for a parameter. */
static int take_arguments(struct table_cursor *cursor, int argc,
                          sqlite3_value **argv, struct value *values,
                          int *nulls, struct err *err) {
  struct session *session = cursor->function->session;
  uint32_t parameter = 0;
  if (sqlvalue_arguments(session, argc, argv, values, nulls, err)) return -1;
  for (int i = 0; i < argc; i++, parameter++) {
    while (!tablecall_has(&cursor->call, parameter)) parameter++;
    cursor->arguments[parameter] = sqlite3_value_dup(argv[i]);
    if (!cursor->arguments[parameter]) return err_nomem(err);
  }
  return 0;
}

static int count_arguments(const struct function *function, int argc,
                           struct err *err) {
  int least = function->spec.min_args;
  if (argc >= least) return 0;
  return err_set(err, ERR_USAGE, "takes %s%d argument%s, not %d",
                 function->spec.max_args == least ? "" : "at least ", least,
                 least == 1 ? "" : "s", argc);
}

/* As far as is known: a first call is not. */
static int is_quick(const struct metrics *metrics) {
  enum { ROWS = 16, ROW_NS = 100000 };
  return metrics->rows >= ROWS && metrics->time_ns / metrics->rows < ROW_NS;
}

static int call(struct table_cursor *cursor, int argc, sqlite3_value **argv,
                struct err *err) {
  struct function *function = cursor->function;
  struct session *session = function->session;
  const struct shape *shape = &((struct table_vtab *)cursor->base.pVtab)->shape;
  struct value values[CALLS_ARGS_MAX];
  int nulls;
  if (count_arguments(function, argc, err) ||
      take_arguments(cursor, argc, argv, values, &nulls, err)) {
    return -1;
  }
  cursor->rowid = sqlvalue_rowid(values, argc);
  function->metrics.calls++;
  if (nulls && !(function->spec.flags & FUNCTION_NULL_CALL)) return 0;
  if (session_engine(session, cursor->mode, &cursor->engine, err)) return -1;
  cursor->call.argv = values;
  cursor->call.argc = (uint32_t)argc;
  cursor->call.columns = shape->columns;
  cursor->call.quick = is_quick(&function->metrics);
  cursor->forks = session->forks;
  cursor->rows = engine_rows_open(cursor->engine, &function->id, &cursor->call,
                                  shape->columns, err);
  return cursor->rows ? advance(cursor, err) : -1;
}

static int table_filter(sqlite3_vtab_cursor *base, int number, const char *plan,
                        int argc, sqlite3_value **argv) {
  (void)number;
  struct table_cursor *cursor = (struct table_cursor *)base;
  struct session *session = session_of(base->pVtab);
  struct err err = {0};
  session_refresh(session);
  session_enter(session);
  cursor->mode = calls_mode(cursor->function);
  int rc = end(cursor, &err);
  cursor->call = (struct tablecall){0};
  unsigned long long given[2] = {0}, used = 0;
  sscanf(plan, "%16llx%16llx%16llx", &given[0], &given[1], &used);
  cursor->call.given[0] = given[0];
  cursor->call.given[1] = given[1];
  cursor->call.used = used;
  if (!rc) rc = call(cursor, argc, argv, &err);
  rc = rc ? fail(cursor, &err) : SQLITE_OK;
  session_leave(session);
  return rc;
}

static int table_next(sqlite3_vtab_cursor *base) {
  struct table_cursor *cursor = (struct table_cursor *)base;
  struct session *session = session_of(base->pVtab);
  struct err err = {0};
  session_enter(session);
  int rc = advance(cursor, &err) ? fail(cursor, &err) : SQLITE_OK;
  session_leave(session);
  return rc;
}

static int table_eof(sqlite3_vtab_cursor *base) {
  return !((struct table_cursor *)base)->rows;
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                        int column) {
  struct table_cursor *cursor = (struct table_cursor *)base;
  const struct shape *shape = &((struct table_vtab *)base->pVtab)->shape;
  struct err err = {0};
  if ((uint32_t)column >= shape->columns) {
    sqlite3_value *argument =
        cursor->arguments[(uint32_t)column - shape->columns];
    if (argument) sqlite3_result_value(ctx, argument);
    return SQLITE_OK;
  }
  if (sqlvalue_result(ctx, &cursor->row[column],
                      session_of(base->pVtab)->host.max_len, &err)) {
    return fail(cursor, &err);
  }
  return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((struct table_cursor *)base)->rowid;
  return SQLITE_OK;
}

/* ---- the module ---- */

static const sqlite3_module module = {.xConnect = table_connect,
                                      .xDisconnect = table_disconnect,
                                      .xBestIndex = table_best_index,
                                      .xOpen = table_open,
                                      .xClose = table_close,
                                      .xFilter = table_filter,
                                      .xNext = table_next,
                                      .xEof = table_eof,
                                      .xColumn = table_column,
                                      .xRowid = table_rowid};

static void module_destroy(void *aux) {
  session_unref(((struct slot *)aux)->session);
}

/* Statements that were prepared with the old one are prepared again before they run
** next, as they are where any flag of the connection's changes (SQLite 3.35 to 3.54).
** Those that run go on. */
static void expire_statements(sqlite3 *db) {
  int was = 0, now = 0;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, -1, &was);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, !was, &now);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, was, &now);
}

int table_bind(struct slot *slot, const struct function_spec *spec,
               struct err *err) {
  if (slot->shape && shape_is_of(slot->shape, spec)) return 0;
  struct shape *shape = malloc(sizeof *shape);
  if (!shape || shape_init(shape, spec)) {
    free(shape);
    return err_nomem(err);
  }
  session_ref(slot->session);
  int rc = sqlite3_create_module_v2(slot->session->db, slot->name, &module,
                                    slot, module_destroy);
  if (rc != SQLITE_OK) {
    shape_fini(shape);
    free(shape);
    if (rc == SQLITE_NOMEM) return err_nomem(err);
    return err_set(err, ERR_USAGE, "SQLite does not register %s: %s",
                   slot->name, sqlite3_errstr(rc));
  }
  if (slot->shape) {
    expire_statements(slot->session->db);
    shape_fini(slot->shape);
    free(slot->shape);
  }
  slot->shape = shape;
  return 0;
}
