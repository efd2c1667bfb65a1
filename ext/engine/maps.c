/* maps.c - the batches that a worker has, seen from the host: see maps.h */
#include "maps.h"

#include <string.h>

#include "forks.h"

static void copy_err(struct err *to, const struct err *from) {
  err_clear(to);
  err_set(to, from->code, "%s", from->text ? from->text : "");
  if (from->traceback) {
    err_set_traceback(to, from->traceback, strlen(from->traceback));
  }
}

/* Takes the oldest one out of the list. */
static struct engine_map *take(struct worker *worker,
                               enum engine_map_state state) {
  struct engine_map *map = worker->maps;
  worker->maps = map->next;
  worker->map_count--;
  map->next = NULL;
  map->state = state;
  return map;
}

void maps_lost(struct worker *worker, const struct err *why) {
  if (!worker->maps) return;
  struct err unknown = {0};
  if (!why || !why->code) {
    err_set(&unknown, ERR_CRASH, "worker %d has ended", (int)worker->pid);
    why = &unknown;
  }
  struct engine_map *first = take(worker, ENGINE_MAP_FAILED);
  first->done = 0;
  first->lost = 1;
  copy_err(&first->err, why);
  while (worker->maps) take(worker, ENGINE_MAP_BACK);
  err_clear(&unknown);
}

void maps_send(struct worker *worker, const struct engine_function *function,
               struct engine_map *map, uint32_t timeout_ms) {
  const struct batch_options *options = &map->options;
  struct value values[WIRE_MAP_FIELDS + 1] = {
      value_integer(map->in.columns),
      value_integer(map->in.rows),
      value_integer(options->concurrency),
      value_integer(options->timeout_ms),
      value_integer(options->retries),
      value_integer(options->columns),
      value_bytes(VALUE_BLOB, map->in.data, map->in.len)};
  struct wire_head head = {
      .type = WIRE_MAP, .a = function->definition_id, .b = function->index};
  int others = worker->maps != NULL;
  struct err err = {0};
  map->done = 0;
  map->lost = 0;
  map->time_ns = 0;
  if (worker_send_map(worker, &head, function->name, values,
                      WIRE_MAP_FIELDS + 1, map->in.rows, timeout_ms, &err)) {
    /* Of what it died, one before it was. */
    map->state = others ? ENGINE_MAP_BACK : ENGINE_MAP_FAILED;
    if (!others) err_take(&map->err, &err);
    err_clear(&err);
    return;
  }
  map->state = ENGINE_MAP_SENT;
  map->next = NULL;
  struct engine_map **end = &worker->maps;
  while (*end) end = &(*end)->next;
  *end = map;
  worker->map_count++;
}

/* ---- replies ---- */

/* Reads values; -1 where there are none of the kind that a batch has. */
static int skip(struct codec_reader *reader, uint64_t count) {
  struct value value;
  while (count--) {
    if (codec_get(reader, &value) || value.flags & VALUE_STREAMED) return -1;
  }
  return 0;
}

/* 1 where these bytes are the values of so many rows, and nothing else. They are
** our own by now, and do not change. */
static int is_result(const struct engine_map *map, const char *data,
                     uint64_t len) {
  struct codec_reader reader = {(const uint8_t *)data,
                                (const uint8_t *)data + len};
  if (!map->table) {
    if (skip(&reader, (uint64_t)map->done * map->columns)) return 0;
  }
  for (uint32_t i = 0; map->table && i < map->done; i++) {
    struct value rows;
    /* A value takes up CODEC_HEAD bytes: no multiplication gets out of hand. */
    if (codec_get(&reader, &rows) || rows.type != VALUE_INTEGER ||
        rows.integer < 0 || rows.integer > BATCH_RESULT_MAX / CODEC_HEAD ||
        skip(&reader, (uint64_t)rows.integer * map->columns)) {
      return 0;
    }
  }
  return reader.at == reader.end;
}

/* The values, behind what `out` has. */
static int read_values(struct worker *worker, const struct value *values,
                       struct buf *out, struct err *err) {
  if (values->type != VALUE_BLOB || values->len > BATCH_RESULT_MAX) {
    return worker_broke(worker, "a reply that cannot be read", err);
  }
  int streamed = (values->flags & VALUE_STREAMED) != 0;
  char *room = buf_grow(out, values->len);
  if (!room) {
    err_nomem(err);
    maps_lost(worker, err);
    worker_kill(worker);
    return -1;
  }
  if (!streamed) {
    if (values->len) memcpy(room, values->data, values->len);
    wire_done(&worker->wire);
  } else {
    wire_done(&worker->wire);
    if (wire_read(&worker->wire, room, values->len, err)) {
      maps_lost(worker, err);
      worker_kill(worker);
      return -1;
    }
  }
  return 0;
}

/* The reply to `map`. Returns 0; 1 and why where a row failed; or -1 and err where
** the worker is gone. */
static int read_reply(struct worker *worker, struct codec_reader *reader,
                      int failed, struct engine_map *map, struct err *why,
                      struct err *err) {
  struct value values[WIRE_MAPPED_FIELDS + 1];
  for (int i = 0; i < WIRE_MAPPED_FIELDS + 1; i++) {
    if (codec_get(reader, &values[i]) ||
        (i < WIRE_MAPPED_FIELDS && values[i].type != VALUE_INTEGER)) {
      return worker_broke(worker, "a reply that cannot be read", err);
    }
  }
  if (failed ? wire_get_err(reader, why) : reader->at != reader->end) {
    return worker_broke(worker, "a reply that cannot be read", err);
  }
  size_t began = map->out.len;
  if (read_values(worker, &values[WIRE_MAPPED_FIELDS], &map->out, err)) {
    return -1;
  }
  int64_t done = values[0].integer;
  int in_range = done >= 0 && done <= map->in.rows &&
                 (failed ? done < map->in.rows : done > 0 || !map->in.rows);
  map->done = in_range ? (uint32_t)done : 0;
  map->time_ns = values[1].integer > 0 ? (uint64_t)values[1].integer : 0;
  if (!in_range || !is_result(map, map->out.data ? map->out.data + began : NULL,
                              map->out.len - began)) {
    map->out.len = began;
    map->done = 0;
    return worker_broke(worker, "a batch's values that are not its rows'", err);
  }
  return failed;
}

/* Waits for the oldest one, which is then back, with what became of it. While it is
** read it is still the one that a worker's end is the end of. */
static void receive(struct worker *worker) {
  struct engine_map *map = worker->maps;
  struct wire_head head;
  struct codec_reader reader;
  struct err err = {0}, why = {0};
  uint64_t seq = maps_oldest(worker);
  int rc = -1;
  if (wire_recv(&worker->wire, &head, &reader, &err)) {
    maps_lost(worker, &err);
    worker_kill(worker);
  } else if (head.seq != seq) {
    worker_broke(worker, "a reply to another call", &err);
  } else if (head.type == WIRE_MAPPED) {
    rc = read_reply(worker, &reader, head.a == 1, map, &why, &err);
  } else if (head.type == WIRE_ERROR && !wire_get_err(&reader, &why)) {
    wire_done(&worker->wire);
    rc = 1;
  } else {
    worker_broke(worker, "a reply that cannot be read", &err);
  }
  if (rc > 0) worker_failed(worker, &why, &map->err);
  if (rc >= 0) {
    take(worker, rc ? ENGINE_MAP_FAILED : ENGINE_MAP_DONE);
    worker_answered(worker);
  }
  err_clear(&why);
  err_clear(&err);
}

int maps_drain(struct worker *worker, struct err *err) {
  while (worker->maps && worker_usable(worker)) receive(worker);
  if (worker_usable(worker)) return 0;
  return err_set(err, ERR_CRASH, "the worker died of a batch");
}

void maps_stop(struct worker *worker, const struct engine_map *map) {
  uint64_t seq = maps_oldest(worker);
  for (const struct engine_map *at = worker->maps; at; at = at->next, seq++) {
    if (at != map) continue;
    worker->stop_seq = seq;
    shm_stop_set(worker->shm.control, seq);
    return;
  }
}

void maps_wait(struct worker *const *workers, uint32_t count,
               uint32_t most_ms) {
  struct ring *rings[RING_ANY_MAX];
  const struct ring_wait *waits[RING_ANY_MAX];
  uint32_t which;
  struct err err = {0};
  for (uint32_t i = 0; i < count; i++) {
    rings[i] = &workers[i]->wire.in;
    waits[i] = &workers[i]->wire.wait;
  }
  int rc = ring_wait_any(rings, waits, count, most_ms, &which, &err);
  if (rc > 0) {
    receive(workers[which]);
  } else if (rc < 0) {
    maps_lost(workers[which], &err);
    worker_kill(workers[which]);
  }
  err_clear(&err);
}

uint32_t maps_progress(struct worker *worker) {
  uint32_t read = ring_read_count(&worker->wire.out);
  worker->rows = shm_rows_get(worker->shm.control);
  return worker->maps ? read + worker->rows : read;
}

int maps_is_stopped(struct worker *worker, int64_t now_ms) {
  enum { STOP_MS = 20 };
  if (!worker->maps || worker->stop_seq != maps_oldest(worker)) return 0;
  if (!worker->stop_ms) worker->stop_ms = now_ms + STOP_MS;
  return now_ms >= worker->stop_ms;
}
