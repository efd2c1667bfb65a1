/* check.h: expected against got; see check.c. */
#ifndef SQLTEST_CHECK_H
#define SQLTEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

bool check_is_hash(const char *const *expected, size_t count, size_t *values,
                   const char **hash);
int check_values(const char *const *expected, size_t expected_count,
                 const char *const *got, size_t got_count, struct text *why);
int check_regex(const char *regex, const char *message, struct text *why);

#endif
