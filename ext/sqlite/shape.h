/* shape.h - what SQLite is told of a table function
*/
#ifndef PYUDF_SHAPE_H
#define PYUDF_SHAPE_H

#include <stdint.h>

#include "../base/definition.h"

/* A column by which the rows come ordered. */
struct shape_order {
  uint32_t column;
  int desc;
};

struct shape {
  uint32_t columns;
  uint32_t parameters; /* hidden columns: as many as arguments there may be */
  int required;        /* of these */
  uint32_t row_estimate;
  uint32_t order_count;
  struct shape_order *order;
  char *column_lines, *parameter_lines, *order_lines; /* as of the spec */
  uint32_t flags; /* those SQLite holds to */
};

/* Returns -1 without memory. */
int shape_init(struct shape *shape, const struct function_spec *spec);
void shape_fini(struct shape *shape);

/* 1 where SQLite would be told the same of this function. */
int shape_is_of(const struct shape *shape, const struct function_spec *spec);

/* "CREATE TABLE x(...)": new (malloc), NULL without memory. */
char *shape_schema(const struct shape *shape);

#endif
