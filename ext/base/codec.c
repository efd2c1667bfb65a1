/* codec.c - values as bytes, and back: see codec.h */
#include "codec.h"

#include <string.h>

struct head {
  uint8_t type;
  uint8_t flags;
  uint8_t zero[6];
  uint64_t payload; /* the number's bits, or len */
};

_Static_assert(sizeof(struct head) == CODEC_HEAD, "the wire format");

enum { FLAGS_ON_WIRE = VALUE_JSON | VALUE_STREAMED };

uint8_t *codec_put(uint8_t *to, const struct value *value) {
  struct head head = {.type = (uint8_t)value->type,
                      .flags = (uint8_t)(value->flags & FLAGS_ON_WIRE)};
  int bytes = value_is_bytes(value);
  if (bytes) {
    head.payload = value->len;
  } else {
    memcpy(&head.payload, &value->integer, sizeof head.payload);
  }
  memcpy(to, &head, sizeof head);
  to += sizeof head;
  if (!bytes || (value->flags & VALUE_STREAMED) || !value->len) return to;
  memcpy(to, value->data, value->len);
  uint64_t padded = (value->len + 7) & ~UINT64_C(7);
  memset(to + value->len, 0, padded - value->len);
  return to + padded;
}

int codec_get(struct codec_reader *reader, struct value *value) {
  struct head head;
  size_t left = (size_t)(reader->end - reader->at);
  if (left < sizeof head) return -1;
  memcpy(&head, reader->at, sizeof head);
  left -= sizeof head;
  const uint8_t *at = reader->at + sizeof head;
  *value = (struct value){.type = head.type,
                          .flags = head.flags & FLAGS_ON_WIRE};
  switch (head.type) {
    case VALUE_NULL:
      break;
    case VALUE_INTEGER:
    case VALUE_REAL:
      memcpy(&value->integer, &head.payload, sizeof head.payload);
      break;
    case VALUE_TEXT:
    case VALUE_BLOB:
      value->len = head.payload;
      if (head.flags & VALUE_STREAMED) {
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

void codec_add(struct buf *buf, const struct value *value) {
  void *room = buf_grow(buf, codec_size(value));
  if (room) codec_put(room, value);
}
