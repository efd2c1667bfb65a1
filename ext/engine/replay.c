/* replay.c - a session's definitions, made again in an engine: see replay.h */
#include "replay.h"

enum { CRASHES_MAX = 2 };

void replay_restart(struct replay *replay) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < replay->count; i++) {
    if (replay->broken[i].crashes) replay->broken[kept++] = replay->broken[i];
  }
  replay->count = kept;
  replay->made = 0;
}

static uint32_t find(const struct replay *replay, uint32_t id) {
  uint32_t i = 0;
  while (i < replay->count && replay->broken[i].id != id) i++;
  return i;
}

/* Where there are more than we can note, the oldest is tried again. */
static void note(struct replay *replay, uint32_t id, uint32_t crashes) {
  uint32_t i = find(replay, id);
  if (i == REPLAY_BROKEN_MAX) {
    replay_forget(replay, replay->broken[0].id);
    i = replay->count;
  }
  if (i == replay->count) replay->count++;
  replay->broken[i].id = id;
  replay->broken[i].crashes = crashes;
}

void replay_forget(struct replay *replay, uint32_t id) {
  uint32_t i = find(replay, id);
  if (i == replay->count) return;
  for (replay->count--; i < replay->count; i++) {
    replay->broken[i] = replay->broken[i + 1];
  }
}

/* 1 where the engine was lost in it. */
static int is_crash(const struct err *why) {
  return why->code == ERR_CRASH || why->code == ERR_OOM;
}

int replay_run(struct replay *replay, const struct engine_program *program,
               replay_make make, void *engine, struct err *err) {
  uint32_t i = program->count;
  for (; i > 0; i--) {
    const struct definition *last = program->items[i - 1];
    if (last && last->serial <= replay->made) break;
  }
  for (; i < program->count; i++) {
    const struct definition *definition = program->items[i];
    if (!definition || definition->serial <= replay->made) continue;
    uint32_t at = find(replay, definition->id);
    struct err why = {0};
    if (at == replay->count && make(engine, definition, &why)) {
      if (why.code != ERR_INTERRUPT) {
        note(replay, definition->id, is_crash(&why));
      }
      if (why.code == ERR_INTERRUPT || is_crash(&why)) {
        err_take(err, &why);
        return -1;
      }
      err_clear(&why); /* it comes again when it is called */
    }
    replay->made = definition->serial;
  }
  replay->made = program->last_serial;
  return 0;
}

int replay_mend(struct replay *replay, const struct engine_program *program,
                uint32_t id, replay_make make, void *engine, struct err *err) {
  uint32_t at = find(replay, id);
  if (at == replay->count) return 0;
  uint32_t crashes = replay->broken[at].crashes;
  if (crashes >= CRASHES_MAX) {
    return err_set(err, ERR_CRASH,
                   "its definition crashed the worker when it was made again: "
                   "define it anew");
  }
  const struct definition *definition = NULL;
  for (uint32_t i = 0; i < program->count; i++) {
    const struct definition *item = program->items[i];
    if (item && item->id == id) definition = item;
  }
  struct err why = {0};
  if (definition && make(engine, definition, &why)) {
    if (is_crash(&why)) note(replay, id, crashes + 1);
    err_take(err, &why);
    return -1;
  }
  replay_forget(replay, id);
  return 0;
}
