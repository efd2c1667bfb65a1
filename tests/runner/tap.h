/* tap.h: the lines on standard output; see tap.c. */
#ifndef SQLTEST_TAP_H
#define SQLTEST_TAP_H

#include <stdbool.h>
#include <stddef.h>

struct tap {
  size_t count; /* lines written, skipped ones among them */
  size_t failed;
  size_t ran; /* records that were executed; counted by run.c */
  bool flush; /* after each line */
};

void tap_open(struct tap *tap, bool flush);
void tap_ok(struct tap *tap, const char *name);
void tap_skip(struct tap *tap, const char *name, const char *reason);
void tap_fail(struct tap *tap, const char *name, const char *diagnostics);
void tap_close(struct tap *tap);

#endif
