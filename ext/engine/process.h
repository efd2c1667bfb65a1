/* process.h - the process engine's parts, for each other
**
** process.c has a worker brought up and calls functions there; process_maps.c sends
** it batches; process_groups.c and process_rows.c do what lasts longer than a call:
** groups of aggregate functions and rows of table functions. Each has a number in the
** worker, and while there is one the worker is not replaced.
*/
#ifndef PYUDF_ENGINE_PROCESS_H
#define PYUDF_ENGINE_PROCESS_H

#include "engine.h"
#include "maps.h"
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
  uint32_t open;   /* groups and calls of table functions that there are */
  uint32_t *free;  /* numbers that are to be had again */
  uint32_t free_count, free_size;
  uint32_t next_number;
};

static inline struct process *process_of(struct engine *engine) {
  return (struct process *)engine;
}

/* For replay_run() and replay_check(). */
int process_make_again(void *engine, const struct definition *definition,
                       struct err *err);

/* The slow part of process_ready(). */
int process_make_ready(struct process *process, struct err *err);

/* A worker that has all definitions, and nothing to do. */
static inline int process_ready(struct process *process, struct err *err) {
  const struct engine_host *host = process->engine.host;
  if (process->worker.maps) maps_drain(&process->worker, NULL);
  if (worker_usable(&process->worker) &&
      process->settings_epoch == host->settings->epoch &&
      process->replay.made == host->program->last_serial) {
    return 0;
  }
  return process_make_ready(process, err);
}

/* The slow part of process_count_calls(). */
void process_replace(struct process *process);

/* Before so many calls: a worker that has had its number of them goes. */
static inline void process_count_calls(struct process *process,
                                       uint32_t count) {
  uint32_t most = process->engine.host->settings->max_calls;
  if (!most) return;
  if (process->calls && process->calls + (uint64_t)count > most &&
      !process->open) {
    process_replace(process);
    process->calls = 0;
  }
  process->calls = process->calls < most ? process->calls + count : most;
}

/* A worker that has all definitions, and this function's in good order; counts as
** a call. */
int process_begin(struct process *process,
                  const struct engine_function *function, struct err *err);

/* Asks, and waits for the reply. */
int process_ask(struct process *process, struct wire_head head,
                const char *name, const struct value *values, uint32_t count,
                uint32_t timeout_ms, struct value *result, struct err *err);

/* Lets go of a reply. */
void process_drop(struct process *process, const struct value *result);

/* A number that nothing in the worker has; -1 without memory. Numbers begin anew
** in a new worker. */
int64_t process_number_take(struct process *process);

/* Gives it back. There is room: each number has a place in the list. */
void process_number_give(struct process *process, uint32_t number);

/* process_maps.c */
void process_map_send(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_map *map);
int process_map_has_room(struct engine *engine, uint64_t len);
void process_map_stop(struct engine *engine, const struct engine_map *map);

/* process_groups.c */
struct engine_group *process_group_new(struct engine *engine,
                                       const struct engine_function *function,
                                       int windowed, uint32_t argc,
                                       struct err *err);
int process_group_step(struct engine *engine,
                       const struct engine_function *function,
                       struct engine_group *group, const struct value *argv,
                       uint32_t argc, int inverse, struct err *err);
int process_group_value(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *group, int last,
                        struct value *result, struct err *err);
int process_group_part(struct engine *engine,
                       const struct engine_function *function,
                       struct engine_group *group, struct value *result,
                       struct err *err);
int process_group_merge(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *group, const struct value *part,
                        struct err *err);
void process_group_free(struct engine *engine,
                        const struct engine_function *function,
                        struct engine_group *group);

/* process_rows.c */
struct engine_rows *process_rows_open(struct engine *engine,
                                      const struct engine_function *function,
                                      const struct tablecall *call,
                                      uint32_t columns, struct err *err);
int process_rows_next(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_rows *rows, const struct value **values,
                      struct err *err);
int process_rows_close(struct engine *engine,
                       const struct engine_function *function,
                       struct engine_rows *rows, struct err *err);

#endif
