/* record.h: one record of a test file; see record.c. */
#ifndef SQLTEST_RECORD_H
#define SQLTEST_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "script.h"
#include "text.h"

enum record_kind {
  RECORD_STATEMENT_OK,
  RECORD_STATEMENT_ERROR,
  RECORD_STATEMENT_COUNT,
  RECORD_QUERY,
  RECORD_HASH_THRESHOLD,
  RECORD_HALT,
  RECORD_REOPEN,
  RECORD_OTHER, /* unknown, but skipped */
};

enum record_sort { RECORD_NOSORT, RECORD_ROWSORT, RECORD_VALUESORT };

/* The strings point into the script; sql and regex are used again for the next record. */
struct record {
  enum record_kind kind;
  size_t line;      /* of its first line after skipif, onlyif and connection */
  const char *word; /* that line's first token */
  const char *connection; /* NULL: the default one */
  const char *
      skip_word; /* skipif or onlyif, and the name that decided; NULL: not skipped */
  const char *skip_name;
  struct text sql;
  struct text regex; /* statement error: empty for none */
  long long number;  /* statement count, hash-threshold */
  const char *types; /* query */
  enum record_sort sort;
  const char *label; /* or NULL */
  const char **expected;
  size_t expected_count;
  size_t expected_capacity;
};

/* What skipif and onlyif take for us, without regard to case. */
struct record_names {
  const char *names[8];
  size_t count;
};

int record_next(struct record *record, struct script *script,
                const struct record_names *names, struct text *error);
void record_fini(struct record *record);

#endif
