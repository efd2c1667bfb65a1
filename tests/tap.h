/* tap.h - TAP for the unit tests in C
**
** ok() counts and prints; tap_done() prints the plan and is main's exit status.
*/
#ifndef PYUDF_TESTS_TAP_H
#define PYUDF_TESTS_TAP_H

#include <stdio.h>

static int tap_count, tap_failed;

#define ok(condition, ...) \
  tap_ok(!!(condition), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 4, 5))) static inline int tap_ok(
    int good, const char *file, int line, const char *format, ...) {
  __builtin_va_list args;
  __builtin_va_start(args, format);
  printf("%sok %d - ", good ? "" : "not ", ++tap_count);
  vprintf(format, args);
  printf("\n");
  __builtin_va_end(args);
  if (!good) {
    tap_failed++;
    printf("# %s:%d\n", file, line);
  }
  fflush(stdout);
  return good;
}

static inline int tap_done(void) {
  printf("1..%d\n", tap_count);
  return tap_failed != 0;
}

#endif
