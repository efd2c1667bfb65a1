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

int engine_open_parallel(enum engine_mode mode, struct engine *first,
                         struct engine **engine, struct err *err) {
  struct engine *made = parallel_new(mode, first);
  if (!made) return err_nomem(err);
  *engine = made;
  return 0;
}
