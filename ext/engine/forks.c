/* forks.c - has the host forked since?: see forks.h */
#include "forks.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_CLEARED = 0, PAGE_MARKED = 1, PAGE_BUSY = 2 };
enum { EPOCH_BUSY = UINT32_MAX };

/* PAGE_MARKED in the process that wrote it, cleared in a child forked since
** (MADV_WIPEONFORK, Linux 4.14). NULL where there is no such page: then a
** fork goes unnoticed, as in most libraries. */
static _Atomic uint32_t *_Atomic page;
static _Atomic uint32_t epoch = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_page(void) {
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *place = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return;
  if (madvise(place, size, MADV_WIPEONFORK)) {
    munmap(place, size);
    return;
  }
  /* Marked before it is seen: else it would be a fork's. */
  atomic_store((_Atomic uint32_t *)place, PAGE_MARKED);
  atomic_store(&page, place);
}

/* One thread counts; the others see the page marked only after that. */
static void count_fork(_Atomic uint32_t *mark) {
  uint32_t cleared = PAGE_CLEARED;
  if (atomic_compare_exchange_strong(mark, &cleared, PAGE_BUSY)) {
    atomic_fetch_add(&epoch, 1);
    atomic_store(mark, PAGE_MARKED);
  }
  while (atomic_load(mark) != PAGE_MARKED) sched_yield();
}

uint32_t forks_epoch(void) {
  _Atomic uint32_t *mark = atomic_load_explicit(&page, memory_order_acquire);
  if (!mark) {
    pthread_once(&once, make_page);
    mark = atomic_load_explicit(&page, memory_order_acquire);
  }
  if (mark && atomic_load_explicit(mark, memory_order_acquire) != PAGE_MARKED) {
    count_fork(mark);
  }
  return atomic_load_explicit(&epoch, memory_order_relaxed);
}

int forks_lock_enter(struct forks_lock *lock) {
  uint32_t now = forks_epoch();
  uint32_t seen = atomic_load(&lock->epoch);
  while (seen != now) {
    if (seen == EPOCH_BUSY) {
      sched_yield();
      seen = atomic_load(&lock->epoch);
    } else if (atomic_compare_exchange_strong(&lock->epoch, &seen,
                                              EPOCH_BUSY)) {
      if (seen) pthread_mutex_init(&lock->mutex, NULL);
      pthread_mutex_lock(&lock->mutex);
      atomic_store(&lock->epoch, now);
      return seen != 0;
    }
  }
  pthread_mutex_lock(&lock->mutex);
  return 0;
}

void forks_lock_leave(struct forks_lock *lock) {
  pthread_mutex_unlock(&lock->mutex);
}
