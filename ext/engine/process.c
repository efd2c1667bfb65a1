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
#include "process.h"

int process_ask(struct process *process, struct wire_head head,
                const char *name, const struct value *values, uint32_t count,
                uint32_t timeout_ms, struct value *result, struct err *err) {
  struct worker *worker = &process->worker;
  return worker_send(worker, &head, name, values, count, timeout_ms, err) ||
                 worker_reply(worker, result, err)
             ? -1
             : 0;
}

void process_drop(struct process *process, const struct value *result) {
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
  if (process_ask(process, head, "python_define", values, DEFINITION_FIELDS, 0,
                  manifest, err))
    return -1;
  if (manifest->type == VALUE_BLOB) return 0;
  process_drop(process, manifest);
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

int process_make_again(void *engine, const struct definition *definition,
                       struct err *err) {
  struct process *process = engine;
  struct value manifest;
  if (make(process, definition, &manifest, err)) return -1;
  process_drop(process, &manifest);
  return 0;
}

int process_make_ready(struct process *process, struct err *err) {
  const struct engine_host *host = process->engine.host;
  struct worker *worker = &process->worker;
  /* Not under the feet of groups that are open. */
  if (process->settings_epoch != host->settings->epoch && !process->open) {
    stop(process);
    process->replay = (struct replay){0};
  }
  if (!worker_usable(worker)) {
    worker_kill(worker); /* what is left of it */
    if (start(process, err)) return -1;
  }
  return replay_run(&process->replay, host->program, process_make_again,
                    process, err);
}

void process_replace(struct process *process) {
  if (process->worker.maps) maps_drain(&process->worker, NULL);
  worker_close_wait(&process->worker); /* one at a time */
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
  if (process_ready(process, err) || make(process, definition, &encoded, err))
    return -1;
  struct err why = {0};
  int rc = manifest_decode(encoded.data, encoded.len, manifest, &why);
  process_drop(process, &encoded);
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

int process_begin(struct process *process,
                  const struct engine_function *function, struct err *err) {
  process_count_calls(process, 1);
  return process_ready(process, err) ||
                 replay_check(&process->replay, process->engine.host->program,
                              function->definition_id, process_make_again,
                              process, err)
             ? -1
             : 0;
}

static int process_call(struct engine *engine,
                        const struct engine_function *function,
                        const struct value *argv, uint32_t argc,
                        struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  if (process_begin(process, function, err)) return -1;
  struct wire_head head = {
      .type = WIRE_CALL, .a = function->definition_id, .b = function->index};
  return process_ask(process, head, function->name, argv, argc,
                     engine_timeout(engine, function->timeout_ms), result, err);
}

/* The expression goes first, so that the arguments keep their places behind. */
static int process_eval(struct engine *engine, const char *expression,
                        const struct value *argv, uint32_t argc,
                        struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  if (process_ready(process, err)) return -1;
  struct value *values = malloc((argc + 1) * sizeof *values);
  if (!values) return err_nomem(err);
  values[0] = value_text(expression);
  for (uint32_t i = 0; i < argc; i++) values[i + 1] = argv[i];
  struct wire_head head = {.type = WIRE_EVAL};
  int rc = process_ask(process, head, "python_eval", values, argc + 1,
                       engine_timeout(engine, 0), result, err);
  free(values);
  return rc;
}

static int process_version(struct engine *engine, struct value *result,
                           struct err *err) {
  struct process *process = process_of(engine);
  struct wire_head head = {.type = WIRE_VERSION};
  if (process_ready(process, err) ||
      process_ask(process, head, "python_version", NULL, 0, 0, result, err)) {
    return -1;
  }
  if (result->type == VALUE_TEXT) return 0;
  process_drop(process, result);
  return worker_broke(&process->worker, "a reply that cannot be read", err);
}

/* ---- what a worker keeps for the host ---- */

int64_t process_number_take(struct process *process) {
  if (!process->open) process->next_number = process->free_count = 0;
  if (process->free_count) return process->free[--process->free_count];
  if (process->next_number == process->free_size) {
    uint32_t size = process->free_size * 2 + 16;
    uint32_t *numbers = realloc(process->free, size * sizeof *numbers);
    if (!numbers) return -1;
    process->free = numbers;
    process->free_size = size;
  }
  return process->next_number++;
}

void process_number_give(struct process *process, uint32_t number) {
  process->free[process->free_count++] = number;
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
    .rows_open = process_rows_open,
    .rows_next = process_rows_next,
    .rows_close = process_rows_close,
    .map_send = process_map_send,
    .map_has_room = process_map_has_room,
    .map_stop = process_map_stop,
    .release = process_release,
    .statement_end = process_statement_end,
};

struct engine *process_new(const struct engine_host *host) {
  struct process *process = calloc(1, sizeof *process);
  if (!process) return NULL;
  process->engine = (struct engine){.ops = &process_ops, .host = host};
  process->worker.crash_fd = -1;
  return &process->engine;
}
