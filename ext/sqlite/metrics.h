/* metrics.h - how often a function was called, and for how long
**
** HOW IT WORKS. Reading the clock twice costs as much as a small call. The first
** calls are all timed, and so are slow ones; of fast ones one in METRICS_EVERY,
** which then stands for those before it.
*/
#ifndef PYUDF_METRICS_H
#define PYUDF_METRICS_H

#include <time.h>

#include "slot.h"

enum { METRICS_FIRST = 64, METRICS_EVERY = 64, METRICS_SLOW_NS = 20000 };

static inline uint64_t metrics_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A row of a table function's call begins: the time, or 0 where it is not timed. */
static inline uint64_t metrics_row(struct metrics *metrics, int timed) {
  metrics->rows++;
  if (!timed) return 0;
  metrics->since++;
  if (metrics->skip) {
    metrics->skip--;
    return 0;
  }
  return metrics_now();
}

/* A call begins: the same. */
static inline uint64_t metrics_begin(struct metrics *metrics, int timed) {
  metrics->calls++;
  return metrics_row(metrics, timed);
}

/* It ends. */
static inline void metrics_end(struct metrics *metrics, uint64_t began) {
  if (!began) return;
  uint64_t took = metrics_now() - began;
  metrics->time_ns += took * metrics->since;
  metrics->since = 0;
  int all = metrics->rows < METRICS_FIRST || took >= METRICS_SLOW_NS;
  metrics->skip = all ? 0 : METRICS_EVERY - 1;
}

#endif
