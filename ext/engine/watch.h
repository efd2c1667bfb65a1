/* watch.h - interrupts and deadlines for functions that run in the host process
**
** For the thread engine. A call in the host process cannot be waited for and
** looked at in slices, as one in a worker is: so a thread of ours looks, every
** WATCH_MS, whether a call that has been running since its last look is to end,
** and has Python raise KeyboardInterrupt, or TimeoutError, in its thread. It runs while
** statements call functions, and ends with the last thread engine.
**
** What Python cannot interrupt is not interrupted: a call of C that does not
** return; nor is importlib's own code, which would keep a module locked. What
** swallows the exception gets it again, half a second later: time for what a
** function has to tidy up, and for the traceback to be told.
*/
#ifndef PYUDF_WATCH_H
#define PYUDF_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "../base/runtime.h"
#include "engine.h"

enum { WATCH_MS = 25 };

enum watch_reason { WATCH_NONE = 0, WATCH_INTERRUPT = 1, WATCH_TIMEOUT = 2 };

/* A part of an engine. */
struct watch {
  struct watch *next;
  struct watch *prev;
  const struct engine_host *host;
  const struct runtime *runtime;
  atomic_int armed; /* 1: the thread looks at this engine */
  atomic_ulong
      thread;         /* Python's ident of the thread whose call is under way */
  atomic_uint serial; /* odd while a call is under way; one more at its ends */
  atomic_uint timeout_ms; /* for the call under way; 0: none */
  atomic_int raised;      /* what was raised in the call under way */
  uint32_t rows; /* of its batch, done so far: counted by the runtime's map() */
  uint32_t seen_rows; /* the watching thread's: rows at its last look */
  unsigned seen;      /* the watching thread's: serial at its last look */
  int64_t seen_ms;    /* and when it saw that serial first */
  int64_t raised_ms;  /* and when it raised in that call last; 0: not yet */
};

/* Into a zeroed struct; watch_fini() before its engine goes. */
void watch_init(struct watch *watch, const struct engine_host *host,
                const struct runtime *runtime);
void watch_fini(struct watch *watch);

/* The slow part of watch_begin(). */
void watch_arm(struct watch *watch);

/* Around a call that is not inside another of this engine's; the GIL is held.
** Stores alone: one thread at a time is in an engine. */
static inline void watch_begin(struct watch *watch, uint32_t timeout_ms) {
  if (!atomic_load_explicit(&watch->armed, memory_order_relaxed)) {
    watch_arm(watch);
  }
  unsigned serial = atomic_load_explicit(&watch->serial, memory_order_relaxed);
  atomic_store_explicit(&watch->thread, pthread_self(), memory_order_relaxed);
  atomic_store_explicit(&watch->timeout_ms, timeout_ms, memory_order_relaxed);
  atomic_store_explicit(&watch->serial, serial + 1, memory_order_release);
}

/* What was raised in the call, if anything. */
static inline enum watch_reason watch_end(struct watch *watch) {
  unsigned serial = atomic_load_explicit(&watch->serial, memory_order_relaxed);
  atomic_store_explicit(&watch->serial, serial + 1, memory_order_release);
  return (enum watch_reason)atomic_load_explicit(&watch->raised,
                                                 memory_order_relaxed);
}

/* After watch_end() gave a reason, with the GIL: an exception that was not raised
** yet is taken back. */
void watch_clear(struct watch *watch);

/* Number of threads in this process that are watching: 0 or 1. */
extern atomic_int watch_count;

static inline int watch_threads(void) {
  return atomic_load_explicit(&watch_count, memory_order_relaxed);
}

#endif
