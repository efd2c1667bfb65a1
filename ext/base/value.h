/* value.h - one SQL value, borrowed
**
** What crosses every boundary of pyudf: the SQLite side fills it from a
** sqlite3_value, the engines hand it on, the runtime turns it into a Python
** object and back. It owns nothing: `data` belongs to whoever made the value
** and lives as long as that one says.
*/
#ifndef PYUDF_VALUE_H
#define PYUDF_VALUE_H

#include <stdint.h>

/* The numbers are on the wire: append only. */
enum value_type {
  VALUE_NULL = 0,
  VALUE_INTEGER = 1,
  VALUE_REAL = 2,
  VALUE_TEXT = 3, /* UTF-8 as SQLite has it: may hold NUL and invalid bytes */
  VALUE_BLOB = 4,
  VALUE_ROWS = 5 /* an argument only: `data` is a struct rowset (rowset.h),
                 ** `len` the bytes of its encoding; streamed on the wire */
};

enum value_flag {
  VALUE_JSON = 1, /* TEXT that carries SQLite's JSON subtype */
  VALUE_STREAMED =
      2, /* on the wire: `len` bytes follow the message, data is NULL */
  VALUE_OWNED = 4, /* data came from engine_host.alloc: the receiver frees it */
  VALUE_HELD = 8   /* data is borrowed until engine_release() */
};

struct value {
  uint32_t type;  /* enum value_type */
  uint32_t flags; /* enum value_flag, or-ed */
  union {
    int64_t integer;
    double real;
    const void *data; /* TEXT, BLOB, ROWS; not NULL unless len is 0 or STREAMED
                      */
  };
  uint64_t len; /* bytes of TEXT or BLOB, without any terminator, or of the
                ** encoding of ROWS; else 0 */
};

static inline struct value value_null(void) {
  return (struct value){.type = VALUE_NULL};
}

static inline struct value value_integer(int64_t i) {
  return (struct value){.type = VALUE_INTEGER, .integer = i};
}

static inline struct value value_real(double r) {
  return (struct value){.type = VALUE_REAL, .real = r};
}

static inline struct value value_bytes(enum value_type type, const void *data,
                                       uint64_t len) {
  return (struct value){.type = (uint32_t)type, .data = data, .len = len};
}

/* The same into a value that is there. Field by field: a struct made on the
** stack and copied whole is stored in small pieces and loaded in large ones,
** which the processor cannot forward (10 ns of a call of 70, on Zen 4). */
static inline void value_set_integer(struct value *value, int64_t i) {
  value->type = VALUE_INTEGER;
  value->flags = 0;
  value->integer = i;
  value->len = 0;
}

static inline void value_set_real(struct value *value, double r) {
  value->type = VALUE_REAL;
  value->flags = 0;
  value->real = r;
  value->len = 0;
}

static inline void value_set_bytes(struct value *value, enum value_type type,
                                   uint32_t flags, const void *data,
                                   uint64_t len) {
  value->type = (uint32_t)type;
  value->flags = flags;
  value->data = data;
  value->len = len;
}

static inline void value_set_null(struct value *value) {
  value->type = VALUE_NULL;
  value->flags = 0;
  value->integer = 0;
  value->len = 0;
}

/* A C string as TEXT; NULL gives a NULL value. */
struct value value_text(const char *text);

/* 1 where the value is TEXT or BLOB, so that `data` and `len` mean something. */
static inline int value_is_bytes(const struct value *value) {
  return value->type == VALUE_TEXT || value->type == VALUE_BLOB;
}

/* A new NUL-terminated copy (malloc) of a TEXT; NULL for any other type and
** where memory is out. */
char *value_strdup(const struct value *value);

#endif
