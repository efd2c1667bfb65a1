/* kept.c - the GIL, kept by a thread from row to row: see kept.h */
#include "kept.h"

#include <dlfcn.h>
#include <time.h>

#include "embed.h"

enum { KEPT_WAIT_MS = 5000 };

struct kept kept;

/* Calls under way in this thread while the GIL is not kept. */
static __thread uint32_t depth;

static pthread_key_t owner_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(const struct runtime *runtime) {
  atomic_store_explicit(&kept.awaited, 0, memory_order_relaxed);
  atomic_store_explicit(&kept.on, 0, memory_order_release);
  runtime->detach();
}

/* The thread that keeps the GIL ends with a statement open. */
static void owner_ended(void *runtime) {
  if (kept_by_me() && embed_alive()) give_back(runtime);
}

static void start(void) {
  kept.thread_count = dlvsym(RTLD_DEFAULT, "__nptl_nthreads", "GLIBC_PRIVATE");
  kept.end_seen = !pthread_key_create(&owner_end, owner_ended);
}

void kept_start(void) { pthread_once(&once, start); }

static __attribute__((cold)) int wait_for_owner(struct err *err) {
  const struct timespec ms = {.tv_nsec = 1000000};
  int left = atomic_load(&kept.awaited) ? 1 : KEPT_WAIT_MS;
  for (; left > 0; left--) {
    if (!atomic_load_explicit(&kept.on, memory_order_acquire)) return 0;
    nanosleep(&ms, NULL);
  }
  atomic_store(&kept.awaited, 1);
  return err_set(
      err, ERR_USAGE,
      "another thread's open statement keeps Python: step or reset it "
      "there, or use process mode");
}

int kept_take(const struct runtime *runtime, struct err *err) {
  if (atomic_load_explicit(&kept.on, memory_order_relaxed) &&
      wait_for_owner(err)) {
    return -1;
  }
  if (!embed_alive()) {
    return err_set(err, ERR_USAGE, "Python has ended in this process");
  }
  runtime->attach();
  depth++;
  return 0;
}

static void keep(const struct runtime *runtime) {
  if (!pthread_getspecific(owner_end)) {
    pthread_setspecific(owner_end, runtime);
  }
  kept.owner = pthread_self();
  atomic_store_explicit(&kept.on, 1, memory_order_release);
}

void kept_leave_it(const struct runtime *runtime, int owned) {
  if (kept_by_me()) {
    if (!kept.depth) give_back(runtime);
  } else if (--depth == 0 && kept_may(owned)) {
    keep(runtime);
  } else {
    runtime->detach();
  }
}

void kept_end(const struct runtime *runtime) {
  if (kept_by_me() && !kept.depth) give_back(runtime);
}
