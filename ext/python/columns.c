/* columns.c - the rows of a batch as columns: see columns.h */
#include "columns.h"

#include <math.h>
#include <string.h>

#include "utf8.h"

enum {
  WIDE_FREE = 16 << 20, /* bytes that fixed width may take at any rate, */
  WIDE_FACTOR = 16      /* or so many times those of the texts */
};

/* ---- kinds ---- */

/* 1 where a double is the same number. */
static int exact(int64_t integer) {
  const int64_t most = INT64_C(1) << 53;
  return integer >= -most && integer <= most;
}

static int all_exact(const struct columns *columns, uint32_t column) {
  for (uint32_t i = 0; i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    if (value->type == VALUE_INTEGER && !exact(value->integer)) return 0;
  }
  return 1;
}

enum columns_kind columns_kind(const struct columns *columns, uint32_t column,
                               enum convert_code code, int *nulls) {
  enum {
    NULLS = 1 << VALUE_NULL,
    INTEGERS = 1 << VALUE_INTEGER,
    REALS = 1 << VALUE_REAL,
    TEXTS = 1 << VALUE_TEXT
  };
  uint32_t seen = 0;
  for (uint32_t i = 0; i < columns->rows; i++) {
    seen |= UINT32_C(1) << columns_value(columns, column, i)->type;
  }
  *nulls = seen & NULLS;
  seen &= ~(uint32_t)NULLS;
  if (!seen) return COLUMNS_NONE;
  if (code == CONVERT_JSON || code == CONVERT_MEMORYVIEW) return COLUMNS_OBJECT;
  if (seen == INTEGERS) {
    return code == CONVERT_BOOL ? COLUMNS_BOOL : COLUMNS_INTEGER;
  }
  if (seen == TEXTS) return COLUMNS_TEXT;
  if (seen == REALS) return COLUMNS_REAL;
  return seen == (INTEGERS | REALS) && code != CONVERT_BOOL &&
                 all_exact(columns, column)
             ? COLUMNS_REAL
             : COLUMNS_OBJECT;
}

/* ---- objects ---- */

PyObject *columns_list(const struct columns *columns, uint32_t column,
                       enum convert_code code) {
  PyObject *list = PyList_New((Py_ssize_t)columns->rows);
  if (!list) return NULL;
  for (uint32_t i = 0; i < columns->rows; i++) {
    PyObject *object = convert_in(columns_value(columns, column, i), code);
    if (!object || PyList_SetItem(list, (Py_ssize_t)i, object)) {
      Py_DECREF(list);
      return NULL;
    }
  }
  return list;
}

/* ---- numbers ---- */

/* A new bytearray of so many bytes, not set. */
static PyObject *room_new(uint64_t size, void **data) {
  PyObject *bytes = NULL;
  if (size > PY_SSIZE_T_MAX) return PyErr_NoMemory();
  bytes = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)size);
  *data = bytes ? PyByteArray_AsString(bytes) : NULL;
  return bytes;
}

static PyObject *integers(const struct columns *columns, uint32_t column) {
  void *data;
  PyObject *room = room_new(UINT64_C(8) * columns->rows, &data);
  int64_t *to = data;
  for (uint32_t i = 0; room && i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    to[i] = value->type == VALUE_INTEGER ? value->integer : 0;
  }
  return room;
}

static PyObject *reals(const struct columns *columns, uint32_t column) {
  void *data;
  PyObject *room = room_new(UINT64_C(8) * columns->rows, &data);
  double *to = data;
  for (uint32_t i = 0; room && i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    to[i] = value->type == VALUE_REAL      ? value->real
            : value->type == VALUE_INTEGER ? (double)value->integer
                                           : (double)NAN;
  }
  return room;
}

static PyObject *bools(const struct columns *columns, uint32_t column) {
  void *data;
  PyObject *room = room_new(columns->rows, &data);
  uint8_t *to = data;
  for (uint32_t i = 0; room && i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    to[i] = value->type == VALUE_INTEGER && value->integer;
  }
  return room;
}

static PyObject *null_bytes(const struct columns *columns, uint32_t column) {
  void *data;
  PyObject *room = room_new(columns->rows, &data);
  uint8_t *to = data;
  for (uint32_t i = 0; room && i < columns->rows; i++) {
    to[i] = columns_value(columns, column, i)->type == VALUE_NULL;
  }
  return room;
}

/* ---- text of one width ---- */

/* Code points of the longest; -1 where fixed width would cut a NUL off, or is a
** waste. Of a column that is all TEXT and NULL. */
static int64_t width_of(const struct columns *columns, uint32_t column) {
  uint64_t widest = 1, bytes = 0;
  for (uint32_t i = 0; i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    const uint8_t *text = value->data;
    if (value->type != VALUE_TEXT || !value->len) continue;
    if (!text[value->len - 1]) return -1;
    bytes += value->len;
    /* No text has more code points than bytes. */
    if (value->len <= widest) continue;
    uint64_t count = utf8_count(text, value->len);
    if (count > widest) widest = count;
  }
  if (widest > INT32_MAX / 4) return -1;
  uint64_t size = widest * 4 * columns->rows;
  return size <= WIDE_FREE || size / WIDE_FACTOR <= bytes ? (int64_t)widest
                                                          : -1;
}

static PyObject *wide(const struct columns *columns, uint32_t column,
                      uint64_t width) {
  void *data;
  uint64_t size = width * 4 * columns->rows;
  PyObject *room = room_new(size, &data);
  if (!room) return NULL;
  memset(data, 0, size);
  uint32_t *to = data;
  for (uint32_t i = 0; i < columns->rows; i++, to += width) {
    const struct value *value = columns_value(columns, column, i);
    if (value->type == VALUE_TEXT) utf8_decode(value->data, value->len, to);
  }
  return room;
}

PyObject *columns_arrays(const struct columns *columns, uint32_t column,
                         enum convert_code code, int widely) {
  int nulls;
  int64_t width = 0;
  enum columns_kind kind = columns_kind(columns, column, code, &nulls);
  PyObject *data, *mask = NULL, *result = NULL;
  if (kind == COLUMNS_TEXT && widely) {
    width = width_of(columns, column);
    if (width > 0) kind = COLUMNS_WIDE;
  }
  switch (kind) {
    case COLUMNS_INTEGER:
      data = integers(columns, column);
      break;
    case COLUMNS_REAL:
      data = reals(columns, column);
      break;
    case COLUMNS_BOOL:
      data = bools(columns, column);
      break;
    case COLUMNS_WIDE:
      data = wide(columns, column, (uint64_t)width);
      break;
    case COLUMNS_NONE:
      data = Py_None;
      Py_INCREF(data);
      break;
    default:
      data = columns_list(columns, column, code);
  }
  if (data && nulls) {
    mask = null_bytes(columns, column);
  } else if (data) {
    mask = Py_None;
    Py_INCREF(mask);
  }
  if (mask) {
    result = Py_BuildValue("iOOL", (int)kind, data, mask, (long long)width);
  }
  Py_XDECREF(mask);
  Py_XDECREF(data);
  return result;
}
