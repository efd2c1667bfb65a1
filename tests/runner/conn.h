/* conn.h: the database connections of a test file; see conn.c. */
#ifndef SQLTEST_CONN_H
#define SQLTEST_CONN_H

#include <sqlite3.h>

#include "text.h"

struct conn_config {
  const char *load; /* an extension, or NULL */
  const char
      *db; /* a file, or NULL: each connection has a database in memory */
  const char
      *encoding;    /* UTF-8, UTF-16le, UTF-16be, or NULL: SQLite's default */
  const char *mode; /* thread, process, or NULL */
};

struct conn {
  char *name;
  sqlite3 *db;
  struct conn *next;
};

struct conn_set {
  const struct conn_config *config;
  struct conn *first;
};

int conn_set_init(struct conn_set *set, const struct conn_config *config,
                  struct text *error);
struct conn *conn_set_get(struct conn_set *set, const char *name,
                          struct text *error);
int conn_reopen(struct conn_set *set, struct conn *conn, struct text *error);
int conn_set_fini(struct conn_set *set, struct text *error);

#endif
