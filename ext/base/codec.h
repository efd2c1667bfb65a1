/* codec.h - values as bytes, and back
**
** HOW IT WORKS. A value is 16 bytes: its type, its flags and 8 bytes that hold
** the number, or the length of the TEXT or BLOB that follows, padded to 8.
** A value marked VALUE_STREAMED has no bytes here: they come after the
** message (wire.h). Host byte order: both ends are one machine.
**
** The reader does not trust the writer, which may go on changing the bytes: each
** head is copied once (ring_copy) and checked, and only the copy is used. The
** bytes of a TEXT or BLOB are for one copy: whoever wants to look at them twice
** copies them first. VALUE_ROWS are read by codec_get_argument() alone, which is
** the worker's.
*/
#ifndef PYUDF_CODEC_H
#define PYUDF_CODEC_H

#include <stddef.h>

#include "buf.h"
#include "ring.h"
#include "value.h"

enum { CODEC_HEAD = 16 };

/* Bytes that the value takes, its own bytes included unless streamed, as ROWS
** always are. */
static inline uint64_t codec_size(const struct value *value) {
  int inline_bytes =
      value->type >= VALUE_TEXT && !(value->flags & VALUE_STREAMED);
  return CODEC_HEAD + (inline_bytes ? (value->len + 7) & ~UINT64_C(7) : 0);
}

/* Writes codec_size() bytes at `to`; returns the byte after them. */
uint8_t *codec_put(uint8_t *to, const struct value *value);

/* Writes its head alone, CODEC_HEAD bytes. */
void codec_put_head(uint8_t *to, const struct value *value);

/* Bytes that a value takes, as its head says, which is trusted. */
uint64_t codec_need(const uint8_t head[CODEC_HEAD]);

struct codec_reader {
  const uint8_t *at;
  const uint8_t *end;
};

int codec_get_any(struct codec_reader *reader, struct value *value);

/* Reads the next value, whose data then points into the reader's bytes.
** Returns 0, or -1 where the bytes are not a value. Numbers are read here, as there
** are as many of them as rows; what else there is copies its head once more. */
static inline int codec_get(struct codec_reader *reader, struct value *value) {
  uint64_t head[2];
  if ((size_t)(reader->end - reader->at) < CODEC_HEAD) return -1;
  ring_copy(head, reader->at, sizeof head);
  uint8_t type = (uint8_t)head[0];
  if (type != VALUE_INTEGER && type != VALUE_REAL) {
    return codec_get_any(reader, value);
  }
  value_set_integer(value, (int64_t)head[1]);
  value->type = type;
  reader->at += CODEC_HEAD;
  return 0;
}

/* The same for what a host sends to its worker: VALUE_ROWS too, streamed. */
int codec_get_argument(struct codec_reader *reader, struct value *value);

void codec_add_any(struct buf *buf, const struct value *value);

/* Appends a value to a buf. */
static inline void codec_add(struct buf *buf, const struct value *value) {
  if (value->type >= VALUE_TEXT || buf->size - buf->len < CODEC_HEAD ||
      buf->failed) {
    codec_add_any(buf, value);
    return;
  }
  uint64_t head[2] = {value->type, (uint64_t)value->integer};
  memcpy(buf->data + buf->len, head, sizeof head);
  buf->len += sizeof head;
}

#endif
