/* forks.c - has the host forked since?: see forks.h */
#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* 1 in the process that wrote it, 0 in a child forked since
** (MADV_WIPEONFORK, Linux 4.14). NULL where there is no such page: then a
** fork goes unnoticed, as in most libraries. */
static _Atomic uint32_t *page;
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
  page = place;
  atomic_store(page, 1);
}

uint32_t forks_epoch(void) {
  if (!page) pthread_once(&once, make_page);
  if (page && !atomic_load_explicit(page, memory_order_relaxed) &&
      !atomic_exchange(page, 1)) {
    atomic_fetch_add(&epoch, 1);
  }
  return atomic_load_explicit(&epoch, memory_order_relaxed);
}
