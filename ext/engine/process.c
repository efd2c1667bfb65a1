/* process.c - the process engine: functions run in a worker
**
** Owns the session's worker, and a share in the template that forks its workers.
** The first use starts one and makes the session's
** definitions in it; so does the first use after it died, or after the settings
** changed. HOW IT WORKS: worker.c speaks with the worker, template.c has it
** forked, wire.h says what is spoken.
*/
#include <stdlib.h>

#include "modes.h"
#include "replay.h"
#include "worker.h"

struct process {
  struct engine engine;      /* first: the interface */
  struct template *template; /* NULL until the first use */
  struct worker worker;
  uint64_t settings_epoch; /* of the settings that both were started with */
  struct replay replay;
  uint32_t calls;  /* since a worker was last replaced for their number */
  uint32_t starts; /* of workers */
  uint32_t groups; /* that there are: their worker is not replaced */
  uint32_t *free;  /* numbers of groups that are to be had again */
  uint32_t free_count, free_size;
  uint32_t next_group;
};

/* A group: its state is in the worker. */
struct process_group {
  uint32_t number;
  uint32_t start;  /* process.starts when it was made: of which worker it is */
  uint32_t broken; /* worker_broken() when it was last known to be well */
};

static struct process *process_of(struct engine *engine) {
  return (struct process *)engine;
}

/* Asks, and waits for the reply. */
static int ask(struct process *process, struct wire_head head, const char *name,
               const struct value *values, uint32_t count, uint32_t timeout_ms,
               struct value *result, struct err *err) {
  struct worker *worker = &process->worker;
  return worker_send(worker, &head, name, values, count, timeout_ms, err) ||
                 worker_reply(worker, result, err)
             ? -1
             : 0;
}

static void drop(struct process *process, const struct value *result) {
  if (result->flags & VALUE_OWNED) {
    process->engine.host->free((void *)(uintptr_t)result->data);
  }
  worker_done(&process->worker);
}

/* Makes one definition in the worker; its manifest is a BLOB. */
static int make(struct process *process, const struct definition *definition,
                struct value *manifest, struct err *err) {
  struct value values[DEFINITION_FIELDS];
  definition_values(definition, values);
  struct wire_head head = {.type = WIRE_DEFINE, .a = definition->id};
  if (ask(process, head, "python_define", values, DEFINITION_FIELDS, 0,
          manifest, err))
    return -1;
  if (manifest->type == VALUE_BLOB) return 0;
  drop(process, manifest);
  return worker_broke(&process->worker, "a reply that cannot be read", err);
}

/* A worker with nothing in it. */
static int start(struct process *process, struct err *err) {
  const struct engine_host *host = process->engine.host;
  if (process->template && !template_alive(process->template)) {
    template_put(process->template);
    process->template = NULL;
  }
  replay_restart(&process->replay);
  process->settings_epoch = host->settings->epoch;
  if (!process->template && template_get(host, &process->template, err)) {
    return -1;
  }
  return worker_open(&process->worker, host, process->template,
                     process->starts++, err);
}

static void stop(struct process *process) {
  worker_close(&process->worker);
  template_put(process->template);
  process->template = NULL;
}

static int make_again(void *engine, const struct definition *definition,
                      struct err *err) {
  struct process *process = engine;
  struct value manifest;
  if (make(process, definition, &manifest, err)) return -1;
  drop(process, &manifest);
  return 0;
}

/* The slow part of ready(). */
static int make_ready(struct process *process, struct err *err) {
  const struct engine_host *host = process->engine.host;
  struct worker *worker = &process->worker;
  /* Not under the feet of groups that are open. */
  if (process->settings_epoch != host->settings->epoch && !process->groups) {
    stop(process);
    process->replay = (struct replay){0};
  }
  if (!worker_usable(worker)) {
    worker_kill(worker); /* what is left of it */
    if (start(process, err)) return -1;
  }
  return replay_run(&process->replay, host->program, make_again, process, err);
}

/* A worker that has all definitions. */
static inline int ready(struct process *process, struct err *err) {
  const struct engine_host *host = process->engine.host;
  if (worker_usable(&process->worker) &&
      process->settings_epoch == host->settings->epoch &&
      process->replay.made == host->program->last_serial) {
    return 0;
  }
  return make_ready(process, err);
}

static void process_close(struct engine *engine) {
  struct process *process = process_of(engine);
  stop(process);
  free(process->free);
  free(process);
}

static int process_define(struct engine *engine,
                          const struct definition *definition,
                          struct manifest **manifest, struct err *err) {
  struct process *process = process_of(engine);
  struct value encoded;
  if (ready(process, err) || make(process, definition, &encoded, err))
    return -1;
  struct err why = {0};
  int rc = manifest_decode(encoded.data, encoded.len, manifest, &why);
  drop(process, &encoded);
  if (!rc) {
    process->replay.made = definition->serial;
  } else if (why.code == ERR_SYSTEM) {
    worker_broke(&process->worker, why.text ? why.text : "", err);
  } else {
    err_take(err, &why);
  }
  err_clear(&why);
  return rc;
}

static void process_forget(struct engine *engine, uint32_t definition_id) {
  struct process *process = process_of(engine);
  replay_forget(&process->replay, definition_id);
  if (!worker_usable(&process->worker)) return;
  struct wire_head head = {.type = WIRE_FORGET, .a = definition_id};
  worker_send(&process->worker, &head, "", NULL, 0, 0, NULL);
}

/* Before a call: a worker that has had its number of calls goes. */
static inline void count_call(struct process *process) {
  uint32_t most = process->engine.host->settings->max_calls;
  if (most && ++process->calls > most && !process->groups) {
    worker_close_wait(&process->worker); /* one at a time */
    process->calls = 1;
  }
}

static int process_call(struct engine *engine,
                        const struct engine_function *function,
                        const struct value *argv, uint32_t argc,
                        struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  count_call(process);
  if (ready(process, err) ||
      replay_check(&process->replay, engine->host->program,
                   function->definition_id, make_again, process, err)) {
    return -1;
  }
  struct wire_head head = {
      .type = WIRE_CALL, .a = function->definition_id, .b = function->index};
  return ask(process, head, function->name, argv, argc,
             engine_timeout(engine, function->timeout_ms), result, err);
}

/* The expression goes first, so that the arguments keep their places behind. */
static int process_eval(struct engine *engine, const char *expression,
                        const struct value *argv, uint32_t argc,
                        struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  if (ready(process, err)) return -1;
  struct value *values = malloc((argc + 1) * sizeof *values);
  if (!values) return err_nomem(err);
  values[0] = value_text(expression);
  for (uint32_t i = 0; i < argc; i++) values[i + 1] = argv[i];
  struct wire_head head = {.type = WIRE_EVAL};
  int rc = ask(process, head, "python_eval", values, argc + 1,
               engine_timeout(engine, 0), result, err);
  free(values);
  return rc;
}

static int process_version(struct engine *engine, struct value *result,
                           struct err *err) {
  struct process *process = process_of(engine);
  struct wire_head head = {.type = WIRE_VERSION};
  if (ready(process, err) ||
      ask(process, head, "python_version", NULL, 0, 0, result, err)) {
    return -1;
  }
  if (result->type == VALUE_TEXT) return 0;
  drop(process, result);
  return worker_broke(&process->worker, "a reply that cannot be read", err);
}

/* ---- groups ---- */

static struct process_group *group_of(struct engine_group *group) {
  return (struct process_group *)group;
}

/* A number that no group of the worker has; -1 without memory. Numbers begin
** anew in a new worker. */
static int64_t number_take(struct process *process) {
  if (!process->groups) process->next_group = process->free_count = 0;
  if (process->free_count) return process->free[--process->free_count];
  if (process->next_group == process->free_size) {
    uint32_t size = process->free_size * 2 + 16;
    uint32_t *numbers = realloc(process->free, size * sizeof *numbers);
    if (!numbers) return -1;
    process->free = numbers;
    process->free_size = size;
  }
  return process->next_group++;
}

/* There is room: each number has a place in the list. */
static void number_give(struct process *process, uint32_t number) {
  process->free[process->free_count++] = number;
}

static int group_post(struct process *process, enum wire_type type,
                      const struct engine_function *function,
                      const struct process_group *group,
                      const struct value *values, uint32_t count,
                      struct err *err) {
  struct wire_head head = {.type = type, .a = group->number};
  return worker_post(&process->worker, &head, function->name, values, count,
                     engine_timeout(&process->engine, function->timeout_ms),
                     err);
}

static int group_ask(struct process *process, enum wire_type type,
                     const struct engine_function *function,
                     const struct process_group *group, struct value *result,
                     struct err *err) {
  struct wire_head head = {.type = type, .a = group->number};
  return ask(process, head, function->name, NULL, 0,
             engine_timeout(&process->engine, function->timeout_ms), result,
             err);
}

static struct engine_group *process_group_new(
    struct engine *engine, const struct engine_function *function, int windowed,
    uint32_t argc, struct err *err) {
  struct process *process = process_of(engine);
  count_call(process);
  if (ready(process, err) ||
      replay_check(&process->replay, engine->host->program,
                   function->definition_id, make_again, process, err)) {
    return NULL;
  }
  struct process_group *group = malloc(sizeof *group);
  int64_t number = group ? number_take(process) : -1;
  if (number < 0) {
    free(group);
    err_nomem(err);
    return NULL;
  }
  *group = (struct process_group){.number = (uint32_t)number,
                                  .start = process->starts,
                                  .broken = worker_broken(&process->worker)};
  struct value values[] = {value_integer(function->definition_id),
                           value_integer(function->index),
                           value_integer(windowed), value_integer(argc)};
  process->groups++;
  if (!group_post(process, WIRE_OPEN, function, group, values, 4, err)) {
    return (struct engine_group *)group;
  }
  process->groups--;
  number_give(process, group->number);
  free(group);
  return NULL;
}

/* The group's worker is the one that there is. */
static int group_lives(const struct process *process,
                       const struct process_group *group) {
  return group->start == process->starts && worker_usable(&process->worker);
}

static int group_check(const struct process *process,
                       const struct process_group *group, struct err *err) {
  if (group_lives(process, group)) return 0;
  return err_set(err, ERR_CRASH, "the worker that had its rows has ended");
}

static int process_group_step(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *base,
                              const struct value *argv, uint32_t argc,
                              int inverse, struct err *err) {
  struct process *process = process_of(engine);
  struct process_group *group = group_of(base);
  struct value none;
  if (group_check(process, group, err)) return -1;
  uint32_t broken = worker_broken(&process->worker);
  if (group->broken != broken) {
    group->broken = broken;
    if (group_ask(process, WIRE_CHECK, function, group, &none, err)) return -1;
  }
  return group_post(process, inverse ? WIRE_INVERSE : WIRE_STEP, function,
                    group, argv, argc, err);
}

static int process_group_value(struct engine *engine,
                               const struct engine_function *function,
                               struct engine_group *base, int last,
                               struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  const struct process_group *group = group_of(base);
  if (group_check(process, group, err)) return -1;
  return group_ask(process, last ? WIRE_FINAL : WIRE_VALUE, function, group,
                   result, err);
}

static int process_group_part(struct engine *engine,
                              const struct engine_function *function,
                              struct engine_group *base, struct value *result,
                              struct err *err) {
  struct process *process = process_of(engine);
  const struct process_group *group = group_of(base);
  if (group_check(process, group, err) ||
      group_ask(process, WIRE_PART, function, group, result, err)) {
    return -1;
  }
  if (result->type == VALUE_BLOB) return 0;
  drop(process, result);
  return worker_broke(&process->worker, "a reply that cannot be read", err);
}

static int process_group_merge(struct engine *engine,
                               const struct engine_function *function,
                               struct engine_group *base,
                               const struct value *part, struct err *err) {
  struct process *process = process_of(engine);
  const struct process_group *group = group_of(base);
  if (group_check(process, group, err)) return -1;
  return group_post(process, WIRE_MERGE, function, group, part, 1, err);
}

/* Rows that nobody wants any more are before whatever comes next. Interrupted, they
** end as a call does, or the worker with them. */
static void group_abandon(struct process *process,
                          const struct engine_function *function,
                          const struct process_group *group) {
  const struct engine_host *host = process->engine.host;
  struct value none;
  if (worker_has_posted(&process->worker) && host->interrupted(host->arg)) {
    group_ask(process, WIRE_CHECK, function, group, &none, NULL);
  }
}

static void process_group_free(struct engine *engine,
                               const struct engine_function *function,
                               struct engine_group *base) {
  struct process *process = process_of(engine);
  struct process_group *group = group_of(base);
  if (group_lives(process, group)) group_abandon(process, function, group);
  process->groups--;
  if (group_lives(process, group)) {
    if (!group_post(process, WIRE_FREE, function, group, NULL, 0, NULL)) {
      number_give(process, group->number);
    }
  }
  free(group);
}

static void process_release(struct engine *engine) {
  worker_done(&process_of(engine)->worker);
}

static void process_statement_end(struct engine *engine) {
  /* An idle worker sleeps by itself, once it has let go of the groups. */
  worker_flush(&process_of(engine)->worker);
}

static const struct engine_ops process_ops = {
    .close = process_close,
    .define = process_define,
    .forget = process_forget,
    .call = process_call,
    .eval = process_eval,
    .version = process_version,
    .group_new = process_group_new,
    .group_step = process_group_step,
    .group_value = process_group_value,
    .group_part = process_group_part,
    .group_merge = process_group_merge,
    .group_free = process_group_free,
    .release = process_release,
    .statement_end = process_statement_end,
};

struct engine *process_new(const struct engine_host *host) {
  struct process *process = calloc(1, sizeof *process);
  if (!process) return NULL;
  process->engine = (struct engine){&process_ops, host};
  process->worker.crash_fd = -1;
  return &process->engine;
}
