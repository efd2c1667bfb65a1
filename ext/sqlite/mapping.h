/* mapping.h - a function that is mapped over the rows of a query
**
** What a cursor of python_map reads. Takes the rows in batches, deals these to a
** crew of workers (crew.h; in thread mode they are run here), and gives the results
** in order, or as they come. In flight are so many batches of bounded size.
*/
#ifndef PYUDF_MAPPING_H
#define PYUDF_MAPPING_H

#include "session.h"

struct mapping;

struct mapping_options {
  uint32_t workers;    /* at most */
  uint32_t batch_size; /* rows, at most */
  int ordered;
  uint32_t given; /* those that the user gave: bits of enum maparg */
  struct batch_options batch;
};

/* What the settings say. */
void mapping_defaults(const struct session *session,
                      struct mapping_options *options);

/* Prepares the query and finds the function that it is for: `name` with as many
** arguments as the query has columns after the first. Neither needs to live on.
** *function (if not NULL) is borrowed from it. NULL and err set on failure. */
struct mapping *mapping_new(struct session *session, const char *name,
                            const char *query,
                            const struct mapping_options *options,
                            struct err *err);

const struct function *mapping_function(const struct mapping *mapping);

/* The next row: 1, 0 at the end, -1 and err. All of these may run anything. */
int mapping_next(struct mapping *mapping, struct err *err);

/* Of the row, borrowed until the next: the key, and the result's columns. */
const struct value *mapping_key(const struct mapping *mapping);
const struct value *mapping_values(struct mapping *mapping);

/* SQLite's code where the query failed; else 0. */
int mapping_code(const struct mapping *mapping);

/* Ends the query, and what is still on its way. NULL-safe. */
void mapping_free(struct mapping *mapping);

/* The columns of a function's result: at least 1. */
uint32_t mapping_columns(const struct function *function);

#endif
