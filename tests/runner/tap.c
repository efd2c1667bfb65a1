/*
 * tap.c: the Test Anything Protocol on standard output; nothing else writes there.
 *
 * When asked to flush, every line is out before the next record runs: a record that kills the process is the one after
 * the last line, and a child forked by an extension has no buffered lines to write a second time.
 */
#include "tap.h"

#include <stdio.h>
#include <string.h>

/* A # would start a directive, and "# TODO" in a test's SQL would turn its failure into an expected one. */
static void tap_name(const char *name) {
  for (; *name; name++) {
    unsigned char c = (unsigned char)*name;

    if (c == '#' || c == '\\') putc_unlocked('\\', stdout);
    putc_unlocked(c < ' ' || c == 0x7f ? ' ' : c, stdout);
  }
}

static void tap_end(const struct tap *tap) {
  putchar('\n');
  if (tap->flush) fflush(stdout);
}

void tap_open(struct tap *tap, bool flush) {
  memset(tap, 0, sizeof *tap);
  tap->flush = flush;
  fputs("TAP version 13", stdout);
  tap_end(tap);
}

void tap_ok(struct tap *tap, const char *name) {
  printf("ok %zu - ", ++tap->count);
  tap_name(name);
  tap_end(tap);
}

void tap_skip(struct tap *tap, const char *name, const char *reason) {
  printf("ok %zu - ", ++tap->count);
  tap_name(name);
  fputs(" # SKIP ", stdout);
  tap_name(reason);
  tap_end(tap);
}

void tap_fail(struct tap *tap, const char *name, const char *diagnostics) {
  const char *end;

  tap->failed++;
  printf("not ok %zu - ", ++tap->count);
  tap_name(name);
  putchar('\n');
  for (; *diagnostics; diagnostics = *end ? end + 1 : end) {
    end = diagnostics + strcspn(diagnostics, "\r\n");
    printf("# %.*s\n", (int)(end - diagnostics), diagnostics);
  }
  if (tap->flush) fflush(stdout);
}

void tap_close(struct tap *tap) {
  printf("1..%zu\n", tap->count);
  if (tap->failed) printf("# %zu of %zu failed\n", tap->failed, tap->count);
  fflush(stdout);
}
