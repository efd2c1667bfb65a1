/* maps.h - the batches that a worker has, seen from the host
**
** A part of worker.c's: several batches may be under way in a worker, which runs
** them in order and answers each. Nothing else is: whatever is sent besides waits
** for them first. The other end is ext/python/maps.c.
*/
#ifndef PYUDF_ENGINE_MAPS_H
#define PYUDF_ENGINE_MAPS_H

#include "worker.h"

/* Sends one, or gives it back with an error. The worker may be gone after. */
void maps_send(struct worker *worker, const struct engine_function *function,
               struct engine_map *map, uint32_t timeout_ms);

/* 1 where one of that length can be sent without a wait. */
static inline int maps_has_room(struct worker *worker, uint64_t len) {
  return wire_has_room(&worker->wire, len);
}

/* Waits for all of them. -1 and err where the worker is gone after. */
int maps_drain(struct worker *worker, struct err *err);

/* The worker is gone: the first one was its end (`why`, NULL where that is not
** known), the others were not begun. */
void maps_lost(struct worker *worker, const struct err *why);

void maps_stop(struct worker *worker, const struct engine_map *map);

/* Waits for one of all of them, each worker having one, for at most most_ms. */
void maps_wait(struct worker *const *workers, uint32_t count, uint32_t most_ms);

/* What changes as soon as a row, or what was posted, has its turn: the time of each
** counts from there. */
uint32_t maps_progress(struct worker *worker);

/* 1 where the batch under way is not wanted any more, and the row that runs has had
** a while to end by itself. */
int maps_is_stopped(struct worker *worker, int64_t now_ms);

/* The seq of the request under way. */
static inline uint64_t maps_oldest(const struct worker *worker) {
  return worker->seq - (worker->map_count ? worker->map_count - 1 : 0);
}

#endif
