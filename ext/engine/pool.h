/* pool.h - the engines of one mode that a session has
**
** The first is the session's own, which has its scalar calls; the others, each with
** a worker of its own, are opened for parallel aggregates and maps, and kept. In
** thread mode there is the first alone. Members may be used for several things at
** a time: see engine_map_send().
*/
#ifndef PYUDF_POOL_H
#define PYUDF_POOL_H

#include "engine.h"

struct pool {
  enum engine_mode mode;
  struct engine **members; /* [0] is borrowed */
  uint32_t count;
  uint32_t users; /* groups and maps that there are */
};

/* `first` outlives it. NULL and err set without memory. */
struct pool *pool_new(enum engine_mode mode, struct engine *first,
                      struct err *err);
void pool_free(struct pool *pool); /* NULL-safe */

/* Around each use. Members beyond the setting that nobody uses go. */
void pool_enter(struct pool *pool);
static inline void pool_leave(struct pool *pool) { pool->users--; }

/* As many members as that, at least: they start nothing yet. */
int pool_gather(struct pool *pool, uint32_t count, struct err *err);

/* For all but the first. */
void pool_forget(struct pool *pool, uint32_t definition_id);
void pool_statement_end(struct pool *pool);

#endif
