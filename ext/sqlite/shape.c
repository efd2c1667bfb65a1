/* shape.c - what SQLite is told of a table function: see shape.h
**
** Columns come as "name\tTYPE" lines, parameters as lines too, "*name" for those that
** take the rest: name1, name2, ... A parameter that is called like a column, or like
** another parameter, is arg_name.
*/
#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"
#include "calls.h"
#include "sqlite.h"

enum {
  SHAPE_FLAGS = FUNCTION_DIRECT_ONLY | FUNCTION_INNOCUOUS,
  ROWS_UNKNOWN = 1000 /* of a call whose rows are not declared */
};

static uint32_t count_lines(const char *lines) {
  uint32_t count = *lines != 0;
  for (; *lines; lines++) count += *lines == '\n';
  return count;
}

/* The line's name, up to a tab, as a new string; *lines goes to the next one. *rest
** is what stands behind the tab, as a new string too. NULL without memory. */
static char *next_name(const char **lines, char **rest) {
  size_t len = strcspn(*lines, "\n"), name = strcspn(*lines, "\t\n");
  char *text = strndup(*lines, name);
  if (rest)
    *rest = strndup(*lines + name + (name < len), len - name - (name < len));
  *lines += len + ((*lines)[len] == '\n');
  return text;
}

/* The number of a column, by its name. */
static uint32_t column_named(const char *lines, const char *name) {
  size_t len = strlen(name);
  uint32_t i = 0;
  for (; *lines; i++) {
    if (!sqlite3_strnicmp(lines, name, (int)len) &&
        (lines[len] == '\t' || lines[len] == '\n' || !lines[len])) {
      break;
    }
    lines += strcspn(lines, "\n");
    lines += *lines == '\n';
  }
  return i;
}

static int order_init(struct shape *shape) {
  uint32_t count = count_lines(shape->order_lines);
  const char *at = shape->order_lines;
  shape->order = calloc(count + 1, sizeof *shape->order);
  if (!shape->order) return -1;
  for (; shape->order_count < count; shape->order_count++) {
    char *direction = NULL, *name = next_name(&at, &direction);
    struct shape_order *order = &shape->order[shape->order_count];
    if (name) order->column = column_named(shape->column_lines, name);
    order->desc = direction && !strcmp(direction, "DESC");
    free(name);
    free(direction);
    if (!name || !direction) return -1;
  }
  return 0;
}

int shape_init(struct shape *shape, const struct function_spec *spec) {
  *shape = (struct shape){
      .columns = count_lines(spec->columns),
      .parameters =
          (uint32_t)(spec->max_args < 0 ? CALLS_ARGS_MAX : spec->max_args),
      .required = spec->min_args,
      .row_estimate = spec->row_estimate ? spec->row_estimate : ROWS_UNKNOWN,
      .column_lines = strdup(spec->columns),
      .parameter_lines = strdup(spec->parameters),
      .order_lines = strdup(spec->ordered_by),
      .flags = spec->flags & SHAPE_FLAGS,
  };
  if (shape->column_lines && shape->parameter_lines && shape->order_lines &&
      !order_init(shape)) {
    return 0;
  }
  shape_fini(shape);
  return -1;
}

void shape_fini(struct shape *shape) {
  free(shape->column_lines);
  free(shape->parameter_lines);
  free(shape->order_lines);
  free(shape->order);
  *shape = (struct shape){0};
}

int shape_is_of(const struct shape *shape, const struct function_spec *spec) {
  return shape->flags == (spec->flags & SHAPE_FLAGS) &&
         shape->required == spec->min_args &&
         shape->row_estimate ==
             (spec->row_estimate ? spec->row_estimate : ROWS_UNKNOWN) &&
         !strcmp(shape->column_lines, spec->columns) &&
         !strcmp(shape->parameter_lines, spec->parameters) &&
         !strcmp(shape->order_lines, spec->ordered_by);
}

/* "name" as SQL has it, behind a comma unless it is the first. */
static void add_column(struct buf *sql, const char *name, const char *rest) {
  char *quoted = sqlite3_mprintf("\"%w\" ", name);
  if (sql->data && sql->data[sql->len - 1] != '(') buf_add_text(sql, ", ");
  buf_add_text(sql, quoted ? quoted : "");
  buf_add_text(sql, rest);
  if (!quoted) sql->failed = 1;
  sqlite3_free(quoted);
}

static void add_parameter(const struct shape *shape, struct buf *sql,
                          const char *name) {
  char *other = NULL;
  if (column_named(shape->column_lines, name) < shape->columns) {
    other = sqlite3_mprintf("arg_%s", name);
    if (!other) sql->failed = 1;
  }
  add_column(sql, other ? other : name, "HIDDEN");
  sqlite3_free(other);
}

static void add_parameters(const struct shape *shape, struct buf *sql) {
  const char *at = shape->parameter_lines;
  uint32_t i = 0;
  while (*at) {
    char *name = next_name(&at, NULL);
    if (!name) {
      sql->failed = 1;
      return;
    }
    if (*name != '*') {
      add_parameter(shape, sql, name);
      i++;
    }
    for (uint32_t n = 1; *name == '*' && i < shape->parameters; n++, i++) {
      char *numbered = sqlite3_mprintf("%s%u", name + 1, n);
      if (numbered) add_parameter(shape, sql, numbered);
      if (!numbered) sql->failed = 1;
      sqlite3_free(numbered);
    }
    free(name);
  }
}

char *shape_schema(const struct shape *shape) {
  struct buf sql = {0};
  const char *at = shape->column_lines;
  buf_add_text(&sql, "CREATE TABLE x(");
  while (*at) {
    char *type = NULL, *name = next_name(&at, &type);
    if (name && type) {
      add_column(&sql, name, type);
    } else {
      sql.failed = 1;
    }
    free(name);
    free(type);
  }
  add_parameters(shape, &sql);
  buf_add_text(&sql, ")");
  return buf_take(&sql);
}
