/* kept.h - the GIL, kept by a thread from row to row
**
** Taking and leaving the GIL costs as much as a call, so it is kept from row to
** row where nobody else can want it: Python is ours (embed.h), and the process
** has one thread beside the one that watches for interrupts (watch.h). It is
** given back when the statement ends, and after the first call that finds
** another thread.
**
** HOW IT WORKS. While it is kept, `depth` counts the calls under way, as a
** function may run SQL that calls functions; only then `kept` is touched, and
** only by `owner`, but for another thread's look at `on`.
**
** Only the owner can give the GIL back. A host that has a statement open in one
** thread, starts another and calls Python there, while the first neither steps
** nor ends, leaves that other waiting: for KEPT_WAIT_MS once, and not at all
** from then on, each time with an error that says so. Never a deadlock.
*/
#ifndef PYUDF_ENGINE_KEPT_H
#define PYUDF_ENGINE_KEPT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#include "../base/err.h"
#include "../base/runtime.h"
#include "watch.h"

extern struct kept {
  atomic_int on;      /* 1: `owner` has the GIL between calls */
  atomic_int awaited; /* 1: another thread has waited for it in vain */
  pthread_t owner;
  uint32_t depth; /* calls under way in `owner` */
  /* glibc's count of this process's threads, which its debuggers read. NULL
  ** where there is none: then only __libc_single_threaded counts, and it stays 0
  ** once the watching thread was there. */
  const unsigned *thread_count;
  int end_seen; /* 1: the owner's end is noticed */
} kept;

/* Before all else. */
void kept_start(void);

/* 1 where no thread but this one and ours can want the GIL. */
static inline int kept_alone(void) {
  return __libc_single_threaded ||
         (kept.thread_count &&
          __atomic_load_n(kept.thread_count, __ATOMIC_RELAXED) ==
              1 + (unsigned)watch_threads());
}

/* Without a look at its end, a thread's would go unnoticed: nothing is kept
** then. `owned`: Python is ours. */
static inline int kept_may(int owned) {
  return owned && kept_alone() && kept.end_seen;
}

static inline int kept_by_me(void) {
  return atomic_load_explicit(&kept.on, memory_order_acquire) &&
         pthread_equal(kept.owner, pthread_self());
}

/* The slow parts of those below. */
int kept_take(const struct runtime *runtime, struct err *err);
void kept_leave_it(const struct runtime *runtime, int owned);

/* Takes the GIL, unless this thread has it. Returns 0, or -1 and err. */
static inline int kept_enter(const struct runtime *runtime, struct err *err) {
  if (!kept_by_me()) return kept_take(runtime, err);
  kept.depth++;
  return 0;
}

/* Ends what kept_enter() began. */
static inline void kept_leave(const struct runtime *runtime, int owned) {
  if (!kept_by_me() || (--kept.depth == 0 && !kept_may(owned))) {
    kept_leave_it(runtime, owned);
  }
}

/* A statement of this thread's has ended: the GIL is given back. */
void kept_end(const struct runtime *runtime);

#endif
