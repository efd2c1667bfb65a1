/* progress.c - the line that says how far a map is: see progress.h */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "../base/clock.h"

enum { FIRST_NS = 1000 * 1000 * 1000, LINE = 200 };

void progress_begin(struct progress *progress, int wanted) {
  *progress = (struct progress){.on = wanted && isatty(STDERR_FILENO)};
  if (progress->on) progress->began_ns = clock_ns();
}

/* At once, and nothing is done about a terminal that does not take it. */
static void put(const char *text, int len) {
  ssize_t written = write(STDERR_FILENO, text, (size_t)len);
  (void)written;
}

void progress_show(struct progress *progress, const char *name,
                   uint32_t workers) {
  uint64_t now = clock_ns(), took = now - progress->began_ns;
  char line[LINE], crew[40] = "";
  if (took < FIRST_NS || now - progress->told_ns < PROGRESS_MS * 1000000u) {
    return;
  }
  progress->told_ns = now;
  progress->shown = 1;
  if (workers) {
    snprintf(crew, sizeof crew, ", %u worker%s", workers,
             workers == 1 ? "" : "s");
  }
  int len = snprintf(
      line, sizeof line,
      "python_map %.60s: %llu rows, %.0f rows/s%s, %.1f s\033[K\r", name,
      (unsigned long long)progress->rows,
      (double)progress->rows * 1e9 / (double)took, crew, (double)took / 1e9);
  put(line, len < LINE ? len : LINE - 1);
}

void progress_end(struct progress *progress) {
  if (progress->shown) put("\033[K", 3);
  progress->shown = 0;
}
