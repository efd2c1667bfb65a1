/* codec.c - values as bytes, and back: see codec.h */
#include "codec.h"

#include <assert.h>
#include <string.h>

#include "ring.h"

/* Two words, each written and read at once: what they consist of is shifted. */
struct head {
  uint64_t kind;    /* type, and flags from FLAGS_SHIFT on */
  uint64_t payload; /* the number's bits, or len */
};

_Static_assert(sizeof(struct head) == CODEC_HEAD, "the wire format");

enum { FLAGS_SHIFT = 8, FLAGS_ON_WIRE = VALUE_JSON | VALUE_STREAMED };

void codec_put_head(uint8_t *to, const struct value *value) {
  struct head head;
  head.kind = value->type | (value->flags & FLAGS_ON_WIRE) << FLAGS_SHIFT;
  head.payload =
      value->type >= VALUE_TEXT ? value->len : (uint64_t)value->integer;
  memcpy(to, &head.kind, sizeof head.kind);
  memcpy(to + sizeof head.kind, &head.payload, sizeof head.payload);
}

uint64_t codec_need(const uint8_t head[CODEC_HEAD]) {
  struct value value = {.type = head[0]};
  memcpy(&value.len, head + sizeof(uint64_t), sizeof value.len);
  return codec_size(&value);
}

uint8_t *codec_put(uint8_t *to, const struct value *value) {
  codec_put_head(to, value);
  to += CODEC_HEAD;
  if (value->type < VALUE_TEXT || (value->flags & VALUE_STREAMED) ||
      !value->len) {
    return to;
  }
  assert(value->type != VALUE_ROWS);
  memcpy(to, value->data, value->len);
  uint64_t padded = (value->len + 7) & ~UINT64_C(7);
  memset(to + value->len, 0, padded - value->len);
  return to + padded;
}

int codec_get_any(struct codec_reader *reader, struct value *value) {
  struct head head;
  size_t left = (size_t)(reader->end - reader->at);
  if (left < sizeof head) return -1;
  ring_copy(&head.kind, reader->at, sizeof head.kind);
  ring_copy(&head.payload, reader->at + sizeof head.kind, sizeof head.payload);
  left -= sizeof head;
  const uint8_t *at = reader->at + sizeof head;
  uint32_t flags = (uint32_t)(head.kind >> FLAGS_SHIFT) & FLAGS_ON_WIRE;
  uint8_t type = (uint8_t)head.kind;
  switch (type) {
    case VALUE_NULL:
      value_set_null(value);
      break;
    case VALUE_INTEGER:
    case VALUE_REAL:
      value_set_integer(value, (int64_t)head.payload);
      value->type = type;
      break;
    case VALUE_TEXT:
    case VALUE_BLOB:
      value_set_bytes(value, (enum value_type)type, flags, NULL, head.payload);
      if (flags & VALUE_STREAMED) {
        if (head.payload > INT64_MAX) return -1;
        break;
      }
      if (head.payload > left) return -1;
      value->data = at;
      at += (head.payload + 7) & ~UINT64_C(7);
      if (at > reader->end) return -1;
      break;
    default:
      return -1;
  }
  reader->at = at;
  return 0;
}

/* Its head alone is here. */
int codec_get_argument(struct codec_reader *reader, struct value *value) {
  struct head head;
  size_t left = (size_t)(reader->end - reader->at);
  if (left < sizeof head) return -1;
  ring_copy(&head.kind, reader->at, sizeof head.kind);
  if ((uint8_t)head.kind != VALUE_ROWS) return codec_get(reader, value);
  ring_copy(&head.payload, reader->at + sizeof head.kind, sizeof head.payload);
  if (!((head.kind >> FLAGS_SHIFT) & VALUE_STREAMED)) return -1;
  if (head.payload > INT64_MAX) return -1;
  value_set_bytes(value, VALUE_ROWS, VALUE_STREAMED, NULL, head.payload);
  reader->at += sizeof head;
  return 0;
}

void codec_add_any(struct buf *buf, const struct value *value) {
  void *room = buf_grow(buf, codec_size(value));
  if (room) codec_put(room, value);
}
