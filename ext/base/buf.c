/* buf.c - a byte string that grows: see buf.h */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *buf) {
  free(buf->data);
  *buf = (struct buf){0};
}

void *buf_grow(struct buf *buf, size_t len) {
  if (buf->failed) return NULL;
  if (buf->size - buf->len < len) {
    size_t size = (buf->len + len) * 2 + 64;
    char *data = realloc(buf->data, size);
    if (!data) {
      buf->failed = 1;
      return NULL;
    }
    buf->data = data;
    buf->size = size;
  }
  void *room = buf->data + buf->len;
  buf->len += len;
  return room;
}

void buf_add(struct buf *buf, const void *data, size_t len) {
  void *room = buf_grow(buf, len);
  if (room && len) memcpy(room, data, len);
}

void buf_add_text(struct buf *buf, const char *text) {
  buf_add(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&text, format, args) < 0) text = NULL;
  va_end(args);
  if (text) {
    buf_add_text(buf, text);
  } else {
    buf->failed = 1;
  }
  free(text);
}

char *buf_take(struct buf *buf) {
  buf_add(buf, "", 1);
  char *data = buf->failed ? NULL : buf->data;
  if (!data) free(buf->data);
  *buf = (struct buf){0};
  return data;
}
