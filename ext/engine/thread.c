/* thread.c - the thread engine: functions run in the host process
**
** Owns the session's space in the runtime. The GIL is taken for each call, and
** kept between calls where it can be (kept.h).
*/
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "embed.h"
#include "modes.h"
#include "thread.h"

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
  thread->engine.made++;
  return thread->runtime->define(thread->space, definition, manifest, err);
}

int thread_make_again(void *engine, const struct definition *definition,
                      struct err *err) {
  struct buf manifest = {0};
  int rc = make(engine, definition, &manifest, err);
  buf_fini(&manifest);
  return rc;
}

__attribute__((noinline)) int thread_make_ready(struct thread *thread,
                                                struct err *err) {
  const struct engine_host *host = thread->engine.host;
  /* Not under the feet of a call that changed a setting, or of open groups. */
  if (thread->space && thread->settings_epoch != host->settings->epoch &&
      thread->calls == 1 && !thread->open && !thread->engine.natives) {
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
  return replay_run(&thread->replay, host->program, thread_make_again, thread,
                    err);
}

__attribute__((noinline)) int thread_bring_up(struct thread *thread,
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

__attribute__((noinline, cold)) int thread_ended(struct thread *thread, int rc,
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

static void thread_close(struct engine *engine) {
  struct thread *thread = thread_of(engine);
  thread_statement_end(engine);
  if (thread->space && !thread_enter(thread, NULL)) {
    thread->runtime->space_free(thread->space);
    thread_leave(thread);
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
  int rc = thread_begin(thread, 0, err);
  if (rc == -2) return -1;
  if (!rc) rc = make(thread, definition, &encoded, err);
  rc = thread_finish(thread, rc, &none, err);
  if (!rc && encoded.failed) rc = err_nomem(err);
  if (!rc) rc = manifest_decode(encoded.data, encoded.len, manifest, err);
  if (!rc) thread->replay.made = definition->serial;
  buf_fini(&encoded);
  return rc;
}

static void thread_forget(struct engine *engine, uint32_t definition_id) {
  struct thread *thread = thread_of(engine);
  replay_forget(&thread->replay, definition_id);
  if (!thread->space || thread_enter(thread, NULL)) return;
  thread->runtime->forget(thread->space, definition_id);
  thread_leave(thread);
}

static int thread_call(struct engine *engine,
                       const struct engine_function *function,
                       const struct value *argv, uint32_t argc,
                       struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, thread_make_again, thread, err);
  }
  if (!rc) {
    rc = thread->runtime->call(thread->space, function->definition_id,
                               function->index, argv, argc, result, err);
  }
  return thread_finish(thread, rc, result, err);
}

static int thread_eval(struct engine *engine, const char *expression,
                       const struct value *argv, uint32_t argc,
                       struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = thread_begin(thread, engine_timeout(engine, 0), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->eval(thread->space, expression, argv, argc, result,
                               err);
  }
  return thread_finish(thread, rc, result, err);
}

static int thread_version(struct engine *engine, struct value *result,
                          struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = thread_begin(thread, 0, err);
  if (rc == -2) return -1;
  if (!rc) rc = thread->runtime->version(thread->space, result, err);
  return thread_finish(thread, rc, result, err);
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
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return NULL;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, thread_make_again, thread, err);
  }
  if (!rc) {
    group = thread->runtime->group_new(thread->space, function->definition_id,
                                       function->index, windowed, argc, err);
    if (!group) rc = -1;
  }
  if (group) thread->open++;
  thread_finish(thread, rc, &none, err);
  return (struct engine_group *)group;
}

static int thread_group_step(struct engine *engine,
                             const struct engine_function *function,
                             struct engine_group *group,
                             const struct value *argv, uint32_t argc,
                             int inverse, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_step(thread->space, runtime_group(group), argv,
                                     argc, inverse, err);
  }
  return thread_finish(thread, rc, &none, err);
}

static int thread_group_value(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group, int last,
                              struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_value(thread->space, runtime_group(group), last,
                                      result, err);
  }
  return thread_finish(thread, rc, result, err);
}

static int thread_group_part(struct engine *engine,
                             const struct engine_function *function,
                             struct engine_group *group, struct value *result,
                             struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_part(thread->space, runtime_group(group),
                                     result, err);
  }
  return thread_finish(thread, rc, result, err);
}

static int thread_group_merge(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group,
                              const struct value *part, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_merge(thread->space, runtime_group(group), part,
                                      err);
  }
  return thread_finish(thread, rc, &none, err);
}

static void thread_group_free(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *group) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  /* What frees a state may be Python code too. */
  uint32_t timeout_ms = engine_timeout(engine, function->timeout_ms);
  thread->open--;
  if (thread_enter(thread, NULL)) return;
  if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
  thread->runtime->group_free(runtime_group(group));
  thread_finish(thread, 0, &none, NULL);
}

/* Code that needs no GIL has nothing kept for it. */
static int thread_native(struct engine *engine,
                         const struct engine_function *function,
                         const struct native **native) {
  struct thread *thread = thread_of(engine);
  if (!thread->space ||
      thread->settings_epoch != engine->host->settings->epoch ||
      thread_enter(thread, NULL)) {
    return 0;
  }
  *native = thread->runtime->native(thread->space, function->definition_id,
                                    function->index);
  thread_leave(thread);
  kept_end(thread->runtime);
  return 1;
}

static void thread_release(struct engine *engine) {
  struct thread *thread = thread_of(engine);
  thread->runtime->release(thread->space);
  thread_leave(thread);
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
    .native = thread_native,
    .release = thread_release,
    .statement_end = thread_statement_end,
};

struct engine *thread_new(const struct engine_host *host) {
  struct thread *thread = calloc(1, sizeof *thread);
  if (!thread) return NULL;
  kept_start();
  thread->engine = (struct engine){.ops = &thread_ops, .host = host};
  thread->settings_epoch = host->settings->epoch - 1; /* any other */
  return &thread->engine;
}
