/* engine.c - what runs functions for a session: see engine.h */
#include "engine.h"

#include "modes.h"

int engine_open(enum engine_mode mode, const struct engine_host *host,
                struct engine **engine, struct err *err) {
  struct engine *made =
      mode == ENGINE_THREAD ? thread_new(host) : process_new(host);
  if (!made) return err_nomem(err);
  *engine = made;
  return 0;
}

void engine_map_wait(struct engine *const *engines, uint32_t count,
                     uint32_t most_ms) {
  process_map_wait(engines, count, most_ms);
}

int engine_open_parallel(struct pool *pool, struct engine **engine,
                         struct err *err) {
  struct engine *made = parallel_new(pool);
  if (!made) return err_nomem(err);
  *engine = made;
  return 0;
}
