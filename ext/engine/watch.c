/* watch.c - interrupts and deadlines for functions that run in the host process: see watch.h
**
** HOW IT WORKS. `list` has the engines that may run something; `lock` guards it
** and the thread's coming and going. The GIL is never waited for with `lock`
** held: after getting it, the thread looks again whether the call is the one it
** meant. The thread is detached: joining it could wait for the GIL that the
** joiner holds.
*/
#include "watch.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "../base/clock.h"
#include "forks.h"

enum {
  IDLE_TICKS = 40, /* without a call, the thread then sleeps for good */
  AGAIN_MS = 500   /* before what was raised is raised again */
};

static struct forks_lock lock = FORKS_LOCK_INIT;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct watch *list;
atomic_int watch_count;

/* In a forked child there is no such thread. */
static void enter(void) {
  if (!forks_lock_enter(&lock)) return;
  pthread_cond_init(&wake, NULL);
  atomic_store(&watch_count, 0);
  list = NULL;
}

static void unlink_watch(struct watch *watch) {
  if (watch->prev) {
    watch->prev->next = watch->next;
  } else if (list == watch) {
    list = watch->next;
  } else {
    return; /* it is in no list */
  }
  if (watch->next) watch->next->prev = watch->prev;
  watch->next = watch->prev = NULL;
}

/* Counted without atomics by the thread that runs. */
__attribute__((no_sanitize("thread"))) static uint32_t rows_of(
    const struct watch *watch) {
  return *(const volatile uint32_t *)&watch->rows;
}

/* 1 where the call that `serial` names is under way. */
static int running(const struct watch *watch, unsigned serial) {
  return serial % 2 == 1 && atomic_load(&watch->serial) == serial;
}

/* With `lock`; leaves it for the GIL, and comes back with it. */
static void raise_in(struct watch *watch, unsigned serial,
                     enum watch_reason reason) {
  const struct runtime *runtime = watch->runtime;
  unsigned long thread = atomic_load(&watch->thread);
  forks_lock_leave(&lock);
  runtime->attach();
  int may = runtime->may_raise(thread); /* leaves the GIL: not with `lock` */
  enter();
  struct watch *at = list;
  while (at && at != watch) at = at->next;
  if (may && at && running(watch, serial) &&
      (reason != WATCH_TIMEOUT || rows_of(watch) == watch->seen_rows)) {
    runtime->raise(thread, reason == WATCH_TIMEOUT ? RUNTIME_RAISE_TIMEOUT
                                                   : RUNTIME_RAISE_INTERRUPT);
    atomic_store(&watch->raised, reason);
    watch->raised_ms = clock_ms();
  }
  forks_lock_leave(&lock);
  runtime->detach();
  enter();
}

/* Why the call under way is to end. */
static enum watch_reason reason_of(const struct watch *watch) {
  const struct engine_host *host = watch->host;
  uint32_t timeout_ms = atomic_load(&watch->timeout_ms);
  if (host->interrupted_anywhere && host->interrupted_anywhere(host->arg)) {
    return WATCH_INTERRUPT;
  }
  return timeout_ms && clock_ms() - watch->seen_ms >= timeout_ms ? WATCH_TIMEOUT
                                                                 : WATCH_NONE;
}

/* One look at every engine; the number of those that had something to do. The
** list may change while a call is interrupted: then the rest has to wait for
** the next look. */
static int look(void) {
  int busy = 0;
  for (struct watch *watch = list; watch; watch = watch->next) {
    if (!atomic_load(&watch->armed)) continue;
    unsigned serial = atomic_load(&watch->serial);
    int since = serial == watch->seen;
    if (!since) {
      watch->seen = serial;
      watch->seen_ms =
          clock_ms() - WATCH_MS / 2; /* when it began, on average */
      watch->raised_ms = 0;
    }
    uint32_t rows = rows_of(watch);
    if (rows != watch->seen_rows) {
      watch->seen_rows = rows;
      watch->seen_ms = clock_ms() - WATCH_MS / 2;
    }
    if (serial % 2 == 1 || !since) busy++;
    if (!since || serial % 2 == 0) continue;
    enum watch_reason reason = reason_of(watch);
    if (!reason) continue;
    if (watch->raised_ms && clock_ms() - watch->raised_ms < AGAIN_MS) continue;
    raise_in(watch, serial, reason);
    return busy;
  }
  return busy;
}

static void disarm_all(void) {
  for (struct watch *watch = list; watch; watch = watch->next) {
    atomic_store(&watch->armed, 0);
  }
}

static void *watching(void *arg) {
  (void)arg;
  int idle = 0;
  enter();
  while (list) {
    if (idle >= IDLE_TICKS) {
      disarm_all();
      idle = 0;
      pthread_cond_wait(&wake, &lock.mutex);
      continue;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WATCH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&wake, &lock.mutex, &until);
    idle = look() ? 0 : idle + 1;
  }
  atomic_store(&watch_count, 0);
  forks_lock_leave(&lock);
  return NULL;
}

/* With `lock`. Signals are the host's threads' business. Without a thread there
** are no interrupts, as sqlite3_interrupt() has none inside a C function. */
static void start_thread(void) {
  pthread_t thread;
  pthread_attr_t attr;
  sigset_t all, before;
  if (pthread_attr_init(&attr)) return;
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  if (!pthread_create(&thread, &attr, watching, NULL))
    atomic_store(&watch_count, 1);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
}

void watch_init(struct watch *watch, const struct engine_host *host,
                const struct runtime *runtime) {
  watch->host = host;
  watch->runtime = runtime;
}

void watch_fini(struct watch *watch) {
  if (!watch->runtime) return;
  enter();
  unlink_watch(watch);
  if (!list) pthread_cond_signal(&wake);
  forks_lock_leave(&lock);
}

void watch_arm(struct watch *watch) {
  enter();
  if (watch != list && !watch->prev) {
    watch->next = list;
    if (list) list->prev = watch;
    list = watch;
  }
  atomic_store(&watch->armed, 1);
  if (!watch_threads()) start_thread();
  pthread_cond_signal(&wake);
  forks_lock_leave(&lock);
}

void watch_clear(struct watch *watch) {
  atomic_store(&watch->raised, 0);
  watch->runtime->raise(pthread_self(), RUNTIME_RAISE_NOTHING);
}
