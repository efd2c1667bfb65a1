/* maparg.h - what users hand to python_map
*/
#ifndef PYUDF_MAPARG_H
#define PYUDF_MAPARG_H

#include "mapping.h"
#include "sqlite.h"

enum maparg {
  MAPARG_NAME,
  MAPARG_QUERY,
  MAPARG_WORKERS,
  MAPARG_BATCH_SIZE,
  MAPARG_ORDERED,
  MAPARG_CONCURRENCY,
  MAPARG_TIMEOUT,
  MAPARG_RETRIES,
  MAPARG_COUNT
};

/* The hidden columns' names. */
extern const char *const maparg_names[MAPARG_COUNT];

/* Sets an option, from MAPARG_WORKERS on; NULL leaves it as it is. */
int maparg_set(enum maparg arg, sqlite3_value *value,
               struct mapping_options *options, struct err *err);

/* What an option is: of those that were not set, and have no default, -1. */
int64_t maparg_get(enum maparg arg, const struct mapping_options *options);

/* Those that were set. */
void maparg_copy(const struct mapping_options *from,
                 struct mapping_options *to);

/* The arguments of CREATE VIRTUAL TABLE, as SQLite hands them over: a name, a
** query, which may have been split at its commas, and options like workers=2. *name and
** *query are new (malloc). */
int maparg_parse(int argc, const char *const *argv, char **name, char **query,
                 struct mapping_options *options, struct err *err);

#endif
