/* crew.c - those members of a pool that one running map is spread over: see crew.h */
#include "crew.h"

#include <stdlib.h>

#include "workers.h"

enum { MEMBERS_MAX = ENGINE_MAP_WAIT_MAX, EACH = 2 };

int crew_init(struct crew *crew, struct pool *pool,
              const struct engine_function *function, uint32_t most,
              struct err *err) {
  if (pool->mode == ENGINE_THREAD) most = 1;
  if (most > MEMBERS_MAX) most = MEMBERS_MAX;
  crew->members = calloc(most, sizeof *crew->members);
  if (!crew->members) return err_nomem(err);
  pool_enter(pool);
  crew->pool = pool;
  crew->function = function;
  crew->count = 1;
  crew->most = most;
  crew->sent = 0;
  return 0;
}

static uint32_t load(const struct crew_member *member) {
  return (member->maps[0] != NULL) + (uint32_t)(member->maps[1] != NULL);
}

int crew_grow(struct crew *crew) {
  if (crew->count == crew->most) return 0;
  /* One that has to be started would wait for a place, and fail. */
  if (crew->count == crew->pool->count && !workers_have_place()) return 0;
  /* Without memory those that there are have to do. */
  if (pool_gather(crew->pool, crew->count + 1, NULL)) return 0;
  crew->count++;
  return 1;
}

/* Who is to have the next; -1: nobody. One that has nothing takes any: it reads
** while we write. */
static int64_t choose(const struct crew *crew, uint64_t len) {
  int64_t best = -1;
  for (uint32_t i = 0; i < crew->count; i++) {
    uint32_t has = load(&crew->members[i]);
    if (!has) return i;
    if (has < EACH && best < 0 &&
        engine_map_has_room(crew->pool->members[i], len)) {
      best = i;
    }
  }
  return best;
}

int crew_is_free(const struct crew *crew, uint64_t len) {
  return choose(crew, len) >= 0;
}

void crew_send(struct crew *crew, struct engine_map *map) {
  int64_t i = choose(crew, map->in.len);
  if (i < 0) i = 0;
  struct crew_member *member = &crew->members[i];
  member->maps[member->maps[0] != NULL] = map;
  crew->sent++;
  engine_map_send(crew->pool->members[i], crew->function, map);
}

/* Takes one that is back out of the books. */
static struct engine_map *take(struct crew *crew) {
  for (uint32_t i = 0; i < crew->count; i++) {
    struct crew_member *member = &crew->members[i];
    for (int at = 0; at < EACH; at++) {
      struct engine_map *map = member->maps[at];
      if (!map || map->state == ENGINE_MAP_SENT) continue;
      member->maps[at] = NULL;
      if (!member->maps[0]) {
        member->maps[0] = member->maps[1];
        member->maps[1] = NULL;
      }
      crew->sent--;
      return map;
    }
  }
  return NULL;
}

/* Waits for one of the first `count` members that have something. */
static void wait_any(struct crew *crew, uint32_t most_ms) {
  struct engine *busy[MEMBERS_MAX];
  uint32_t count = 0;
  for (uint32_t i = 0; i < crew->count; i++) {
    if (load(&crew->members[i])) busy[count++] = crew->pool->members[i];
  }
  engine_map_wait(busy, count, most_ms);
}

struct engine_map *crew_next(struct crew *crew, uint32_t most_ms) {
  if (!crew->sent) return NULL;
  struct engine_map *map = take(crew);
  if (map) return map;
  wait_any(crew, most_ms);
  return take(crew);
}

/* All at once: each member's batches are run in order, the first of them now. */
static void stop(struct crew *crew) {
  for (uint32_t i = 0; i < crew->count; i++) {
    const struct engine_map *map = crew->members[i].maps[0];
    if (map) engine_map_stop(crew->pool->members[i], map);
  }
}

void crew_fini(struct crew *crew) {
  if (!crew->members) return;
  while (crew->sent) {
    stop(crew);
    crew_next(crew, 1000); /* what became of it, it says itself */
  }
  pool_leave(crew->pool);
  free(crew->members);
  *crew = (struct crew){0};
}
