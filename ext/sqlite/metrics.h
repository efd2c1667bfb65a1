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

/* A call begins: the time, or 0 where this one is not timed. */
static inline uint64_t metrics_begin(struct metrics *metrics, int timed) {
  metrics->calls++;
  if (!timed) return 0;
  metrics->since++;
  if (metrics->skip) {
    metrics->skip--;
    return 0;
  }
  return metrics_now();
}

/* It ends. */
static inline void metrics_end(struct metrics *metrics, uint64_t began) {
  if (!began) return;
  uint64_t took = metrics_now() - began;
  metrics->time_ns += took * metrics->since;
  metrics->since = 0;
  int all = metrics->calls < METRICS_FIRST || took >= METRICS_SLOW_NS;
  metrics->skip = all ? 0 : METRICS_EVERY - 1;
}

#endif
