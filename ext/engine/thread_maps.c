/* thread_maps.c - the thread engine: batches; see thread.h */
#include "../base/clock.h"
#include "thread.h"

void thread_map_send(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_map *map) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  uint32_t inside = 0;
  map->done = 0;
  map->time_ns = 0;
  map->state = ENGINE_MAP_FAILED;
  int rc = thread_begin(thread, engine_timeout(engine, function->timeout_ms),
                        &map->err);
  if (rc == -2) return;
  if (!rc) {
    rc = replay_check(&thread->replay, engine->host->program,
                      function->definition_id, thread_make_again, thread,
                      &map->err);
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
  if (!thread_finish(thread, rc, &none, &map->err))
    map->state = ENGINE_MAP_DONE;
}

int thread_map_has_room(struct engine *engine, uint64_t len) {
  (void)engine, (void)len;
  return 1;
}

void thread_map_stop(struct engine *engine, const struct engine_map *map) {
  (void)engine, (void)map; /* none is on its way */
}
