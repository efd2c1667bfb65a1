/* crew.h - those members of a pool that one running map is spread over
**
** Begins with the first and takes on one more where that pays, which is for who
** deals the batches to say. Batches are the caller's (struct engine_map).
*/
#ifndef PYUDF_CREW_H
#define PYUDF_CREW_H

#include "pool.h"

struct crew {
  struct pool *pool;
  const struct engine_function *function;
  uint32_t count; /* members of the pool that take part */
  uint32_t most;  /* and may */
  uint32_t sent;  /* batches that are on their way */
  struct crew_member {
    struct engine_map *maps[2]; /* NULL, or one that it has */
  } * members;
};

/* Into a zeroed struct. Both outlive it. */
int crew_init(struct crew *crew, struct pool *pool,
              const struct engine_function *function, uint32_t most,
              struct err *err);

/* Stops what is on its way, and waits for that. */
void crew_fini(struct crew *crew);

/* One more member, unless there are `most`; 1 where there is. */
int crew_grow(struct crew *crew);

/* 1 where crew_send() finds a member that is free for one of that length. */
int crew_is_free(const struct crew *crew, uint64_t len);

/* Sends it to the one that has the least to do. Only after crew_is_free(). */
void crew_send(struct crew *crew, struct engine_map *map);

/* One that is back; NULL where none is after a wait of most_ms. */
struct engine_map *crew_next(struct crew *crew, uint32_t most_ms);

#endif
