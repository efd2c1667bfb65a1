/* workers.c - all workers of this process: see workers.h */
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "forks.h"

enum { WAIT_MS = 5000, POLL_MS = 5 };

static struct forks_lock lock = FORKS_LOCK_INIT;
static struct workers_place *list;
static uint32_t count;

static pthread_once_t max_once = PTHREAD_ONCE_INIT;
static uint32_t max;      /* 0: the variable's value is none */
static char max_text[32]; /* as it was given */

static void read_max(void) {
  const char *text = secure_getenv("PYUDF_MAX_WORKERS");
  max = WORKERS_MAX_DEFAULT;
  if (!text || !*text) return;
  unsigned long number = strtoul(text, NULL, 10);
  int good = strspn(text, "0123456789") == strlen(text) && number <= INT32_MAX;
  max = good ? (uint32_t)number : 0;
  snprintf(max_text, sizeof max_text, "%s", text);
}

/* In a forked child the parent's workers are not ours. */
static void enter(void) {
  if (!forks_lock_enter(&lock)) return;
  list = NULL;
  count = 0;
}

static int64_t unix_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 1 where there was a place. */
static int try_enter(struct workers_place *place) {
  enter();
  int free_place = count < max;
  if (free_place) {
    count++;
    place->taken = 1;
    place->next = list;
    if (list) list->prev = place;
    list = place;
  }
  forks_lock_leave(&lock);
  return free_place;
}

int workers_enter(struct workers_place *place, const struct engine_host *host,
                  uint32_t restarts, struct err *err) {
  const struct timespec poll = {.tv_nsec = POLL_MS * 1000000L};
  int64_t until = clock_ms() + WAIT_MS;
  pthread_once(&max_once, read_max);
  if (!max) {
    return err_set(err, ERR_USAGE,
                   "PYUDF_MAX_WORKERS accepts a number from 1, not '%s'",
                   max_text);
  }
  *place = (struct workers_place){.epoch = forks_epoch(),
                                  .session = host->arg,
                                  .restarts = restarts,
                                  .started_ms = unix_ms()};
  while (!try_enter(place)) {
    if (host->interrupted(host->arg)) {
      err_set(err, ERR_INTERRUPT, "interrupted");
    } else if (clock_ms() >= until) {
      err_set(err, ERR_SYSTEM,
              "this process has %u worker%s, as many as PYUDF_MAX_WORKERS "
              "allows, and none ended in %d s: close a connection, or allow "
              "more",
              max, max == 1 ? "" : "s", WAIT_MS / 1000);
    } else {
      nanosleep(&poll, NULL);
      continue;
    }
    return -1;
  }
  return 0;
}

int workers_have_place(void) {
  pthread_once(&max_once, read_max);
  enter();
  int have = count < max;
  forks_lock_leave(&lock);
  return have;
}

void workers_started(struct workers_place *place, struct shm_control *control,
                     pid_t pid) {
  enter();
  place->control = control;
  place->pid = pid;
  forks_lock_leave(&lock);
}

void workers_leave(struct workers_place *place) {
  /* A parent's place is not in this process's list. */
  if (!place->taken || place->epoch != forks_epoch()) return;
  enter();
  if (place->prev) {
    place->prev->next = place->next;
  } else {
    list = place->next;
  }
  if (place->next) place->next->prev = place->prev;
  place->taken = 0;
  count--;
  forks_lock_leave(&lock);
}

void workers_name(struct workers_place *place, const char *name) {
  enter();
  snprintf(place->name, sizeof place->name, "%s", name);
  place->since_ms = unix_ms();
  forks_lock_leave(&lock);
}

void workers_unname(struct workers_place *place) {
  enter();
  place->since_ms = 0;
  forks_lock_leave(&lock);
}

/* Its state by the kernel's word, and its memory: 0 where there is no such
** process. */
static char kernel_state(pid_t pid, uint64_t *memory) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "re");
  size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file) fclose(file);
  text[len] = 0;
  /* The name before it may hold anything. */
  char *at = strrchr(text, ')');
  if (!at || !at[1]) return 0;
  char state = at[2];
  long pages = 0;
  /* proc(5): rss is field 24, the state is field 3. */
  for (int field = 2; field < 24 && at; field++) at = strchr(at + 1, ' ');
  if (at) pages = strtol(at, NULL, 10);
  *memory = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
  return state;
}

int workers_alive(pid_t pid) {
  uint64_t memory = 0;
  char state = kernel_state(pid, &memory);
  return state && state != 'Z' && state != 'X';
}

/* With the lock, as far as that is needed. */
static void look(const struct workers_place *place, struct workers_info *info) {
  int status, oom;
  *info = (struct workers_info){
      .session = place->session,
      .pid = place->pid,
      .restarts = place->restarts,
      .calls = atomic_load_explicit(&place->calls, memory_order_relaxed),
      .started_ms = place->started_ms,
      .since_ms = place->since_ms,
      .state = !place->pid                                   ? "starting"
               : shm_exit_get(place->control, &status, &oom) ? "dead"
               : atomic_load(&place->busy)                   ? "running"
                                                             : "idle"};
  if (info->since_ms) memcpy(info->name, place->name, sizeof info->name);
}

struct workers_info *workers_list(uint32_t *out) {
  enter();
  struct workers_info *infos = calloc(count + 1, sizeof *infos);
  *out = infos ? count : 0;
  struct workers_place *place = list;
  for (uint32_t i = 0; i < *out; i++, place = place->next) {
    look(place, &infos[i]);
  }
  forks_lock_leave(&lock);
  for (uint32_t i = 0; i < *out; i++) {
    if (!infos[i].pid || !strcmp(infos[i].state, "dead")) continue;
    char state = kernel_state(infos[i].pid, &infos[i].memory);
    if (state == 'T' || state == 't') infos[i].state = "stopped";
  }
  return infos;
}
