/* arrow.c - a column of a batch as an Arrow array: see arrow.h
**
** Arrays may be released by any thread, and without the GIL: what they own is
** malloc'ed.
*/
#include "arrow.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum { ALIGNMENT = 64 /* bytes, as the format advises */ };

/* ---- what is given away ---- */

static void schema_release(struct ArrowSchema *schema) {
  schema->release = NULL;
}

/* private_data of an array. */
struct owned {
  const void *buffers[3];
};

static void array_release(struct ArrowArray *array) {
  struct owned *owned = array->private_data;
  for (int i = 0; i < 3; i++) free((void *)(uintptr_t)owned->buffers[i]);
  free(owned);
  array->release = NULL;
}

static void schema_destroy(PyObject *capsule) {
  struct ArrowSchema *schema =
      PyCapsule_GetPointer(capsule, ARROW_SCHEMA_CAPSULE);
  if (!schema) {
    PyErr_Clear();
    return;
  }
  if (schema->release) schema->release(schema);
  free(schema);
}

static void array_destroy(PyObject *capsule) {
  struct ArrowArray *array = PyCapsule_GetPointer(capsule, ARROW_ARRAY_CAPSULE);
  if (!array) {
    PyErr_Clear();
    return;
  }
  if (array->release) array->release(array);
  free(array);
}

static PyObject *schema_capsule(const char *format) {
  struct ArrowSchema *schema = calloc(1, sizeof *schema);
  if (!schema) return PyErr_NoMemory();
  schema->format = format;
  schema->name = "";
  schema->flags = ARROW_FLAG_NULLABLE;
  schema->release = schema_release;
  PyObject *capsule =
      PyCapsule_New(schema, ARROW_SCHEMA_CAPSULE, schema_destroy);
  if (!capsule) free(schema);
  return capsule;
}

/* An array with nothing but its length; its struct is *array. */
static PyObject *array_capsule(uint32_t rows, struct ArrowArray **array) {
  struct owned *owned = calloc(1, sizeof *owned);
  struct ArrowArray *made = calloc(1, sizeof *made);
  PyObject *capsule =
      owned && made ? PyCapsule_New(made, ARROW_ARRAY_CAPSULE, array_destroy)
                    : PyErr_NoMemory();
  if (!capsule) {
    free(owned);
    free(made);
    return NULL;
  }
  made->length = rows;
  made->buffers = owned->buffers;
  made->private_data = owned;
  made->release = array_release;
  *array = made;
  return capsule;
}

/* Buffer i of the array: so many bytes, not set. */
static void *buffer_new(struct ArrowArray *array, int i, uint64_t size) {
  size = (size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
  void *buffer = aligned_alloc(ALIGNMENT, size);
  if (!buffer) PyErr_NoMemory();
  array->buffers[i] = buffer;
  return buffer;
}

static void *bits_new(struct ArrowArray *array, int i) {
  size_t size = (size_t)(array->length + 7) / 8;
  void *bits = buffer_new(array, i, size);
  if (bits) memset(bits, 0, size);
  return bits;
}

static void bit_set(uint8_t *bits, uint32_t i) {
  bits[i / 8] |= (uint8_t)(1u << i % 8);
}

/* ---- the buffers of each type ---- */

/* All return 0 or -1. */

static int validity(const struct columns *columns, uint32_t column,
                    struct ArrowArray *array) {
  uint8_t *bits = bits_new(array, 0);
  if (!bits) return -1;
  for (uint32_t i = 0; i < columns->rows; i++) {
    if (columns_value(columns, column, i)->type == VALUE_NULL) {
      array->null_count++;
    } else {
      bit_set(bits, i);
    }
  }
  return 0;
}

static int words(const struct columns *columns, uint32_t column,
                 struct ArrowArray *array, int real) {
  int64_t *to = buffer_new(array, 1, UINT64_C(8) * columns->rows);
  if (!to) return -1;
  array->n_buffers = 2;
  for (uint32_t i = 0; i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    struct value number = value_integer(0);
    if (value->type == VALUE_INTEGER && real) {
      number.real = (double)value->integer;
    } else if (value->type != VALUE_NULL) {
      number.integer = value->integer;
    }
    to[i] = number.integer;
  }
  return 0;
}

static int bools(const struct columns *columns, uint32_t column,
                 struct ArrowArray *array) {
  uint8_t *bits = bits_new(array, 1);
  if (!bits) return -1;
  array->n_buffers = 2;
  for (uint32_t i = 0; i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    if (value->type == VALUE_INTEGER && value->integer) bit_set(bits, i);
  }
  return 0;
}

static uint64_t bytes_total(const struct columns *columns, uint32_t column) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < columns->rows; i++) {
    total += columns_value(columns, column, i)->len;
  }
  return total;
}

/* The offsets are of 64 bits where `large`. */
static int bytes(const struct columns *columns, uint32_t column,
                 struct ArrowArray *array, uint64_t total, int large) {
  uint64_t width = large ? 8 : 4;
  void *offsets = buffer_new(array, 1, width * (columns->rows + UINT64_C(1)));
  uint8_t *data = offsets ? buffer_new(array, 2, total) : NULL;
  if (!data) return -1;
  array->n_buffers = 3;
  uint64_t at = 0;
  for (uint32_t i = 0;; i++) {
    if (large) {
      ((int64_t *)offsets)[i] = (int64_t)at;
    } else {
      ((int32_t *)offsets)[i] = (int32_t)at;
    }
    if (i == columns->rows) return 0;
    const struct value *value = columns_value(columns, column, i);
    if (value->len) memcpy(data + at, value->data, value->len);
    at += value->len;
  }
}

/* ---- types ---- */

static const char *type_name(uint32_t type) {
  static const char *const names[] = {"NULL", "INTEGER", "REAL", "TEXT",
                                      "BLOB"};
  return type < sizeof names / sizeof *names ? names[type] : "of another type";
}

/* Values of two types, the first ones told. */
static PyObject *mixed(const struct columns *columns, uint32_t column,
                       const char *name) {
  uint32_t first = 0, row = 0;
  while (columns_value(columns, column, first)->type == VALUE_NULL) first++;
  uint32_t type = columns_value(columns, column, first)->type, other = type;
  for (row = first; other == type || other == VALUE_NULL; row++) {
    other = columns_value(columns, column, row)->type;
  }
  return PyErr_Format(PyExc_TypeError,
                      "column %s is %s in row %u and %s in row %u of the "
                      "batch; a column of Arrow's has one type",
                      name, type_name(type), first + 1, type_name(other), row);
}

static int check_text(const struct columns *columns, uint32_t column,
                      const char *name) {
  for (uint32_t i = 0; i < columns->rows; i++) {
    const struct value *value = columns_value(columns, column, i);
    if (value->type != VALUE_TEXT || utf8_valid(value->data, value->len)) {
      continue;
    }
    PyErr_Format(PyExc_ValueError,
                 "column %s has text in row %u of the batch that is not valid "
                 "UTF-8, as Arrow's must be; CAST it to BLOB",
                 name, i + 1);
    return -1;
  }
  return 0;
}

/* 1 where all but NULL have the type. */
static int all_of(const struct columns *columns, uint32_t column,
                  uint32_t type) {
  for (uint32_t i = 0; i < columns->rows; i++) {
    uint32_t found = columns_value(columns, column, i)->type;
    if (found != type && found != VALUE_NULL) return 0;
  }
  return 1;
}

/* Fills the array; its format, or NULL. */
static const char *array_fill(const struct columns *columns, uint32_t column,
                              enum arrow_declared type,
                              struct ArrowArray *array, const char *name) {
  switch (type) {
    case ARROW_INTEGER:
      return words(columns, column, array, 0) ? NULL : "l";
    case ARROW_REAL:
      return words(columns, column, array, 1) ? NULL : "g";
    case ARROW_BOOL:
      return bools(columns, column, array) ? NULL : "b";
    case ARROW_TEXT:
      if (check_text(columns, column, name)) return NULL;
      __attribute__((fallthrough));
    case ARROW_BLOB: {
      uint64_t total = bytes_total(columns, column);
      int large = total > INT32_MAX;
      if (bytes(columns, column, array, total, large)) return NULL;
      return type == ARROW_TEXT ? (large ? "U" : "u") : (large ? "Z" : "z");
    }
    default:
      array->null_count = array->length;
      return "n";
  }
}

/* What the values are, ARROW_UNKNOWN where they are nothing but NULL; -1 where
** they are of several types. */
static int type_of(const struct columns *columns, uint32_t column,
                   enum convert_code code, int *nulls) {
  /* Arrow has no column of any objects: JSON stays text. */
  if (code != CONVERT_BOOL) code = CONVERT_DEFAULT;
  switch (columns_kind(columns, column, code, nulls)) {
    case COLUMNS_NONE:
      return ARROW_UNKNOWN;
    case COLUMNS_INTEGER:
      return ARROW_INTEGER;
    case COLUMNS_REAL:
      return ARROW_REAL;
    case COLUMNS_BOOL:
      return ARROW_BOOL;
    case COLUMNS_TEXT:
      return ARROW_TEXT;
    default:
      return all_of(columns, column, VALUE_BLOB) ? ARROW_BLOB : -1;
  }
}

PyObject *arrow_column(const struct columns *columns, uint32_t column,
                       enum convert_code code, enum arrow_declared declared,
                       const char *name) {
  struct ArrowArray *array;
  PyObject *schema = NULL, *result = NULL;
  int nulls;
  int type = type_of(columns, column, code, &nulls);
  if (type < 0) return mixed(columns, column, name);
  if (type == ARROW_UNKNOWN) type = (int)declared;
  PyObject *capsule = array_capsule(columns->rows, &array);
  if (!capsule) return NULL;
  const char *format =
      array_fill(columns, column, (enum arrow_declared)type, array, name);
  if (!format) goto done;
  if (type != ARROW_UNKNOWN && nulls && validity(columns, column, array)) {
    goto done;
  }
  schema = schema_capsule(format);
  if (schema) result = PyTuple_Pack(2, schema, capsule);
done:
  Py_XDECREF(schema);
  Py_DECREF(capsule);
  return result;
}
