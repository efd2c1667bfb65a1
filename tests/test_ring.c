/* test_ring.c - how one side of a ring waits: what it learns from its waits
**
** Two ends in one process, one thread but for the last test: what the other side does happens in the
** look (`check`) that comes before every slice of sleep.
*/
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../ext/base/clock.h"
#include "../ext/base/ring.h"
#include "tap.h"

enum { SIZE = 4096, SPIN_US = 200, LONG_US = 10 * 1000 * 1000 };

struct pair {
  struct ring_shared shared;
  uint8_t data[2 * SIZE];
  struct ring in, out;
  struct ring_wait wait;
  int looks;
};

static int give_up(void *arg, struct err *err) {
  ((struct pair *)arg)->looks++;
  return err_set(err, ERR_INTERRUPT, "enough");
}

static int write_one(void *arg, struct err *err) {
  struct pair *pair = arg;
  (void)err;
  pair->looks++;
  ring_reserve(&pair->out, 8, &pair->wait, NULL);
  ring_commit(&pair->out, 8);
  ring_publish(&pair->out, NULL);
  return 0;
}

static int look_thrice(void *arg, struct err *err) {
  return ((struct pair *)arg)->looks >= 2 ? give_up(arg, err)
                                          : (((struct pair *)arg)->looks++, 0);
}

static int read_sixteenth(void *arg, struct err *err) {
  struct pair *pair = arg;
  (void)err;
  pair->looks++;
  ring_consume(&pair->in, SIZE / 16);
  return 0;
}

static struct pair *pair_new(uint32_t spin_us,
                             int (*check)(void *, struct err *)) {
  struct pair *pair = aligned_alloc(64, sizeof *pair);
  memset(pair, 0, sizeof *pair);
  ring_init(&pair->in, &pair->shared, pair->data, SIZE);
  ring_init(&pair->out, &pair->shared, pair->data, SIZE);
  pair->wait =
      (struct ring_wait){.spin_us = spin_us, .arg = pair, .check = check};
  return pair;
}

/* 1 where 8 bytes came. */
static int peek(struct pair *pair) {
  if (!ring_peek(&pair->in, 8, &pair->wait, NULL)) return 0;
  ring_consume(&pair->in, 8);
  return 1;
}

/* Every wait for a slow peer burns a processor for the whole of python_spin. */
static void test_vain(void) {
  struct pair *pair = pair_new(SPIN_US, give_up);
  struct ring_spin *spin = &pair->in.spin;
  /* Where other processes want the processor, a side rests instead. */
  int halved = 1, rests = 0;
  uint32_t before = SPIN_US;
  for (int i = 0; i < 100 && before; i++) {
    spin->rest_until_us = 0;
    peek(pair);
    if (spin->rest_until_us) {
      rests++;
    } else {
      halved = halved && spin->us == before / 2;
    }
    before = spin->us < SPIN_US ? spin->us : SPIN_US;
  }
  ok(halved, "a spin in vain halves the next");
  ok(spin->us == 0 || rests > 90, "until there is none");
  free(pair);
}

/* A peer that was slow for a while is waited for by sleeping for ever. */
static void test_soon(void) {
  struct pair *pair = pair_new(LONG_US, write_one);
  pair->in.spin.us = 0;
  ok(peek(pair) && pair->looks == 1, "a wait that sleeps");
  ok(pair->in.spin.us == LONG_US,
     "what came within python_spin will be spun for");
  free(pair);
}

/* With other processes on every processor, spinning keeps the peer from
** running. */
static void test_rest(void) {
  struct pair *pair = pair_new(LONG_US, give_up);
  pair->in.spin.rest_until_us = clock_us() + (int64_t)100 * LONG_US;
  struct rusage usage[2];
  getrusage(RUSAGE_SELF, &usage[0]);
  for (int i = 0; i < 100; i++) peek(pair);
  getrusage(RUSAGE_SELF, &usage[1]);
  ok(pair->looks == 100, "a side that rests looks at the world at once");
  ok(usage[1].ru_utime.tv_sec - usage[0].ru_utime.tv_sec < 5,
     "and does not spin");
  free(pair);
}

/* Without spinning a side never rests, nor learns. */
static void test_none(void) {
  struct pair *pair = pair_new(0, write_one);
  ok(peek(pair) && pair->looks == 1 && pair->in.spin.us == UINT32_MAX,
     "python_spin = 0 sleeps at once");
  free(pair);
}

/* A sleeper that nobody wakes still looks at the world. */
static void test_slices(void) {
  struct pair *pair = pair_new(0, look_thrice);
  ok(!peek(pair) && pair->looks == 3, "a sleeper looks up after every slice");
  free(pair);
}

static struct pair *pair_full(void) {
  struct pair *pair = pair_new(0, read_sixteenth);
  for (int i = 0; i < SIZE / 8; i++) {
    ring_reserve(&pair->out, 8, &pair->wait, NULL);
    ring_commit(&pair->out, 8);
  }
  return pair;
}

/* A host that is far ahead would wake for every single message. */
static void test_full(void) {
  struct pair *pair = pair_full();
  ok(!pair->looks, "a ring takes what it has room for");
  ok(ring_reserve(&pair->out, 8, &pair->wait, NULL) && pair->looks == 4,
     "a writer whose ring is full waits for a quarter of it");
  free(pair);
  pair = pair_full();
  ok(ring_reserve(&pair->out, SIZE / 2, &pair->wait, NULL) && pair->looks == 8,
     "and for more where it needs more");
  free(pair);
}

/* One that is woken when all was read would leave the reader without work. */
static void test_wakes_writer(void) {
  struct pair *pair = pair_full();
  atomic_store(&pair->shared.writer.asleep, 1);
  ring_consume(&pair->in, SIZE / 8);
  uint32_t before = atomic_load(&pair->shared.writer.bell);
  ring_consume(&pair->in, SIZE / 8);
  uint32_t at = atomic_load(&pair->shared.writer.bell);
  ring_consume(&pair->in, SIZE / 8);
  ok(before == 0 && at == 1 && atomic_load(&pair->shared.writer.bell) == 1,
     "a reader wakes a writer at each quarter that it has read");
  free(pair);
}

static int look_only(void *arg, struct err *err) {
  (void)err;
  ((struct pair *)arg)->looks++;
  return 0;
}

/* After a while, with the other thread asleep, most likely. */
static void *write_later(void *arg) {
  struct pair *pair = arg;
  const struct timespec while_ms = {.tv_nsec = 60 * 1000000L};
  nanosleep(&while_ms, NULL);
  ring_reserve(&pair->out, 8, &pair->wait, NULL);
  ring_commit(&pair->out, 8);
  ring_publish(&pair->out, NULL);
  return NULL;
}

/* Who waits for several workers must hear each, and look after all meanwhile. */
static void test_any(void) {
  enum { COUNT = 5 };
  struct pair *pairs[COUNT];
  struct ring *rings[COUNT];
  const struct ring_wait *waits[COUNT];
  struct err err = {0};
  uint32_t which = 0;
  for (int i = 0; i < COUNT; i++) {
    pairs[i] = pair_new(0, look_only);
    rings[i] = &pairs[i]->in;
    waits[i] = &pairs[i]->wait;
  }
  int rc = ring_wait_any(rings, waits, COUNT, 50, &which, &err);
  int looked = 1;
  for (int i = 0; i < COUNT; i++) looked &= pairs[i]->looks > 1;
  ok(rc == 0 && looked, "a wait for nobody ends, and all were looked at");
  for (int i = COUNT - 1; i >= 0; i--) {
    pthread_t thread;
    pthread_create(&thread, NULL, write_later, pairs[i]);
    rc = ring_wait_any(rings, waits, COUNT, 100 * 1000, &which, &err);
    pthread_join(thread, NULL);
    ok(rc == 1 && which == (uint32_t)i, "one of several is heard");
    ok(ring_wait_any(rings, waits, COUNT, 0, &which, &err) == 1 &&
           which == (uint32_t)i,
       "and again, until it is read");
    ring_peek(rings[i], 8, waits[i], &err);
    ring_consume(rings[i], 8);
  }
  pairs[3]->wait.check = give_up;
  rc = ring_wait_any(rings, waits, COUNT, 100 * 1000, &which, &err);
  ok(rc == -1 && which == 3 && err.code == ERR_INTERRUPT,
     "a look that ends the wait says whose it was");
  err_clear(&err);
  write_one(pairs[1], NULL);
  rc = ring_wait_any(rings, waits, COUNT, 100 * 1000, &which, &err);
  ok(rc == 1 && which == 1 && !err.code,
     "what another one wrote comes before it");
  for (int i = 0; i < COUNT; i++) free(pairs[i]);
}

int main(void) {
  test_vain();
  test_soon();
  test_rest();
  test_none();
  test_slices();
  test_full();
  test_wakes_writer();
  test_any();
  return tap_done();
}
