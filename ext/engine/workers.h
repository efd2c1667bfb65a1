/* workers.h - all workers of this process: how many there may be, and what they do
**
** A place has to be had before a worker is started: PYUDF_MAX_WORKERS of them
** are there, whatever the connections. Whoever shows the workers asks from any
** thread, while each is used by its own.
*/
#ifndef PYUDF_WORKERS_H
#define PYUDF_WORKERS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/shm.h"
#include "engine.h"

enum { WORKERS_MAX_DEFAULT = 256, WORKERS_NAME = 256 };

/* A worker's place: a part of struct worker. */
struct workers_place {
  struct workers_place *next, *prev;
  uint32_t epoch;      /* forks_epoch() of the process it belongs to */
  int taken;           /* 1: this is a place in the list */
  const void *session; /* engine_host.arg */
  struct shm_control *control;
  pid_t pid;          /* 0 while it starts */
  uint32_t restarts;  /* workers that its session had before it */
  int64_t started_ms; /* Unix time */
  _Atomic uint64_t calls;
  atomic_int busy;         /* 1 while a request is under way */
  int64_t since_ms;        /* Unix time; 0: nothing that takes long runs */
  char name[WORKERS_NAME]; /* what it is that runs since then */
};

/* What can be seen of one. */
struct workers_info {
  const void *session;
  pid_t pid;
  uint32_t restarts;
  uint64_t calls;
  uint64_t memory; /* resident, in bytes; 0 where it is gone */
  int64_t started_ms;
  int64_t since_ms;  /* 0: not known */
  const char *state; /* "starting", "idle", "running", "stopped", "dead" */
  char name[WORKERS_NAME];
};

/* Waits for a place, for a while: then it is an error that says why there is
** none. Into a zeroed struct. */
int workers_enter(struct workers_place *place, const struct engine_host *host,
                  uint32_t restarts, struct err *err);

/* 1 where there is a place at the moment. */
int workers_have_place(void);

/* The worker has been started. */
void workers_started(struct workers_place *place, struct shm_control *control,
                     pid_t pid);

/* Gives a place up; before the control page is unmapped. */
void workers_leave(struct workers_place *place);

/* Around a request, with so many calls: plain stores. Those that take longer are
** named. */
static inline void workers_begin(struct workers_place *place, uint32_t count) {
  atomic_store_explicit(&place->busy, 1, memory_order_relaxed);
  if (!count) return;
  uint64_t calls = atomic_load_explicit(&place->calls, memory_order_relaxed);
  atomic_store_explicit(&place->calls, calls + count, memory_order_relaxed);
}
void workers_name(struct workers_place *place, const char *name);
void workers_unname(struct workers_place *place);
static inline void workers_end(struct workers_place *place) {
  atomic_store_explicit(&place->busy, 0, memory_order_relaxed);
  if (place->since_ms) workers_unname(place);
}

/* 0 once that process has ended, reaped or not. */
int workers_alive(pid_t pid);

/* What there is now: a new array (malloc), NULL without memory. */
struct workers_info *workers_list(uint32_t *count);

#endif
