/* actor.c - the threads of the soak test: see soak.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

enum { LEFT_MAX = 8, INTERRUPT_MS = 3 };

struct tally tallies[DEEDS_MAX];

static struct actor actors[ACTORS_MAX];
static struct link links[ACTORS_MAX * LINKS];
static long long until;
static int total_weight;

/* Links that an actor has left for another. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct link *left[LEFT_MAX];

static void swap_link(struct actor *actor, int at) {
  uint64_t place = roll(actor, LEFT_MAX);
  pthread_mutex_lock(&left_lock);
  struct link *mine = actor->links[at];
  if (left[place]) actor->links[at] = left[place];
  if (left[place]) left[place] = mine;
  pthread_mutex_unlock(&left_lock);
}

static const struct deed *deed_at(int i) {
  return i < deeds_count ? &deeds[i] : &faults[i - deeds_count];
}

void actors_init(void) {
  for (int i = 0; i < deeds_count + faults_count; i++) {
    tallies[i].name = deed_at(i)->name;
    total_weight += deed_at(i)->weight;
  }
  for (int i = 0; i < ACTORS_MAX * LINKS; i++) {
    links[i].id = i;
    pthread_mutex_init(&links[i].guard, NULL);
  }
}

static int choose(struct actor *actor) {
  int at = (int)roll(actor, (uint64_t)total_weight), i = 0;
  while (at >= deed_at(i)->weight) at -= deed_at(i++)->weight;
  return i;
}

static void *act(void *arg) {
  struct actor *actor = arg;
  actor->deed = "open";
  board->alive_ms[actor->id] = now_ms();
  for (int i = 0; i < LINKS; i++) link_open(actor, actor->links[i]);
  while (now_ms() < until && !soak_stopped()) {
    actor->step++;
    int at = (int)roll(actor, LINKS);
    if (!roll(actor, 20)) swap_link(actor, at);
    struct link *link = actor->links[at];
    int i = choose(actor);
    actor->deed = deed_at(i)->name;
    if (link->wrong) {
      link_close(link);
      link_open(actor, link);
    }
    tallies[i].runs++;
    if (deed_at(i)->run(actor, link) == WRONG) tallies[i].fails++;
  }
  actor->deed = "close";
  for (int i = 0; i < LINKS; i++) {
    announce(actor, actor->links[i], "close");
    link_close(actor->links[i]);
  }
  board->alive_ms[actor->id] = 0;
  return NULL;
}

static atomic_int interrupting;

static void *interrupts(void *arg) {
  (void)arg;
  const struct timespec pause = {.tv_nsec = INTERRUPT_MS * 1000000};
  while (interrupting) {
    for (int i = 0; i < options.threads * LINKS + LEFT_MAX; i++) {
      pthread_mutex_lock(&links[i].guard);
      if (links[i].db && links[i].interruptible) sqlite3_interrupt(links[i].db);
      pthread_mutex_unlock(&links[i].guard);
    }
    nanosleep(&pause, NULL);
  }
  return NULL;
}

void actors_run(long long until_ms, int round) {
  until = until_ms;
  interrupting = 1;
  pthread_t interrupter;
  pthread_create(&interrupter, NULL, interrupts, NULL);
  struct actor opener = {.id = options.threads, .deed = "open"};
  opener.random = options.seed + (uint64_t)round;
  for (int i = 0; i < LEFT_MAX; i++) {
    left[i] = &links[options.threads * LINKS + i];
    link_open(&opener, left[i]);
  }
  board->alive_ms[opener.id] = 0;
  for (int i = 0; i < options.threads; i++) {
    actors[i] = (struct actor){.id = i};
    actors[i].random =
        (options.seed * ACTORS_MAX + (uint64_t)i) * 1000 + (uint64_t)round;
    for (int k = 0; k < LINKS; k++) actors[i].links[k] = &links[i * LINKS + k];
    pthread_create(&actors[i].thread, NULL, act, &actors[i]);
  }
  for (int i = 0; i < options.threads; i++) {
    pthread_join(actors[i].thread, NULL);
  }
  for (int i = 0; i < LEFT_MAX; i++) link_close(left[i]);
  interrupting = 0;
  pthread_join(interrupter, NULL);
}
