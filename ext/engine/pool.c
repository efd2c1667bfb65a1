/* pool.c - the engines of one mode that a session has: see pool.h */
#include "pool.h"

#include <stdlib.h>

struct pool *pool_new(enum engine_mode mode, struct engine *first,
                      struct err *err) {
  struct pool *pool = calloc(1, sizeof *pool);
  struct engine **members = malloc(sizeof *members);
  if (!pool || !members) {
    free(pool);
    free(members);
    err_nomem(err);
    return NULL;
  }
  members[0] = first;
  *pool = (struct pool){.mode = mode, .members = members, .count = 1};
  return pool;
}

static void shrink(struct pool *pool, uint32_t count) {
  while (pool->count > count) engine_close(pool->members[--pool->count]);
}

void pool_free(struct pool *pool) {
  if (!pool) return;
  shrink(pool, 1);
  free(pool->members);
  free(pool);
}

void pool_enter(struct pool *pool) {
  if (!pool->users) shrink(pool, pool->members[0]->host->settings->workers);
  pool->users++;
}

int pool_gather(struct pool *pool, uint32_t count, struct err *err) {
  if (pool->mode == ENGINE_THREAD || count <= pool->count) return 0;
  struct engine **members =
      realloc(pool->members, count * sizeof(struct engine *));
  if (!members) return err_nomem(err);
  pool->members = members;
  for (; pool->count < count; pool->count++) {
    if (engine_open(pool->mode, members[0]->host, &members[pool->count], err)) {
      return -1;
    }
  }
  return 0;
}

void pool_forget(struct pool *pool, uint32_t definition_id) {
  for (uint32_t i = 1; i < pool->count; i++) {
    engine_forget(pool->members[i], definition_id);
  }
}

void pool_statement_end(struct pool *pool) {
  for (uint32_t i = 1; i < pool->count; i++) {
    engine_statement_end(pool->members[i]);
  }
}
