/* buf.h - a byte string that grows
**
** For what is built once and is not on the path of a call: manifests,
** requests, messages for humans.
*/
#ifndef PYUDF_BUF_H
#define PYUDF_BUF_H

#include <stddef.h>

/* Starts as {0}; buf_fini() frees. `data` is NULL while empty. */
struct buf {
  char *data;
  size_t len;
  size_t size;
  int failed; /* 1 once memory ran out; everything after is ignored */
};

void buf_fini(struct buf *buf);

/* Room for len more bytes at the end, counted as used; NULL without memory. */
void *buf_grow(struct buf *buf, size_t len);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The content as a NUL-terminated string (malloc) that the caller frees; the
** buf is empty after. NULL where memory ran out at any time. */
char *buf_take(struct buf *buf);

#endif
