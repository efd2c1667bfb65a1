/* wire.c - messages between a host and one worker: see wire.h */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include "rowset.h"

enum {
  INLINE_MAX = 32 * 1024, /* longer values are streamed */
  INLINE_SMALL = 64,      /* the same where many values make a body too long */
  STREAM_CHUNK = 32 * 1024, /* published at a time: reader and writer overlap */
  POST_CHUNK = 2 * 1024     /* the same for small messages */
};

_Static_assert(sizeof(struct wire_head) == 24, "the wire format");

static int is_streamed(const struct value *value, uint64_t inline_max) {
  return (value_is_bytes(value) && value->len > inline_max) ||
         value->type == VALUE_ROWS;
}

static uint64_t body_size(const struct value *values, uint32_t count,
                          uint64_t inline_max) {
  uint64_t size = 0;
  for (uint32_t i = 0; i < count; i++) {
    size += is_streamed(&values[i], inline_max) ? (uint64_t)CODEC_HEAD
                                                : codec_size(&values[i]);
  }
  return size;
}

/* Rows are copied as they lie, in memory or in their file. */
static int stream(struct wire *wire, const struct value *value,
                  struct err *err) {
  const uint8_t *from = value->data;
  uint64_t left = value->len;
  int rows = value->type == VALUE_ROWS;
  while (left) {
    uint32_t len = left < STREAM_CHUNK ? (uint32_t)left : STREAM_CHUNK;
    uint8_t *to = ring_reserve(&wire->out, len, &wire->wait, err);
    if (!to) return -1;
    if (!rows) {
      memcpy(to, from, len);
      from += len;
    } else if (rowset_copy(value->data, value->len - left, to, len, err)) {
      return -1;
    }
    ring_commit(&wire->out, len);
    ring_publish(&wire->out, &wire->in);
    left -= len;
  }
  return 0;
}

/* Writes the message without its streams, which *streamed then tells of: values
** over so many bytes; 0: none. */
static int put(struct wire *wire, const struct wire_head *head,
               const struct value *values, uint32_t count, uint64_t *streamed,
               struct err *err) {
  uint64_t most = wire->out.size / 2 - sizeof *head;
  uint64_t inline_max = INLINE_MAX;
  uint64_t len = body_size(values, count, inline_max);
  if (len > most) {
    inline_max = INLINE_SMALL;
    len = body_size(values, count, inline_max);
    if (len > most) {
      return err_set(err, ERR_USAGE, "%u values are too many for a message",
                     count);
    }
  }
  uint32_t size = (uint32_t)(sizeof *head + len);
  uint8_t *to = ring_reserve(&wire->out, size, &wire->wait, err);
  if (!to) return -1;
  struct wire_head sent = *head;
  sent.len = (uint32_t)len;
  memcpy(to, &sent, sizeof sent);
  to += sizeof sent;
  *streamed = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!is_streamed(&values[i], inline_max)) {
      to = codec_put(to, &values[i]);
      continue;
    }
    struct value announced = values[i];
    announced.flags |= VALUE_STREAMED;
    to = codec_put(to, &announced);
    *streamed = inline_max;
  }
  ring_commit(&wire->out, size);
  return 0;
}

static int put_streams(struct wire *wire, const struct value *values,
                       uint32_t count, uint64_t streamed, struct err *err) {
  for (uint32_t i = 0; i < count; i++) {
    if (is_streamed(&values[i], streamed) && stream(wire, &values[i], err)) {
      return -1;
    }
  }
  return 0;
}

int wire_send(struct wire *wire, const struct wire_head *head,
              const struct value *values, uint32_t count, struct err *err) {
  uint64_t streamed;
  if (put(wire, head, values, count, &streamed, err)) return -1;
  ring_publish(&wire->out, &wire->in);
  return streamed ? put_streams(wire, values, count, streamed, err) : 0;
}

int wire_post(struct wire *wire, const struct wire_head *head,
              const struct value *values, uint32_t count, struct err *err) {
  uint64_t streamed;
  if (put(wire, head, values, count, &streamed, err)) return -1;
  if (streamed || ring_pending(&wire->out) >= POST_CHUNK) {
    ring_publish(&wire->out, &wire->in);
  }
  return streamed ? put_streams(wire, values, count, streamed, err) : 0;
}

int wire_has_room(struct wire *wire, uint64_t len) {
  enum { AROUND = 1024 };
  return len + AROUND <= ring_room(&wire->out);
}

void wire_flush(struct wire *wire) {
  if (ring_pending(&wire->out)) ring_publish(&wire->out, &wire->in);
}

int wire_recv(struct wire *wire, struct wire_head *head,
              struct codec_reader *reader, struct err *err) {
  const uint8_t *at = ring_peek(&wire->in, sizeof *head, &wire->wait, err);
  if (!at) return -1;
  ring_copy(head, at, sizeof *head);
  if (head->len > wire->in.size / 2 - sizeof *head || head->len % 8) {
    return err_set(err, ERR_CRASH,
                   "%s broke the protocol: a message of %u bytes",
                   wire->wait.peer ? wire->wait.peer : "the peer", head->len);
  }
  uint32_t size = (uint32_t)sizeof *head + head->len;
  at = ring_peek(&wire->in, size, &wire->wait, err);
  if (!at) return -1;
  wire->body_len = size;
  reader->at = at + sizeof *head;
  reader->end = reader->at + head->len;
  return 0;
}

void wire_done(struct wire *wire) {
  if (wire->body_len) ring_consume(&wire->in, wire->body_len);
  wire->body_len = 0;
}

int wire_read(struct wire *wire, void *to, uint64_t len, struct err *err) {
  uint8_t *at = to;
  while (len) {
    uint32_t chunk = len < STREAM_CHUNK ? (uint32_t)len : STREAM_CHUNK;
    const uint8_t *from = ring_peek(&wire->in, chunk, &wire->wait, err);
    if (!from) return -1;
    if (at) {
      memcpy(at, from, chunk);
      at += chunk;
    }
    ring_consume(&wire->in, chunk);
    ring_wake_writer(&wire->in);
    len -= chunk;
  }
  return 0;
}

void wire_put_err(const struct err *from,
                  struct value values[WIRE_ERR_FIELDS]) {
  values[0] = value_integer(from->code);
  values[1] = value_integer(from->line);
  values[2] = value_text(from->type);
  values[3] = value_text(from->text);
  values[4] = value_text(from->file);
  values[5] = value_text(from->traceback);
}

/* The strings are copied once, as their bytes may change, and looked at then. */
int wire_get_err(struct codec_reader *reader, struct err *to) {
  static const uint8_t types[WIRE_ERR_FIELDS] = {VALUE_INTEGER, VALUE_INTEGER,
                                                 VALUE_TEXT,    VALUE_TEXT,
                                                 VALUE_TEXT,    VALUE_TEXT};
  struct value v[WIRE_ERR_FIELDS];
  char *strings[WIRE_ERR_FIELDS] = {0};
  int rc = 0;
  for (int i = 0; i < WIRE_ERR_FIELDS && !rc; i++) {
    rc = codec_get(reader, &v[i]);
    if (rc || v[i].type == VALUE_NULL) continue;
    if (v[i].type != types[i] || (v[i].flags & VALUE_STREAMED)) rc = -1;
  }
  if (reader->at != reader->end) rc = -1;
  if (!rc && (v[0].integer <= ERR_NONE || v[0].integer > ERR_SYSTEM)) rc = -1;
  if (!rc) {
    for (int i = 2; i < WIRE_ERR_FIELDS; i++) strings[i] = value_strdup(&v[i]);
    err_set_exception(to, (enum err_code)v[0].integer, strings[2], strings[3],
                      strings[3] ? (size_t)v[3].len : 0, strings[4],
                      (int)v[1].integer, strings[5],
                      strings[5] ? (size_t)v[5].len : 0);
    for (int i = 2; i < WIRE_ERR_FIELDS; i++) free(strings[i]);
  }
  return rc;
}
