/* ring.h - bytes from one process to another through shared memory
**
** One writer, one reader, no locks, no system call while both are awake. The
** data is mapped twice in a row, so that any run of bytes up to the ring's
** size is contiguous for reader and writer.
**
** HOW IT WORKS. `head` counts the bytes ever written and `tail` the bytes ever
** read, both modulo 2^32; head - tail bytes wait. Each side keeps its own count
** privately (`pos`) and only looks at the other's, which it does not trust: one
** that goes back, or is further away than the ring's size, is a broken peer.
**
** Waiting is spinning (pause, sched_yield) for at most spin_us, then a futex on
** a bell; where there is a look at the world (`check`), in slices with a look
** before each. A sleeper
** says so first; who publishes a count looks for a sleeper after, and rings.
** Between the two steps both sides have a full fence, so that at least one of
** them sees the other; and who changes the world rings after (ring_wake_all),
** while a sleeper has read the bell before its look: no wake-up is lost.
**
** Spinning pays where the other side answers soon and both have a processor.
** So a side that spun in vain spins half as long the next time, and the whole
** spin_us again once a wait was shorter than that, however it waited. And where
** another process had the processor meanwhile, spinning is what keeps the other
** side from running and uses up a time slice: then nobody spins for a while,
** for longer each time that the next try finds it so again.
*/
#ifndef PYUDF_RING_H
#define PYUDF_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

/* How a side sleeps until the other's count changes. */
struct ring_sleeper {
  _Atomic uint32_t asleep; /* by the sleeper: 1 while it may be */
  _Atomic uint32_t bell;   /* by whoever wakes it: one more each time */
};

/* In shared memory. Each half is written by one side and lies in its own cache
** line; the sleeper in it is the other side, and rarely written. */
struct ring_shared {
  _Alignas(64) _Atomic uint32_t head; /* writer: bytes written */
  struct ring_sleeper reader;
  _Alignas(64) _Atomic uint32_t tail; /* reader: bytes read */
  struct ring_sleeper writer;
};

/* How a side waits. All callbacks may be NULL. */
struct ring_wait {
  uint32_t spin_us;
  const char *peer; /* who it is, for errors; NULL: "the peer" */
  void *arg;
  /* Called before every slice of sleep, and now and then where no wait gets as
  ** far as sleeping. -1 ends the wait; so does 1, for the other side has ended,
  ** but what it wrote before still counts. */
  int (*check)(void *arg, struct err *err);
  /* Around the sleep, not around the spinning. */
  void (*sleep_enter)(void *arg);
  void (*sleep_leave)(void *arg);
};

enum { RING_SLICE_MS = 20 };

/* What one side has learned of its waits. */
struct ring_spin {
  uint32_t us;           /* the next wait spins so long at most */
  uint32_t rest_us;      /* how long it last gave up spinning, 0: never yet */
  int64_t rest_until_us; /* clock_us(): no spinning before that */
};

/* One end, private to its process. */
struct ring {
  struct ring_shared *shared;
  uint8_t *data; /* mapped twice: 2 * size bytes */
  uint32_t size; /* power of two */
  uint32_t pos;  /* own count: written, published or not; or read */
  uint32_t told; /* writer: what of it was published */
  uint32_t seen; /* the other's count when last looked at */
  struct ring_spin spin;
  uint32_t spun; /* microseconds that waits may have spun since the last look */
};

void ring_init(struct ring *ring, struct ring_shared *shared, uint8_t *data,
               uint32_t size);

/* Writer: a place for len bytes (at most half the ring), waiting for room; where
** there is none, until a quarter of the ring is free. NULL
** and err set where the wait was ended or the peer is broken. */
uint8_t *ring_reserve(struct ring *ring, uint32_t len,
                      const struct ring_wait *wait, struct err *err);

/* Writer: len more bytes are written; nobody sees them yet. */
static inline void ring_commit(struct ring *ring, uint32_t len) {
  ring->pos += len;
}

/* Writer: lets the reader see all that is committed, and wakes it. `in` is the
** ring of the other direction, whose writer is woken too if ring_consume() made
** room it waits for: one fence for both. */
void ring_publish(struct ring *ring, struct ring *in);

/* Writer: bytes that are committed and not published. */
static inline uint32_t ring_pending(const struct ring *ring) {
  return ring->pos - ring->told;
}

/* Writer: 1 where the reader sleeps until more comes, as far as is known. */
static inline int ring_is_awaited(const struct ring *ring) {
  return atomic_load_explicit(&ring->shared->reader.asleep,
                              memory_order_relaxed) != 0;
}

/* Writer: the bytes that the reader has read, ever (modulo 2^32). */
uint32_t ring_read_count(const struct ring *ring);

/* Reader: the next len bytes (at most half the ring), waiting for them; they
** stay until ring_consume(). NULL and err set as above. */
const uint8_t *ring_peek(struct ring *ring, uint32_t len,
                         const struct ring_wait *wait, struct err *err);

/* Reader of several rings, at most RING_ANY_MAX: waits until one of them, which is then *which, has
** something to read. Returns 1; 0 after most_ms; -1 and err set where the `check`
** of one, *which, ended the wait. One that is alone is spun for. */
enum { RING_ANY_MAX = 128 };
int ring_wait_any(struct ring *const *rings,
                  const struct ring_wait *const *waits, uint32_t count,
                  uint32_t most_ms, uint32_t *which, struct err *err);

/* Writer: bytes that can be reserved without waiting. */
uint32_t ring_room(struct ring *ring);

/* Copies bytes that the other side may be changing meanwhile. The fence keeps
** the compiler from reading them again instead of the copy: what was checked is
** then what is used. */
static inline void ring_copy(void *to, const void *from, size_t len) {
  memcpy(to, from, len);
  atomic_signal_fence(memory_order_seq_cst);
}

/* Reader: len bytes are read. A writer asleep for room is woken each time that
** another quarter of the ring was read, and by the next ring_publish(),
** ring_peek() that waits, or ring_wake_writer(). */
void ring_consume(struct ring *ring, uint32_t len);
void ring_wake_writer(struct ring *ring);

/* From outside, when a peer has died: whoever sleeps on this ring looks up. */
void ring_wake_all(struct ring_shared *shared);

#endif
