/* tables.h - what the tables of introspect.c show
*/
#ifndef PYUDF_TABLES_H
#define PYUDF_TABLES_H

#include "rows.h"
#include "session.h"

struct table_spec {
  const char *name;
  const char *schema; /* %s: the setting's name */
  uint32_t columns;   /* that fill() gives */
  int hidden;         /* number of the hidden column, 0 with none */
  int writable;
  int (*fill)(struct session *session, int setting, struct rows *rows,
              struct err *err);
};

extern const struct table_spec tables[];
extern const int tables_count;

/* pragma_python_x, for any setting. */
extern const struct table_spec tables_pragma;

/* Sets from SQL; NULL gives the default. */
int tables_set(struct session *session, int id, sqlite3_value *value,
               enum setting_source source, struct err *err);

/* UPDATE of a row of python_settings; only value may change. */
int tables_update_setting(struct session *session, int row,
                          sqlite3_value **columns, struct err *err);

#endif
