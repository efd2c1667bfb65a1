/* parallel.c - an engine that deals the rows of a group to several workers
**
** For aggregate functions that are declared to be parallel, and not for windows.
** The members are the session's (pool.h); the first has the rest of its functions. A group has a part, a group too, in each
** that got a row. At its end the other parts' states go to the first, which
** merges them and has the value.
**
** Rows are dealt by their number alone, CHUNK at a time: so a statement gives the
** same whatever the workers' speed, and a small group stays in one worker. In
** thread mode all parts are in the host, dealt and merged just so: a function's
** merge() is the same there, and its mistakes are too.
**
** Only groups come here: the other calls are the first member's.
*/
#include <stdlib.h>

#include "modes.h"
#include "pool.h"

enum { CHUNK = 128 }; /* rows, to one part in turn */

struct parallel {
  struct engine engine; /* first: the interface */
  struct pool *pool;    /* borrowed */
};

struct parallel_group {
  uint64_t rows;
  uint32_t count;               /* of parts that there may be */
  struct engine_group *parts[]; /* NULL: without a row; the first is there */
};

static struct parallel *parallel_of(struct engine *engine) {
  return (struct parallel *)engine;
}

static struct parallel_group *group_of(struct engine_group *group) {
  return (struct parallel_group *)group;
}

static struct engine *member(const struct parallel *parallel, uint32_t i) {
  return parallel->pool->members[parallel->pool->mode == ENGINE_THREAD ? 0 : i];
}

static void parallel_group_free(struct engine *engine,
                                const struct engine_function *function,
                                struct engine_group *base) {
  struct parallel *parallel = parallel_of(engine);
  struct parallel_group *group = group_of(base);
  for (uint32_t i = 0; i < group->count; i++) {
    engine_group_free(member(parallel, i), function, group->parts[i]);
  }
  pool_leave(parallel->pool);
  free(group);
}

static struct engine_group *parallel_group_new(
    struct engine *engine, const struct engine_function *function, int windowed,
    uint32_t argc, struct err *err) {
  struct parallel *parallel = parallel_of(engine);
  uint32_t count = engine->host->settings->workers;
  pool_enter(parallel->pool);
  if (pool_gather(parallel->pool, count, err)) {
    pool_leave(parallel->pool);
    return NULL;
  }
  struct parallel_group *group =
      calloc(1, sizeof *group + count * sizeof(struct engine_group *));
  if (!group) {
    pool_leave(parallel->pool);
    err_nomem(err);
    return NULL;
  }
  group->count = count;
  group->parts[0] =
      engine_group_new(member(parallel, 0), function, windowed, argc, err);
  if (group->parts[0]) {
    return (struct engine_group *)group;
  }
  pool_leave(parallel->pool);
  free(group);
  return NULL;
}

/* Whoever opened the group was wrong about windows. */
static int not_dealt(struct err *err) {
  return err_set(err, ERR_SYSTEM, "a window's rows were dealt to workers");
}

static int parallel_group_step(struct engine *engine,
                               const struct engine_function *function,
                               struct engine_group *base,
                               const struct value *argv, uint32_t argc,
                               int inverse, struct err *err) {
  struct parallel_group *group = group_of(base);
  uint32_t i = (uint32_t)(group->rows++ / CHUNK % group->count);
  struct engine *to = member(parallel_of(engine), i);
  if (inverse) return not_dealt(err);
  if (!group->parts[i]) {
    group->parts[i] = engine_group_new(to, function, 0, argc, err);
    if (!group->parts[i]) return -1;
  }
  return engine_group_step(to, function, group->parts[i], argv, argc, 0, err);
}

/* Part i goes to the first. */
static int merge(struct parallel *parallel,
                 const struct engine_function *function,
                 struct parallel_group *group, uint32_t i, struct err *err) {
  struct engine *from = member(parallel, i);
  struct value state;
  if (engine_group_part(from, function, group->parts[i], &state, err)) {
    return -1;
  }
  int rc = engine_group_merge(member(parallel, 0), function, group->parts[0],
                              &state, err);
  if (state.flags & VALUE_OWNED) {
    parallel->engine.host->free((void *)(uintptr_t)state.data);
  } else {
    engine_release(from);
  }
  return rc;
}

static int parallel_group_value(struct engine *engine,
                                const struct engine_function *function,
                                struct engine_group *base, int last,
                                struct value *result, struct err *err) {
  struct parallel *parallel = parallel_of(engine);
  struct parallel_group *group = group_of(base);
  if (!last) return not_dealt(err);
  for (uint32_t i = 1; i < group->count; i++) {
    if (group->parts[i] && merge(parallel, function, group, i, err)) return -1;
  }
  return engine_group_value(member(parallel, 0), function, group->parts[0],
                            last, result, err);
}

static void parallel_release(struct engine *engine) {
  engine_release(member(parallel_of(engine), 0));
}

static void parallel_close(struct engine *engine) { free(engine); }

static const struct engine_ops parallel_ops = {
    .close = parallel_close,
    .group_new = parallel_group_new,
    .group_step = parallel_group_step,
    .group_value = parallel_group_value,
    .group_free = parallel_group_free,
    .release = parallel_release,
};

struct engine *parallel_new(struct pool *pool) {
  struct parallel *parallel = malloc(sizeof *parallel);
  if (!parallel) return NULL;
  *parallel = (struct parallel){
      .engine = {&parallel_ops, pool->members[0]->host}, .pool = pool};
  return &parallel->engine;
}
