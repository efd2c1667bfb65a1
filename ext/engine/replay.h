/* replay.h - a session's definitions, made again in an engine
**
** An engine that is new, or whose worker is, has none of the session's
** definitions. They are made in order before the next call. One that fails then
** (its file has changed, it crashes the worker) must not take the others with
** it: it is noted as broken, and the error is that of whoever calls one of its
** functions. One that raised is tried again at such a call; one in which a worker
** died is too, but only once, as somebody else may have killed it: more would be a
** new worker for every statement.
*/
#ifndef PYUDF_REPLAY_H
#define PYUDF_REPLAY_H

#include <stdint.h>

#include "engine.h"

enum { REPLAY_BROKEN_MAX = 32 };

/* A part of an engine. Starts as {0}. */
struct replay {
  uint64_t made; /* serial of the newest definition that was seen to */
  uint32_t count;
  struct {
    uint32_t id;
    uint32_t crashes; /* workers that died in it */
  } broken[REPLAY_BROKEN_MAX];
};

/* Makes one definition in `engine`; 0, or -1 and err. */
typedef int (*replay_make)(void *engine, const struct definition *definition,
                           struct err *err);

/* A fresh worker or space: all has to be made anew, but for what crashed one:
** that waits for a call of its own. */
void replay_restart(struct replay *replay);

/* All of the program that was not made. -1 where the engine was lost in it, or
** the statement is to end. */
int replay_run(struct replay *replay, const struct engine_program *program,
               replay_make make, void *engine, struct err *err);

/* The slow part of replay_check(). */
int replay_mend(struct replay *replay, const struct engine_program *program,
                uint32_t id, replay_make make, void *engine, struct err *err);

/* Before a call of a function of definition `id`: -1 where it is broken. */
static inline int replay_check(struct replay *replay,
                               const struct engine_program *program,
                               uint32_t id, replay_make make, void *engine,
                               struct err *err) {
  return replay->count ? replay_mend(replay, program, id, make, engine, err)
                       : 0;
}

/* The definition is gone: its id may come again for another. */
void replay_forget(struct replay *replay, uint32_t id);

#endif
