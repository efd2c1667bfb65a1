/* ring.c - bytes from one process to another through shared memory: see ring.h
**
** Every atomic access of a ring is here.
*/
#include "ring.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { QUARTERS = 4 };

static inline void cpu_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Not FUTEX_PRIVATE: the two sides are two processes. `slices` 0: until it is
** woken, so that an idle worker uses no processor at all. */
static void futex_wait(_Atomic uint32_t *word, uint32_t seen, int slices) {
  struct timespec slice = {.tv_nsec = RING_SLICE_MS * 1000000L};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, slices ? &slice : NULL, NULL, 0);
}

static void ring_bell(struct ring_sleeper *sleeper) {
  atomic_fetch_add_explicit(&sleeper->bell, 1, memory_order_release);
  syscall(SYS_futex, &sleeper->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* After a count was published and a full fence. */
static inline void wake(struct ring_sleeper *sleeper) {
  if (atomic_load_explicit(&sleeper->asleep, memory_order_relaxed)) {
    ring_bell(sleeper);
  }
}

void ring_init(struct ring *ring, struct ring_shared *shared, uint8_t *data,
               uint32_t size) {
  assert(size && (size & (size - 1)) == 0);
  *ring = (struct ring){
      .shared = shared, .data = data, .size = size, .spin.us = UINT32_MAX};
}

/* What a side waits for: that the other's count is `least` ahead of `seen`. */
struct goal {
  _Atomic uint32_t *word;
  uint32_t seen;
  uint32_t least; /* from 1 on */
};

/* Where it went back, too: whoever waited finds the peer broken. */
static inline int is_reached(const struct goal *goal, uint32_t *now) {
  *now = atomic_load_explicit(goal->word, memory_order_acquire);
  return *now - goal->seen >= goal->least;
}

/* Looks at it for a microsecond or so; 1 once it is reached. */
static inline int glance(const struct goal *goal) {
  enum { PAUSES = 50 };
  uint32_t now;
  for (int i = 0; i < PAUSES; i++) {
    if (is_reached(goal, &now)) return 1;
    cpu_pause();
  }
  return 0;
}

/* Another process wants this processor. */
static void rest(struct ring_spin *spin, int64_t now) {
  enum { LEAST_US = 10000, MOST_US = 640000, FORGOTTEN_US = 1000000 };
  int again = spin->rest_us && now - spin->rest_until_us < FORGOTTEN_US;
  spin->rest_us = !again                         ? LEAST_US
                  : spin->rest_us >= MOST_US / 2 ? MOST_US
                                                 : spin->rest_us * 2;
  spin->rest_until_us = now + spin->rest_us;
}

/* 1 once the goal is reached, 0 where it is time to sleep; *began is then the time
** when the wait began, 0 where it does not matter. */
static int spin(struct ring_spin *spin, const struct goal *goal,
                uint32_t most_us, int64_t *began) {
  enum { GAP_US = 100 }; /* away for longer: it was not the other side alone */
  *began = 0;
  if (!most_us) return 0;
  if (glance(goal)) return 1;
  int64_t now = *began = clock_us();
  if (now < spin->rest_until_us) return 0;
  if (spin->us > most_us) spin->us = most_us;
  while (now - *began < spin->us) {
    /* The other side may need this very processor. */
    sched_yield();
    int64_t back = clock_us();
    int changed = glance(goal);
    if (back - now > GAP_US) {
      rest(spin, back);
      return changed;
    }
    if (changed) {
      spin->us = most_us;
      return 1;
    }
    now = clock_us();
  }
  spin->us /= 2;
  return 0;
}

/* A peer that always comes before the spinning ends, byte by byte, must not keep
** the deadline and the interrupt from being looked at. */
static int look(struct ring *ring, const struct ring_wait *wait, int glanced,
                struct err *err) {
  ring->spun += glanced ? 1 : wait->spin_us;
  if (ring->spun < RING_SLICE_MS * 1000) return 0;
  ring->spun = 0;
  int rc = wait->check ? wait->check(wait->arg, err) : 0;
  if (rc > 0) err_clear(err);
  return rc < 0 ? -1 : 0;
}

/* Waits for the goal; *now is then the other's count, and may be what it was where
** the peer is broken. `asleep` makes the other side ring: set before the last look
** at the count, with a full fence in between that pairs with the one in
** ring_publish() and ring_wake_writer(). */
static int wait_goal(struct ring *ring, const struct goal *goal,
                     struct ring_sleeper *sleeper, const struct ring_wait *wait,
                     uint32_t *now, struct err *err) {
  int64_t began;
  if (spin(&ring->spin, goal, wait->spin_us, &began)) {
    is_reached(goal, now);
    return look(ring, wait, !began, err);
  }
  ring->spun = 0;
  if (wait->sleep_enter) wait->sleep_enter(wait->arg);
  int rc = 0;
  do {
    uint32_t rung = atomic_load_explicit(&sleeper->bell, memory_order_acquire);
    rc = wait->check ? wait->check(wait->arg, err) : 0;
    if (rc > 0 && is_reached(goal, now)) {
      err_clear(err); /* its last words came before */
      rc = 0;
    }
    if (rc) break;
    atomic_store_explicit(&sleeper->asleep, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (!is_reached(goal, now)) {
      futex_wait(&sleeper->bell, rung, wait->check != NULL);
    }
    atomic_store_explicit(&sleeper->asleep, 0, memory_order_relaxed);
  } while (!is_reached(goal, now));
  if (wait->sleep_leave) wait->sleep_leave(wait->arg);
  if (!rc && began && clock_us() - began < wait->spin_us) {
    ring->spin.us = wait->spin_us; /* spinning would have done */
  }
  return rc ? -1 : 0;
}

static void broken(const struct ring_wait *wait, struct err *err) {
  err_set(err, ERR_CRASH, "%s broke the protocol: a count out of range",
          wait->peer ? wait->peer : "the peer");
}

uint8_t *ring_reserve(struct ring *ring, uint32_t len,
                      const struct ring_wait *wait, struct err *err) {
  assert(len <= ring->size / 2);
  _Atomic uint32_t *tail = &ring->shared->tail;
  /* Once it is full, a good piece has to be free: a writer that follows the reader
  ** message by message takes its cache lines away. */
  uint32_t most = len < ring->size / QUARTERS ? ring->size / QUARTERS : len;
  while (ring->size - (ring->pos - ring->seen) < len) {
    uint32_t now = atomic_load_explicit(tail, memory_order_acquire);
    uint32_t used = ring->pos - ring->seen;
    struct goal goal = {tail, ring->seen, used - (ring->size - most)};
    if (!is_reached(&goal, &now)) {
      /* The reader cannot read what it does not see. */
      ring_publish(ring, NULL);
      if (wait_goal(ring, &goal, &ring->shared->writer, wait, &now, err)) {
        return NULL;
      }
    }
    /* What waits to be read only gets less. */
    if (ring->pos - now >= ring->pos - ring->seen) {
      broken(wait, err);
      return NULL;
    }
    ring->seen = now;
  }
  return ring->data + (ring->pos & (ring->size - 1));
}

/* The writer's store of head pairs with the reader's acquiring load in
** ring_peek() and is_reached(). */
void ring_publish(struct ring *ring, struct ring *in) {
  struct ring_shared *shared = ring->shared;
  ring->told = ring->pos;
  atomic_store_explicit(&shared->head, ring->pos, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
  wake(&shared->reader);
  if (in) wake(&in->shared->writer);
}

const uint8_t *ring_peek(struct ring *ring, uint32_t len,
                         const struct ring_wait *wait, struct err *err) {
  assert(len <= ring->size / 2);
  _Atomic uint32_t *head = &ring->shared->head;
  while (ring->seen - ring->pos < len) {
    uint32_t now = atomic_load_explicit(head, memory_order_acquire);
    if (now == ring->seen) {
      ring_wake_writer(ring);
      struct goal goal = {head, ring->seen, 1};
      if (wait_goal(ring, &goal, &ring->shared->reader, wait, &now, err)) {
        return NULL;
      }
    }
    /* What waits only gets more, up to the ring's size. */
    if (now - ring->pos > ring->size ||
        now - ring->pos <= ring->seen - ring->pos) {
      broken(wait, err);
      return NULL;
    }
    ring->seen = now;
  }
  return ring->data + (ring->pos & (ring->size - 1));
}

static int can_read(const struct ring *ring) {
  return atomic_load_explicit(&ring->shared->head, memory_order_acquire) !=
         ring->pos;
}

/* The number of one that has something to read; `count` with none. */
static uint32_t find_any(struct ring *const *rings, uint32_t count) {
  uint32_t i = 0;
  while (i < count && !can_read(rings[i])) i++;
  return i;
}

/* As linux/futex.h has it from 5.16 on. */
struct futex_any {
  uint64_t value;
  uint64_t word;
  uint32_t flags;
  uint32_t zero;
};

/* Until one of the bells rings, or the slice is over. An older kernel waits for the
** first one, and not for long. */
static void futex_wait_any(struct ring *const *rings, const uint32_t *rung,
                           uint32_t count, int64_t most_ms) {
  enum { WAITV = 449, SIZE_U32 = 2, SHORT_US = 500 };
  static atomic_int missing; /* 1: this kernel has no futex_waitv */
  struct futex_any list[RING_ANY_MAX];
  struct timespec until, slice = {.tv_nsec = SHORT_US * 1000L};
  if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += most_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    for (uint32_t i = 0; i < count; i++) {
      list[i] =
          (struct futex_any){.value = rung[i],
                             .word = (uintptr_t)&rings[i]->shared->reader.bell,
                             .flags = SIZE_U32};
    }
    if (syscall(WAITV, list, count, 0, &until, CLOCK_MONOTONIC) >= 0 ||
        (errno != ENOSYS && errno != EPERM)) {
      return;
    }
    atomic_store_explicit(&missing, 1, memory_order_relaxed);
  }
  syscall(SYS_futex, &rings[0]->shared->reader.bell, FUTEX_WAIT, rung[0],
          &slice, NULL, 0);
}

/* One slice of sleep: as in wait_goal(), each side says that it sleeps, and looks
** once more. */
static void sleep_any(struct ring *const *rings, const uint32_t *rung,
                      uint32_t count, int64_t most_ms) {
  for (uint32_t i = 0; i < count; i++) {
    atomic_store_explicit(&rings[i]->shared->reader.asleep, 1,
                          memory_order_relaxed);
  }
  atomic_thread_fence(memory_order_seq_cst);
  if (find_any(rings, count) == count) {
    futex_wait_any(rings, rung, count, most_ms);
  }
  for (uint32_t i = 0; i < count; i++) {
    atomic_store_explicit(&rings[i]->shared->reader.asleep, 0,
                          memory_order_relaxed);
  }
}

/* A look at the world for each. 1 where all is well. */
static int check_any(const struct ring_wait *const *waits, uint32_t count,
                     uint32_t *which, struct err *err) {
  for (uint32_t i = 0; i < count; i++) {
    if (!waits[i]->check || !waits[i]->check(waits[i]->arg, err)) continue;
    *which = i;
    return 0;
  }
  return 1;
}

int ring_wait_any(struct ring *const *rings,
                  const struct ring_wait *const *waits, uint32_t count,
                  uint32_t most_ms, uint32_t *which, struct err *err) {
  uint32_t rung[RING_ANY_MAX];
  int64_t until = 0, began;
  assert(count && count <= RING_ANY_MAX);
  if ((*which = find_any(rings, count)) < count) return 1;
  if (!most_ms) return 0;
  for (uint32_t i = 0; i < count; i++) ring_wake_writer(rings[i]);
  if (count == 1) {
    struct goal goal = {&rings[0]->shared->head, rings[0]->pos, 1};
    if (spin(&rings[0]->spin, &goal, waits[0]->spin_us, &began)) {
      *which = 0;
      return look(rings[0], waits[0], !began, err) ? -1 : 1;
    }
  }
  for (;;) {
    for (uint32_t i = 0; i < count; i++) {
      rung[i] = atomic_load_explicit(&rings[i]->shared->reader.bell,
                                     memory_order_acquire);
    }
    int well = check_any(waits, count, which, err);
    uint32_t found = find_any(rings, count);
    if (found < count) {
      if (!well)
        err_clear(err); /* its last words, or another one's, come first */
      *which = found;
      return 1;
    }
    if (!well) return -1;
    int64_t now = clock_ms();
    if (!until) until = now + most_ms;
    if (now >= until) return 0;
    int64_t left = until - now;
    sleep_any(rings, rung, count, left < RING_SLICE_MS ? left : RING_SLICE_MS);
    if ((*which = find_any(rings, count)) < count) return 1;
  }
}

uint32_t ring_read_count(const struct ring *ring) {
  return atomic_load_explicit(&ring->shared->tail, memory_order_relaxed);
}

/* Notes what it saw, so that ring_reserve() need not look again. */
uint32_t ring_room(struct ring *ring) {
  uint32_t now =
      atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
  if (ring->pos - now <= ring->pos - ring->seen) ring->seen = now;
  return ring->size - (ring->pos - ring->seen);
}

/* The reader's store of tail pairs with the writer's acquiring load in
** is_reached(). */
void ring_consume(struct ring *ring, uint32_t len) {
  uint32_t before = ring->pos;
  ring->pos += len;
  atomic_store_explicit(&ring->shared->tail, ring->pos, memory_order_release);
  /* A writer that waits for room goes on while there is still some to read. */
  if ((before ^ ring->pos) & ~(ring->size / QUARTERS - 1)) {
    ring_wake_writer(ring);
  }
}

void ring_wake_writer(struct ring *ring) {
  atomic_thread_fence(memory_order_seq_cst);
  wake(&ring->shared->writer);
}

void ring_wake_all(struct ring_shared *shared) {
  ring_bell(&shared->reader);
  ring_bell(&shared->writer);
}
