/* process_groups.c - groups of aggregate functions in the process engine: their
** states are in the worker; see process.h
*/
#include <stdlib.h>

#include "process.h"

/* A group: its state is in the worker. */
struct process_group {
  uint32_t number;
  uint32_t start;  /* process.starts when it was made: of which worker it is */
  uint32_t broken; /* worker_broken() when it was last known to be well */
};

static struct process_group *group_of(struct engine_group *group) {
  return (struct process_group *)group;
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
  return process_ask(process, head, function->name, NULL, 0,
                     engine_timeout(&process->engine, function->timeout_ms),
                     result, err);
}

struct engine_group *process_group_new(struct engine *engine,
                                       const struct engine_function *function,
                                       int windowed, uint32_t argc,
                                       struct err *err) {
  struct process *process = process_of(engine);
  if (process_begin(process, function, err)) return NULL;
  struct process_group *group = malloc(sizeof *group);
  int64_t number = group ? process_number_take(process) : -1;
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
  process->open++;
  if (!group_post(process, WIRE_OPEN, function, group, values, 4, err)) {
    return (struct engine_group *)group;
  }
  process->open--;
  process_number_give(process, group->number);
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

int process_group_step(struct engine *engine,
                       const struct engine_function *function,
                       struct engine_group *base, const struct value *argv,
                       uint32_t argc, int inverse, struct err *err) {
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

int process_group_value(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *base, int last,
                        struct value *result, struct err *err) {
  struct process *process = process_of(engine);
  const struct process_group *group = group_of(base);
  if (group_check(process, group, err)) return -1;
  return group_ask(process, last ? WIRE_FINAL : WIRE_VALUE, function, group,
                   result, err);
}

int process_group_part(struct engine *engine,
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
  process_drop(process, result);
  return worker_broke(&process->worker, "a reply that cannot be read", err);
}

int process_group_merge(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *base, const struct value *part,
                        struct err *err) {
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

void process_group_free(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *base) {
  struct process *process = process_of(engine);
  struct process_group *group = group_of(base);
  if (group_lives(process, group)) group_abandon(process, function, group);
  process->open--;
  if (group_lives(process, group)) {
    if (!group_post(process, WIRE_FREE, function, group, NULL, 0, NULL)) {
      process_number_give(process, group->number);
    }
  }
  free(group);
}
