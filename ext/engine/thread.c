/* thread.c - the thread engine: functions run in the host process
**
** Owns the session's space in the runtime. The GIL is taken for each call, and
** kept between calls where it can be (kept.h).
*/
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "embed.h"
#include "kept.h"
#include "modes.h"
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

static struct thread *thread_of(struct engine *engine) {
  return (struct thread *)engine;
}

/* Takes the GIL, unless this thread has it. */
static inline int enter(struct thread *thread, struct err *err) {
  return kept_enter(thread->runtime, err);
}

static inline void leave(struct thread *thread) {
  kept_leave(thread->runtime, thread->owned);
}

static void thread_statement_end(struct engine *engine) {
  if (thread_of(engine)->runtime) kept_end(thread_of(engine)->runtime);
}

/* What the template does before it forks, so that both modes see the same. */
static int preload(struct thread *thread, struct err *err) {
  static const char import[] =
      "[__import__('importlib').import_module(name.strip())"
      " for name in a0.split(',') if name.strip()] and None";
  const char *names = thread->engine.host->settings->preload;
  if (!*names) return 0;
  struct value argv = value_text(names);
  struct value result;
  return thread->runtime->eval(thread->space, import, &argv, 1, &result, err);
}

static int make(struct thread *thread, const struct definition *definition,
                struct buf *manifest, struct err *err) {
  return thread->runtime->define(thread->space, definition, manifest, err);
}

static int make_again(void *engine, const struct definition *definition,
                      struct err *err) {
  struct buf manifest = {0};
  int rc = make(engine, definition, &manifest, err);
  buf_fini(&manifest);
  return rc;
}

/* The slow part of begin(). */
static __attribute__((noinline)) int make_ready(struct thread *thread,
                                                struct err *err) {
  const struct engine_host *host = thread->engine.host;
  /* Not under the feet of a call that changed a setting, or of open groups. */
  if (thread->space && thread->settings_epoch != host->settings->epoch &&
      thread->calls == 1 && !thread->open) {
    thread->runtime->space_free(thread->space);
    thread->space = NULL;
  }
  if (!thread->space) {
    thread->replay = (struct replay){0};
    thread->space = thread->runtime->space_new(host->settings->path, err);
    if (!thread->space) return -1;
    thread->settings_epoch = host->settings->epoch;
    if (preload(thread, err)) {
      thread->runtime->space_free(thread->space);
      thread->space = NULL;
      return -1;
    }
  }
  return replay_run(&thread->replay, host->program, make_again, thread, err);
}

/* Python, at the first call and where the settings have changed. */
static __attribute__((noinline)) int bring_up(struct thread *thread,
                                              struct err *err) {
  const struct engine_host *host = thread->engine.host;
  if (host->settings->memory_limit_mib || host->settings->max_calls) {
    return err_set(
        err, ERR_USAGE, "%s needs process mode: it is about workers; 0 is none",
        host->settings->max_calls ? "python_max_calls" : "python_memory_limit");
  }
  if (embed_runtime(host, &thread->runtime, &thread->owned, err)) return -1;
  if (!thread->watch.runtime) watch_init(&thread->watch, host, thread->runtime);
  return 0;
}

/* Python, the GIL, and a space with all definitions. Returns 0, -1 with the GIL
** where the space could not be made, -2 without it. finish() after 0 and -1. */
static inline __attribute__((always_inline)) int begin(struct thread *thread,
                                                       uint32_t timeout_ms,
                                                       struct err *err) {
  const struct engine_host *host = thread->engine.host;
  if (thread->settings_epoch != host->settings->epoch &&
      bring_up(thread, err)) {
    return -2;
  }
  if (enter(thread, err)) return -2;
  if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
  if (thread->space && thread->settings_epoch == host->settings->epoch &&
      thread->replay.made == host->program->last_serial) {
    return 0;
  }
  return make_ready(thread, err);
}

/* What was raised in the call by us is told as what it is, with the place. */
static __attribute__((noinline, cold)) int ended(struct thread *thread, int rc,
                                                 struct err *err) {
  int timeout = atomic_load(&thread->watch.raised) == WATCH_TIMEOUT;
  watch_clear(&thread->watch);
  if (!rc)
    return 0; /* it ended by itself; an interrupt is SQLite's to notice */
  struct err why = {0};
  if (err) err_take(&why, err);
  if (timeout) {
    err_set(err, ERR_TIMEOUT, "timed out after %u ms",
            atomic_load(&thread->watch.timeout_ms));
  } else {
    err_set(err, ERR_INTERRUPT, "interrupted");
  }
  if (err && why.traceback) {
    err_set_traceback(err, why.traceback, strlen(why.traceback));
  }
  err_clear(&why);
  return rc;
}

/* Ends what begin() began. A result that is held keeps the GIL until
** thread_release(), which lets go of both; any other needs no GIL any more. */
static inline __attribute__((always_inline)) int finish(struct thread *thread,
                                                        int rc,
                                                        struct value *result,
                                                        struct err *err) {
  if (!--thread->calls && watch_end(&thread->watch))
    rc = ended(thread, rc, err);
  if (!rc && value_is_bytes(result) &&
      result->len > thread->engine.host->max_len) {
    thread->runtime->release(thread->space);
    rc = err_set(err, ERR_TOOBIG,
                 "a result of %llu bytes is over SQLite's limit",
                 (unsigned long long)result->len);
  }
  if (rc || !(result->flags & VALUE_HELD)) leave(thread);
  return rc ? -1 : 0;
}

static void thread_close(struct engine *engine) {
  struct thread *thread = thread_of(engine);
  thread_statement_end(engine);
  if (thread->space && !enter(thread, NULL)) {
    thread->runtime->space_free(thread->space);
    leave(thread);
    thread_statement_end(engine);
  }
  watch_fini(&thread->watch);
  free(thread);
}

static int thread_define(struct engine *engine,
                         const struct definition *definition,
                         struct manifest **manifest, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct buf encoded = {0};
  struct value none = value_null();
  int rc = begin(thread, 0, err);
  if (rc == -2) return -1;
  if (!rc) rc = make(thread, definition, &encoded, err);
  rc = finish(thread, rc, &none, err);
  if (!rc && encoded.failed) rc = err_nomem(err);
  if (!rc) rc = manifest_decode(encoded.data, encoded.len, manifest, err);
  if (!rc) thread->replay.made = definition->serial;
  buf_fini(&encoded);
  return rc;
}

static void thread_forget(struct engine *engine, uint32_t definition_id) {
  struct thread *thread = thread_of(engine);
  replay_forget(&thread->replay, definition_id);
  if (!thread->space || enter(thread, NULL)) return;
  thread->runtime->forget(thread->space, definition_id);
  leave(thread);
}

static int thread_call(struct engine *engine,
                       const struct engine_function *function,
                       const struct value *argv, uint32_t argc,
                       struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, make_again, thread, err);
  }
  if (!rc) {
    rc = thread->runtime->call(thread->space, function->definition_id,
                               function->index, argv, argc, result, err);
  }
  return finish(thread, rc, result, err);
}

static int thread_eval(struct engine *engine, const char *expression,
                       const struct value *argv, uint32_t argc,
                       struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, engine_timeout(engine, 0), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->eval(thread->space, expression, argv, argc, result,
                               err);
  }
  return finish(thread, rc, result, err);
}

static int thread_version(struct engine *engine, struct value *result,
                          struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, 0, err);
  if (rc == -2) return -1;
  if (!rc) rc = thread->runtime->version(thread->space, result, err);
  return finish(thread, rc, result, err);
}

/* What the interface calls a group is the runtime's own. */
static struct runtime_group *runtime_group(struct engine_group *group) {
  return (struct runtime_group *)group;
}

static struct engine_group *thread_group_new(
    struct engine *engine, const struct engine_function *function, int windowed,
    uint32_t argc, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct runtime_group *group = NULL;
  struct value none = value_null();
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return NULL;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, make_again, thread, err);
  }
  if (!rc) {
    group = thread->runtime->group_new(thread->space, function->definition_id,
                                       function->index, windowed, argc, err);
    if (!group) rc = -1;
  }
  if (group) thread->open++;
  finish(thread, rc, &none, err);
  return (struct engine_group *)group;
}

static int thread_group_step(struct engine *engine,
                             const struct engine_function *function,
                             struct engine_group *group,
                             const struct value *argv, uint32_t argc,
                             int inverse, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_step(thread->space, runtime_group(group), argv,
                                     argc, inverse, err);
  }
  return finish(thread, rc, &none, err);
}

static int thread_group_value(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group, int last,
                              struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_value(thread->space, runtime_group(group), last,
                                      result, err);
  }
  return finish(thread, rc, result, err);
}

static int thread_group_part(struct engine *engine,
                             const struct engine_function *function,
                             struct engine_group *group, struct value *result,
                             struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_part(thread->space, runtime_group(group),
                                     result, err);
  }
  return finish(thread, rc, result, err);
}

static int thread_group_merge(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group,
                              const struct value *part, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_merge(thread->space, runtime_group(group), part,
                                      err);
  }
  return finish(thread, rc, &none, err);
}

static void thread_group_free(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  /* What frees a state may be Python code too. */
  uint32_t timeout_ms = engine_timeout(engine, function->timeout_ms);
  thread->open--;
  if (enter(thread, NULL)) return;
  if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
  thread->runtime->group_free(runtime_group(group));
  finish(thread, 0, &none, NULL);
}

/* A call of a table function: the runtime's, and its row. */
struct thread_rows {
  struct runtime_rows *rows;
  struct value values[];
};

static struct thread_rows *rows_of(struct engine_rows *rows) {
  return (struct thread_rows *)rows;
}

static struct engine_rows *thread_rows_open(
    struct engine *engine, const struct engine_function *function,
    const struct tablecall *call, uint32_t columns, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  struct thread_rows *rows =
      malloc(sizeof *rows + columns * sizeof(struct value));
  if (!rows) {
    err_nomem(err);
    return NULL;
  }
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc != -2) {
    if (!rc) {
      rc = replay_check(&thread->replay, engine->host->program,
                        function->definition_id, make_again, thread, err);
    }
    if (!rc) {
      rows->rows = thread->runtime->rows_new(
          thread->space, function->definition_id, function->index, call, err);
      if (rows->rows) {
        thread->open++;
      } else {
        rc = -1;
      }
    }
    rc = finish(thread, rc, &none, err);
  }
  if (!rc) return (struct engine_rows *)rows;
  free(rows);
  return NULL;
}

/* The row's bytes are held by the runtime, whoever has the GIL. */
static int thread_rows_next(struct engine *engine,
                            const struct engine_function *function,
                            struct engine_rows *base,
                            const struct value **values, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct thread_rows *rows = rows_of(base);
  struct value none = value_null();
  int got = 0;
  int rc = begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    got = thread->runtime->rows_next(thread->space, rows->rows, rows->values,
                                     err);
    rc = got < 0 ? -1 : 0;
  }
  *values = rows->values;
  return finish(thread, rc, &none, err) ? -1 : got;
}

static int thread_rows_close(struct engine *engine,
                             const struct engine_function *function,
                             struct engine_rows *base, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct thread_rows *rows = rows_of(base);
  struct value none = value_null();
  uint32_t timeout_ms = engine_timeout(engine, function->timeout_ms);
  int rc = -1;
  thread->open--;
  if (!enter(thread, err)) {
    if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
    rc = thread->runtime->rows_free(thread->space, rows->rows, err);
    rc = finish(thread, rc, &none, err);
  }
  free(rows);
  return rc;
}

static void thread_map_send(struct engine *engine,
                            const struct engine_function *function,
                            struct engine_map *map) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  uint32_t inside = 0;
  map->done = 0;
  map->time_ns = 0;
  map->state = ENGINE_MAP_FAILED;
  int rc =
      begin(thread, engine_timeout(engine, function->timeout_ms), &map->err);
  if (rc == -2) return;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, make_again, thread, &map->err);
  }
  if (!rc) {
    /* The watching thread counts a deadline from the last row. */
    uint32_t *done = thread->calls == 1 ? &thread->watch.rows : &inside;
    uint64_t began = clock_ns();
    rc = thread->runtime->map(thread->space, function->definition_id,
                              function->index, &map->in, &map->options,
                              &map->out, done, &map->err);
    map->time_ns = clock_ns() - began;
    map->done = *done;
  }
  if (!finish(thread, rc, &none, &map->err)) map->state = ENGINE_MAP_DONE;
}

static int thread_map_has_room(struct engine *engine, uint64_t len) {
  (void)engine, (void)len;
  return 1;
}

static void thread_map_stop(struct engine *engine,
                            const struct engine_map *map) {
  (void)engine, (void)map; /* none is on its way */
}

static void thread_release(struct engine *engine) {
  struct thread *thread = thread_of(engine);
  thread->runtime->release(thread->space);
  leave(thread);
}

static const struct engine_ops thread_ops = {
    .close = thread_close,
    .define = thread_define,
    .forget = thread_forget,
    .call = thread_call,
    .eval = thread_eval,
    .version = thread_version,
    .group_new = thread_group_new,
    .group_step = thread_group_step,
    .group_value = thread_group_value,
    .group_part = thread_group_part,
    .group_merge = thread_group_merge,
    .group_free = thread_group_free,
    .rows_open = thread_rows_open,
    .rows_next = thread_rows_next,
    .rows_close = thread_rows_close,
    .map_send = thread_map_send,
    .map_has_room = thread_map_has_room,
    .map_stop = thread_map_stop,
    .release = thread_release,
    .statement_end = thread_statement_end,
};

struct engine *thread_new(const struct engine_host *host) {
  struct thread *thread = calloc(1, sizeof *thread);
  if (!thread) return NULL;
  kept_start();
  thread->engine = (struct engine){&thread_ops, host};
  thread->settings_epoch = host->settings->epoch - 1; /* any other */
  return &thread->engine;
}
