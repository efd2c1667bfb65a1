/* stream.c - rows that come from a worker: see stream.h */
#include "stream.h"

#include <stdlib.h>

/* ---- rows ---- */

static int row_init(struct stream_row *row, uint32_t columns) {
  row->values = calloc(columns, sizeof *row->values + sizeof *row->owned);
  row->owned = row->values ? (void **)(row->values + columns) : NULL;
  return row->values ? 0 : -1;
}

/* It is not looked at any more. */
static void row_drop(struct stream *stream, struct stream_row *row) {
  if (row->in_ring) worker_done(stream->worker);
  row->in_ring = 0;
  for (uint32_t i = 0; row->owning && i < stream->columns; i++) {
    if (row->owned[i]) stream->host->free(row->owned[i]);
    row->owned[i] = NULL;
  }
  row->owning = 0;
}

static void row_fini(struct stream *stream, struct stream_row *row) {
  row_drop(stream, row);
  free(row->values);
  buf_fini(&row->bytes);
}

static int has_streams(const struct stream *stream,
                       const struct stream_row *row) {
  for (uint32_t i = 0; i < stream->columns; i++) {
    if (row->values[i].flags & VALUE_STREAMED) return 1;
  }
  return 0;
}

/* The values that lie in the ring as bytes of our own, from which they are read
** again. What is between their heads and the bytes may change meanwhile: only what
** was copied counts. */
static int row_copy(struct stream *stream, struct stream_row *row) {
  row->bytes.len = 0;
  for (uint32_t i = 0; i < stream->columns; i++) {
    if (!(row->values[i].flags & VALUE_STREAMED)) {
      codec_add(&row->bytes, &row->values[i]);
    }
  }
  if (row->bytes.failed) return -1;
  struct codec_reader reader = {
      (const uint8_t *)row->bytes.data,
      (const uint8_t *)row->bytes.data + row->bytes.len};
  for (uint32_t i = 0; i < stream->columns; i++) {
    if (row->values[i].flags & VALUE_STREAMED) continue;
    if (codec_get(&reader, &row->values[i])) return -1;
  }
  return 0;
}

/* Reads what follows the message. */
static int row_read_streams(struct stream *stream, struct stream_row *row,
                            struct err *err) {
  for (uint32_t i = 0; i < stream->columns; i++) {
    struct value *value = &row->values[i];
    if (!(value->flags & VALUE_STREAMED)) continue;
    if (worker_read_value(stream->worker, value, err)) return -1;
    if (value->flags & VALUE_OWNED) {
      row->owned[i] = (void *)(uintptr_t)value->data;
      row->owning = 1;
    }
    value->flags &= VALUE_JSON;
  }
  return 0;
}

/* The row out of the ring, so that something else can be read from there. */
static int row_save(struct stream *stream, struct stream_row *row,
                    struct err *err) {
  int rc = row_copy(stream, row);
  worker_done(stream->worker);
  row->in_ring = 0;
  return rc ? err_nomem(err) : row_read_streams(stream, row, err);
}

/* ---- rows that come ---- */

int stream_init(struct stream *stream, struct worker *worker, uint32_t columns,
                struct err *err) {
  stream->worker = worker;
  stream->host = worker->host;
  stream->columns = columns;
  return row_init(&stream->row, columns) ? err_nomem(err) : 0;
}

void stream_fini(struct stream *stream) {
  row_fini(stream, &stream->row);
  buf_fini(&stream->stash);
  err_clear(&stream->err);
}

/* A worker that has more rows gives one at least: who asks gets on. */
static int is_end(const struct stream *stream, const struct value *reply) {
  return reply->type == VALUE_INTEGER &&
         (!reply->integer || stream->credit < stream->asked);
}

/* The next row of the request under way; STREAM_ASK, STREAM_END or -1 at the end
** of them. */
static int receive(struct stream *stream, struct stream_row *row,
                   struct err *err) {
  struct worker *worker = stream->worker;
  struct value reply;
  int got = worker_row(worker, row->values, stream->columns, &reply, err);
  if (got > 0 && !stream->credit--) {
    got = worker_broke(worker, "more rows than were asked for", err);
  } else if (!got && !is_end(stream, &reply)) {
    got = worker_broke(worker, "a reply that cannot be read", err);
  }
  if (got > 0) {
    row->in_ring = 1;
    if (!has_streams(stream, row) || !row_save(stream, row, err)) {
      return STREAM_ROW;
    }
    worker_kill(worker); /* the rest of the reply is nobody's */
    got = -1;
  }
  stream->coming = 0;
  if (worker->pid) worker->settle = NULL;
  stream->more = got == 0 && reply.integer;
  return got < 0 ? -1 : stream->more ? STREAM_ASK : STREAM_END;
}

/* All rows that still come, into the stash. */
static int stash(struct stream *stream, struct stream_row *row) {
  int got;
  while ((got = receive(stream, row, &stream->err)) == STREAM_ROW) {
    for (uint32_t i = 0; i < stream->columns; i++) {
      codec_add(&stream->stash, &row->values[i]);
    }
    row_drop(stream, row);
    if (stream->stash.failed) return err_nomem(&stream->err);
  }
  return 0;
}

/* worker.settle. An error of the function's is the stream's alone. */
static int settle(void *arg, struct err *err) {
  struct stream *stream = arg;
  struct worker *worker = stream->worker;
  struct stream_row row = {0};
  int rc =
      stream->row.in_ring ? row_save(stream, &stream->row, &stream->err) : 0;
  if (!rc && row_init(&row, stream->columns)) rc = err_nomem(&stream->err);
  if (!rc) rc = stash(stream, &row);
  if (row.values) row_fini(stream, &row);
  if (rc && worker->pid) worker_kill(worker); /* in the midst of a reply */
  stream->coming = 0;
  if (worker->pid) return 0;
  return err_set(err, stream->err.code ? stream->err.code : ERR_CRASH, "%s",
                 stream->err.text ? stream->err.text : "the worker has ended");
}

int stream_ask(struct stream *stream, struct wire_head *head, const char *name,
               const struct value *values, uint32_t count, uint32_t timeout_ms,
               struct err *err) {
  stream->stash.len = stream->stash_at = 0;
  stream->more = 0;
  stream->asked = stream->credit = head->b;
  if (worker_send(stream->worker, head, name, values, count, timeout_ms, err)) {
    return -1;
  }
  stream->coming = 1;
  stream->worker->settle = settle;
  stream->worker->settle_arg = stream;
  return 0;
}

void stream_lose(struct stream *stream) {
  stream->row.in_ring = 0;
  if (stream->coming) stream->more = 1; /* which then fails */
  stream->coming = 0;
}

int stream_next(struct stream *stream, struct err *err) {
  struct stream_row *row = &stream->row;
  if (row->in_ring || row->owning) row_drop(stream, row);
  if (stream->stash_at < stream->stash.len) {
    struct codec_reader reader = {
        (const uint8_t *)stream->stash.data + stream->stash_at,
        (const uint8_t *)stream->stash.data + stream->stash.len};
    for (uint32_t i = 0; i < stream->columns; i++) {
      if (codec_get(&reader, &row->values[i])) break; /* they are our own */
    }
    stream->stash_at = stream->stash.len - (size_t)(reader.end - reader.at);
    return STREAM_ROW;
  }
  if (stream->err.code) {
    if (err) err_take(err, &stream->err);
    return -1;
  }
  if (stream->coming) return receive(stream, row, err);
  return stream->more ? STREAM_ASK : STREAM_END;
}

int stream_stop(struct stream *stream, struct err *err) {
  int got = stream->more ? STREAM_ASK : STREAM_END;
  row_drop(stream, &stream->row);
  if (!stream->coming) return got;
  worker_stop(stream->worker);
  while ((got = receive(stream, &stream->row, err)) == STREAM_ROW) {
    row_drop(stream, &stream->row);
  }
  return got;
}
