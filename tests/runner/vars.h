/* vars.h: ${NAME} in SQL and expected results; see vars.c. */
#ifndef SQLTEST_VARS_H
#define SQLTEST_VARS_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct vars_entry {
  const char *name; /* not NUL-terminated */
  size_t name_len;
  const char *value;
};

struct vars {
  struct vars_entry *entries;
  size_t count;
  bool on;        /* at least one was given on the command line */
  char *test_dir; /* value of TEST_DIR, heap */
};

int vars_add(struct vars *vars, const char *assignment);
int vars_set_file(struct vars *vars, const char *path);
void vars_expand(const struct vars *vars, const char *in, bool as_regex,
                 struct text *out);
void vars_fini(struct vars *vars);

#endif
