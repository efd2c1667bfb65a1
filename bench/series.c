/* series.c - table-valued functions in C, for bench/run
**
** A loadable extension, so that SQLites of other programs have them too.
** c_numbers(n) gives n rows of one column, 0 to n - 1; c_tens(n) gives n rows of ten
** columns, each of them that number. What a query over them costs is what the same
** query costs SQLite over rows that cost nothing to make.
*/
#include <sqlite3ext.h>
#include <stdlib.h>
SQLITE_EXTENSION_INIT1

struct series {
  sqlite3_vtab base;
  int columns;
};

struct series_cursor {
  sqlite3_vtab_cursor base;
  sqlite3_int64 at, end;
};

static int series_connect(sqlite3 *db, void *aux, int argc,
                          const char *const *argv, sqlite3_vtab **out,
                          char **message) {
  (void)argc, (void)argv, (void)message;
  const int *columns = aux;
  const char *schema =
      *columns == 1 ? "CREATE TABLE x(value, n HIDDEN)"
                    : "CREATE TABLE x(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, "
                      "n HIDDEN)";
  struct series *series = calloc(1, sizeof *series);
  if (!series) return SQLITE_NOMEM;
  series->columns = *columns;
  *out = &series->base;
  return sqlite3_declare_vtab(db, schema);
}

static int series_disconnect(sqlite3_vtab *base) {
  free(base);
  return SQLITE_OK;
}

/* The hidden column is the only one that there is a plan with. */
static int series_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int n = ((const struct series *)base)->columns;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].iColumn != n) continue;
    if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    return SQLITE_OK;
  }
  return SQLITE_CONSTRAINT;
}

static int series_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  (void)base;
  struct series_cursor *cursor = calloc(1, sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static int series_close(sqlite3_vtab_cursor *base) {
  free(base);
  return SQLITE_OK;
}

static int series_filter(sqlite3_vtab_cursor *base, int number,
                         const char *plan, int argc, sqlite3_value **argv) {
  (void)number, (void)plan, (void)argc;
  struct series_cursor *cursor = (struct series_cursor *)base;
  cursor->at = 0;
  cursor->end = sqlite3_value_int64(argv[0]);
  return SQLITE_OK;
}

static int series_next(sqlite3_vtab_cursor *base) {
  ((struct series_cursor *)base)->at++;
  return SQLITE_OK;
}

static int series_eof(sqlite3_vtab_cursor *base) {
  const struct series_cursor *cursor = (struct series_cursor *)base;
  return cursor->at >= cursor->end;
}

static int series_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                         int column) {
  (void)column;
  sqlite3_result_int64(ctx, ((const struct series_cursor *)base)->at);
  return SQLITE_OK;
}

static int series_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  *rowid = ((const struct series_cursor *)base)->at;
  return SQLITE_OK;
}

static const sqlite3_module module = {.xConnect = series_connect,
                                      .xBestIndex = series_best_index,
                                      .xDisconnect = series_disconnect,
                                      .xOpen = series_open,
                                      .xClose = series_close,
                                      .xFilter = series_filter,
                                      .xNext = series_next,
                                      .xEof = series_eof,
                                      .xColumn = series_column,
                                      .xRowid = series_rowid};

int sqlite3_series_init(sqlite3 *db, char **message,
                        const sqlite3_api_routines *api);

__attribute__((visibility("default"))) int sqlite3_series_init(
    sqlite3 *db, char **message, const sqlite3_api_routines *api) {
  static int one = 1, ten = 10;
  (void)message;
  SQLITE_EXTENSION_INIT2(api);
  int rc = sqlite3_create_module(db, "c_numbers", &module, &one);
  if (rc == SQLITE_OK) rc = sqlite3_create_module(db, "c_tens", &module, &ten);
  return rc;
}
