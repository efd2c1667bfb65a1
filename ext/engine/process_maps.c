/* process_maps.c - the process engine: batches
*/
#include "modes.h"
#include "process.h"

/* As process_ready(), but for one that has batches under way and can have one more. */
static int ready_for_map(struct process *process,
                         const struct engine_function *function,
                         struct engine_map *map) {
  const struct engine_host *host = process->engine.host;
  struct worker *worker = &process->worker;
  process_count_calls(process, map->in.rows);
  if (worker->maps && worker_usable(worker) &&
      process->settings_epoch == host->settings->epoch &&
      process->replay.made == host->program->last_serial &&
      !process->replay.count && maps_has_room(worker, map->in.len)) {
    return 0;
  }
  return process_ready(process, &map->err) ||
                 replay_check(&process->replay, host->program,
                              function->definition_id, process_make_again,
                              process, &map->err)
             ? -1
             : 0;
}

void process_map_send(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_map *map) {
  struct process *process = process_of(engine);
  if (ready_for_map(process, function, map)) {
    map->done = 0;
    map->state = ENGINE_MAP_FAILED;
  } else {
    maps_send(&process->worker, function, map,
              engine_timeout(engine, function->timeout_ms));
  }
}

int process_map_has_room(struct engine *engine, uint64_t len) {
  struct worker *worker = &process_of(engine)->worker;
  /* One that is gone has batches that nobody has taken back yet. */
  return worker_usable(worker) && maps_has_room(worker, len);
}

void process_map_stop(struct engine *engine, const struct engine_map *map) {
  maps_stop(&process_of(engine)->worker, map);
}

void process_map_wait(struct engine *const *engines, uint32_t count,
                      uint32_t most_ms) {
  struct worker *workers[ENGINE_MAP_WAIT_MAX];
  for (uint32_t i = 0; i < count; i++) {
    workers[i] = &process_of(engines[i])->worker;
  }
  maps_wait(workers, count, most_ms);
}
