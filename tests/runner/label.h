/* label.h: which result a label stands for; see label.c. */
#ifndef SQLTEST_LABEL_H
#define SQLTEST_LABEL_H

#include <stddef.h>

struct label {
  const char *name; /* borrowed from the test file; NULL: a free slot */
  size_t line;      /* of the record that came first */
  char hash[33];
};

struct label_table {
  struct label *slots;
  size_t count;
  size_t capacity; /* a power of two, or 0 */
};

const struct label *label_check(struct label_table *table, const char *name,
                                const char *hash, size_t line);
void label_table_fini(struct label_table *table);

#endif
