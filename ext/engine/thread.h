/* thread.h - the thread engine's parts, for each other: thread.c, thread_rows.c,
** thread_maps.c
**
** Each use of Python lies between thread_begin() and thread_finish().
*/
#ifndef PYUDF_ENGINE_THREAD_H
#define PYUDF_ENGINE_THREAD_H

#include "engine.h"
#include "kept.h"
#include "replay.h"
#include "watch.h"

struct thread {
  struct engine engine;          /* first: the interface */
  const struct runtime *runtime; /* NULL until Python is up */
  int owned;                     /* 1: Python is ours */
  struct runtime_space *space;
  uint64_t settings_epoch; /* of the settings the space was made with */
  struct replay replay;
  uint32_t calls; /* under way in this session */
  uint32_t open;  /* groups and calls of table functions that there are */
  struct watch watch;
};

static inline struct thread *thread_of(struct engine *engine) {
  return (struct thread *)engine;
}

/* Takes the GIL, unless this thread has it. */
static inline int thread_enter(struct thread *thread, struct err *err) {
  return kept_enter(thread->runtime, err);
}

static inline void thread_leave(struct thread *thread) {
  kept_leave(thread->runtime, thread->owned);
}

/* For replay_run() and replay_check(). */
int thread_make_again(void *engine, const struct definition *definition,
                      struct err *err);

/* Python, at the first call and where the settings have changed. */
int thread_bring_up(struct thread *thread, struct err *err);

/* The slow part of thread_begin(). */
int thread_make_ready(struct thread *thread, struct err *err);

/* What was raised in the call by us is told as what it is, with the place. */
int thread_ended(struct thread *thread, int rc, struct err *err);

/* Python, the GIL, and a space with all definitions. Returns 0, -1 with the GIL
** where the space could not be made, -2 without it. thread_finish() after 0 and -1. */
static inline __attribute__((always_inline)) int thread_begin(
    struct thread *thread, uint32_t timeout_ms, struct err *err) {
  const struct engine_host *host = thread->engine.host;
  if (thread->settings_epoch != host->settings->epoch &&
      thread_bring_up(thread, err)) {
    return -2;
  }
  if (thread_enter(thread, err)) return -2;
  if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
  if (thread->space && thread->settings_epoch == host->settings->epoch &&
      thread->replay.made == host->program->last_serial) {
    return 0;
  }
  return thread_make_ready(thread, err);
}

/* Ends what thread_begin() began. A result that is held keeps the GIL until
** thread_release(), which lets go of both; any other needs no GIL any more. */
static inline __attribute__((always_inline)) int thread_finish(
    struct thread *thread, int rc, struct value *result, struct err *err) {
  if (!--thread->calls && watch_end(&thread->watch))
    rc = thread_ended(thread, rc, err);
  if (!rc && value_is_bytes(result) &&
      result->len > thread->engine.host->max_len) {
    thread->runtime->release(thread->space);
    rc = err_set(err, ERR_TOOBIG,
                 "a result of %llu bytes is over SQLite's limit",
                 (unsigned long long)result->len);
  }
  if (rc || !(result->flags & VALUE_HELD)) thread_leave(thread);
  return rc ? -1 : 0;
}

/* thread_rows.c */
struct engine_rows *thread_rows_open(struct engine *engine,
                                     const struct engine_function *function,
                                     const struct tablecall *call,
                                     uint32_t columns, struct err *err);
int thread_rows_next(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_rows *rows, const struct value **values,
                     struct err *err);
int thread_rows_close(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_rows *rows, struct err *err);

/* thread_maps.c */
void thread_map_send(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_map *map);
int thread_map_has_room(struct engine *engine, uint64_t len);
void thread_map_stop(struct engine *engine, const struct engine_map *map);

#endif
