/* maps.c - what a worker does about batches: see maps.h */
#include "maps.h"

#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"

/* The batch under way. Its count is shared between its rows alone: what a row has
** forked has one of its own, and ends with it. */
struct under_way {
  struct server *server;
  uint32_t done;
};

static void row_ended(struct under_way *batch, int rc, struct err *err) {
  server_end_child(rc, err);
  batch->server->shm.control->rows = batch->done;
}

/* The host wants no more rows of it. */
static int stopped(void *arg) {
  struct under_way *batch = arg;
  struct server *server = batch->server;
  row_ended(batch, 0, NULL);
  return shm_stop_get(server->shm.control, server->seq);
}

/* The fields, and the rows in memory of their own (malloc): the host may send the
** next batch while this one runs. NULL and err set without memory. */
static void *receive(struct under_way *under_way, struct codec_reader *reader,
                     struct batch *batch, struct batch_options *options,
                     struct err *err) {
  struct server *server = under_way->server;
  struct value values[WIRE_MAP_FIELDS + 1];
  for (int i = 0; i < WIRE_MAP_FIELDS + 1; i++) {
    if (codec_get(reader, &values[i])) server_give_up();
  }
  const struct value *rows = &values[WIRE_MAP_FIELDS];
  void *data = malloc(rows->len + 1);
  *batch = (struct batch){.data = data,
                          .len = rows->len,
                          .columns = (uint32_t)values[0].integer,
                          .rows = (uint32_t)values[1].integer};
  *options = (struct batch_options){.concurrency = (uint32_t)values[2].integer,
                                    .timeout_ms = (uint32_t)values[3].integer,
                                    .retries = (uint32_t)values[4].integer,
                                    .columns = (uint32_t)values[5].integer,
                                    .stopped = stopped,
                                    .arg = under_way};
  if (data && rows->len && !(rows->flags & VALUE_STREAMED)) {
    memcpy(data, rows->data, rows->len);
  }
  wire_done(&server->wire);
  if (rows->flags & VALUE_STREAMED) {
    server_read_stream(server, data, rows->len);
  }
  if (!data) err_nomem(err);
  return data;
}

/* What there is, and what went wrong after it. */
static void reply(struct server *server, uint64_t seq, uint32_t done,
                  uint64_t took, const struct buf *out, int rc,
                  struct err *err) {
  struct value values[WIRE_MAPPED_FIELDS + 1 + WIRE_ERR_FIELDS] = {
      value_integer(done), value_integer((int64_t)took),
      value_bytes(VALUE_BLOB, out->data, out->len)};
  uint32_t count = WIRE_MAPPED_FIELDS + 1;
  struct wire_head head = {
      .type = WIRE_MAPPED, .seq = seq, .a = (uint32_t)(rc != 0)};
  if (rc) {
    if (err->code == ERR_PYTHON) server_name_alarm(server, err);
    wire_put_err(err, values + count);
    count += WIRE_ERR_FIELDS;
  }
  if (wire_send(&server->wire, &head, values, count, NULL)) server_give_up();
  err_clear(err);
}

void maps_serve(struct server *server, const struct wire_head *head,
                struct codec_reader *reader) {
  struct under_way under_way = {.server = server};
  struct batch batch;
  struct batch_options options;
  struct err err = {0};
  struct buf out = {0};
  void *data = receive(&under_way, reader, &batch, &options, &err);
  uint64_t began = clock_ns();
  server->shm.control->rows = 0;
  int rc = data ? server->runtime->map(server->space, head->a, head->b, &batch,
                                       &options, &out, &under_way.done, &err)
                : -1;
  uint64_t took = clock_ns() - began;
  row_ended(&under_way, rc, &err);
  if (out.len > BATCH_RESULT_MAX || out.failed) {
    uint64_t len = out.len;
    err_clear(&err);
    rc = out.failed
             ? err_nomem(&err)
             : err_set(&err, ERR_TOOBIG,
                       "a batch's results of %llu bytes are too many at once",
                       (unsigned long long)len);
    buf_fini(&out);
    under_way.done = 0;
  }
  reply(server, head->seq, under_way.done, took, &out, rc, &err);
  buf_fini(&out);
  free(data);
}
