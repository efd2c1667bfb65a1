/* thread.c - the thread engine: functions run in the host process
**
** Owns the session's space in the runtime, and the GIL between calls.
**
** HOW IT WORKS. Taking and leaving the GIL costs as much as a call, so it is
** kept from row to row where nobody else can want it: Python is ours
** (embed.h), and the process has one thread beside the one that watches for
** interrupts (watch.h). It is given back when the statement ends, and after the
** first call that finds another thread. While it is kept, `kept.depth` counts
** the calls under way, as a function may run SQL that calls functions; only
** then `kept` is touched, and only by `owner`, but for another thread's look at
** `kept.on`.
**
** Only the owner can give the GIL back. A host that has a statement open in one
** thread, starts another and calls Python there, while the first neither steps
** nor ends, leaves that other waiting: for KEPT_WAIT_MS once, and not at all
** from then on, each time with an error that says so. Never a deadlock.
*/
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "embed.h"
#include "modes.h"
#include "replay.h"
#include "watch.h"

enum { KEPT_WAIT_MS = 5000 };

static struct {
  atomic_int on;      /* 1: `owner` has the GIL between calls */
  atomic_int awaited; /* 1: another thread has waited for it in vain */
  pthread_t owner;
  uint32_t depth; /* calls under way in `owner` */
} kept;

/* glibc's count of this process's threads, which its debuggers read. NULL where
** there is none: then only __libc_single_threaded counts, and it stays 0 once
** the watching thread was there. */
static const unsigned *thread_count;
static pthread_once_t thread_count_once = PTHREAD_ONCE_INIT;

static void find_thread_count(void) {
  thread_count = dlvsym(RTLD_DEFAULT, "__nptl_nthreads", "GLIBC_PRIVATE");
}

/* 1 where no thread but this one and ours can want the GIL. */
static inline int alone(void) {
  return __libc_single_threaded ||
         (thread_count && __atomic_load_n(thread_count, __ATOMIC_RELAXED) ==
                              1 + (unsigned)watch_threads());
}

/* Calls under way in this thread while the GIL is not kept. */
static __thread uint32_t depth;

struct thread {
  struct engine engine;          /* first: the interface */
  const struct runtime *runtime; /* NULL until Python is up */
  int owned;                     /* 1: Python is ours */
  struct runtime_space *space;
  uint64_t settings_epoch; /* of the settings the space was made with */
  struct replay replay;
  uint32_t calls; /* under way in this session */
  struct watch watch;
};

static struct thread *thread_of(struct engine *engine) {
  return (struct thread *)engine;
}

static inline int kept_by_me(void) {
  return atomic_load_explicit(&kept.on, memory_order_acquire) &&
         pthread_equal(kept.owner, pthread_self());
}

static void give_back(const struct runtime *runtime) {
  atomic_store_explicit(&kept.awaited, 0, memory_order_relaxed);
  atomic_store_explicit(&kept.on, 0, memory_order_release);
  runtime->detach();
}

/* The thread that keeps the GIL ends with a statement open. */
static pthread_key_t owner_end;
static pthread_once_t owner_end_once = PTHREAD_ONCE_INIT;
static int owner_end_made;

static void owner_ended(void *runtime) {
  if (kept_by_me() && embed_alive()) give_back(runtime);
}

static void make_owner_end(void) {
  owner_end_made = !pthread_key_create(&owner_end, owner_ended);
}

/* Without a key, a thread's end would go unnoticed: nothing is kept then. */
static inline int may_keep(const struct thread *thread) {
  return thread->owned && alone() && owner_end_made;
}

static void keep(const struct thread *thread) {
  if (!pthread_getspecific(owner_end)) {
    pthread_setspecific(owner_end, thread->runtime);
  }
  kept.owner = pthread_self();
  atomic_store_explicit(&kept.on, 1, memory_order_release);
}

static __attribute__((noinline, cold)) int wait_for_kept(struct err *err) {
  const struct timespec ms = {.tv_nsec = 1000000};
  int left = atomic_load(&kept.awaited) ? 1 : KEPT_WAIT_MS;
  for (; left > 0; left--) {
    if (!atomic_load_explicit(&kept.on, memory_order_acquire)) return 0;
    nanosleep(&ms, NULL);
  }
  atomic_store(&kept.awaited, 1);
  return err_set(
      err, ERR_USAGE,
      "another thread's open statement keeps Python: step or reset it "
      "there, or use process mode");
}

/* The slow part of enter(). */
static __attribute__((noinline)) int take(struct thread *thread,
                                          struct err *err) {
  if (atomic_load_explicit(&kept.on, memory_order_relaxed) &&
      wait_for_kept(err)) {
    return -1;
  }
  if (!embed_alive()) {
    return err_set(err, ERR_USAGE, "Python has ended in this process");
  }
  thread->runtime->attach();
  depth++;
  return 0;
}

/* Takes the GIL, unless this thread has it. */
static inline int enter(struct thread *thread, struct err *err) {
  if (!kept_by_me()) return take(thread, err);
  kept.depth++;
  return 0;
}

/* The slow part of leave(). */
static __attribute__((noinline)) void leave_it(struct thread *thread) {
  if (kept_by_me()) {
    if (!kept.depth) give_back(thread->runtime);
  } else if (--depth == 0 && may_keep(thread)) {
    keep(thread);
  } else {
    thread->runtime->detach();
  }
}

static inline void leave(struct thread *thread) {
  if (!kept_by_me() || (--kept.depth == 0 && !may_keep(thread))) {
    leave_it(thread);
  }
}
static void thread_statement_end(struct engine *engine) {
  if (kept_by_me() && !kept.depth && thread_of(engine)->runtime) {
    give_back(thread_of(engine)->runtime);
  }
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
  /* Not under the feet of a call that changed a setting. */
  if (thread->space && thread->settings_epoch != host->settings->epoch &&
      thread->calls == 1) {
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
    struct err *err) {
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
                                       function->index, windowed, err);
    if (!group) rc = -1;
  }
  finish(thread, rc, &none, err);
  return (struct engine_group *)group;
}

static int thread_group_step(struct engine *engine, struct engine_group *group,
                             const struct value *argv, uint32_t argc,
                             int inverse, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  int rc = begin(thread, engine_timeout(engine, 0), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_step(thread->space, runtime_group(group), argv,
                                     argc, inverse, err);
  }
  return finish(thread, rc, &none, err);
}

static int thread_group_value(struct engine *engine, struct engine_group *group,
                              int last, struct value *result, struct err *err) {
  struct thread *thread = thread_of(engine);
  int rc = begin(thread, engine_timeout(engine, 0), err);
  if (rc == -2) return -1;
  if (!rc) {
    rc = thread->runtime->group_value(thread->space, runtime_group(group), last,
                                      result, err);
  }
  return finish(thread, rc, result, err);
}

static void thread_group_free(struct engine *engine,
                              struct engine_group *group) {
  struct thread *thread = thread_of(engine);
  if (enter(thread, NULL)) return;
  thread->runtime->group_free(runtime_group(group));
  leave(thread);
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
    .group_free = thread_group_free,
    .release = thread_release,
    .statement_end = thread_statement_end,
};

struct engine *thread_new(const struct engine_host *host) {
  struct thread *thread = calloc(1, sizeof *thread);
  if (!thread) return NULL;
  pthread_once(&thread_count_once, find_thread_count);
  pthread_once(&owner_end_once, make_owner_end);
  thread->engine = (struct engine){&thread_ops, host};
  thread->settings_epoch = host->settings->epoch - 1; /* any other */
  return &thread->engine;
}
