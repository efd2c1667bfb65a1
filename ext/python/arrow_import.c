/* arrow_import.c - Arrow arrays that a function returned: see arrow.h
**
** They come from a library in the same process, and are believed.
*/
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arrow.h"
#include "results.h"

#define IMPORTED "pyudf_arrow"

/* What came, moved in here. */
struct imported {
  struct ArrowSchema schema;
  uint64_t rows;
  uint32_t count;
  struct ArrowArray *chunks;
};

static void imported_free(struct imported *imported) {
  for (uint32_t i = 0; i < imported->count; i++) {
    struct ArrowArray *chunk = &imported->chunks[i];
    if (chunk->release) chunk->release(chunk);
  }
  if (imported->schema.release) imported->schema.release(&imported->schema);
  free(imported->chunks);
  free(imported);
}

static void imported_destroy(PyObject *capsule) {
  imported_free(PyCapsule_GetPointer(capsule, IMPORTED));
}

/* ---- moving in ---- */

/* Room for another chunk; NULL with an exception set. */
static struct ArrowArray *chunk_new(struct imported *imported) {
  struct ArrowArray *chunks =
      realloc(imported->chunks, (imported->count + 1) * sizeof *chunks);
  if (!chunks) {
    PyErr_NoMemory();
    return NULL;
  }
  imported->chunks = chunks;
  memset(&chunks[imported->count], 0, sizeof *chunks);
  return &chunks[imported->count];
}

static int array_move(struct imported *imported, PyObject *pair) {
  struct ArrowSchema *schema =
      PyCapsule_GetPointer(PyTuple_GetItem(pair, 0), ARROW_SCHEMA_CAPSULE);
  struct ArrowArray *array =
      schema
          ? PyCapsule_GetPointer(PyTuple_GetItem(pair, 1), ARROW_ARRAY_CAPSULE)
          : NULL;
  if (!array) return -1;
  if (!schema->release || !array->release) {
    PyErr_SetString(PyExc_ValueError, "an Arrow array that was released");
    return -1;
  }
  struct ArrowArray *chunk = chunk_new(imported);
  if (!chunk) return -1;
  imported->schema = *schema;
  schema->release = NULL;
  *chunk = *array;
  array->release = NULL;
  imported->count = 1;
  imported->rows = (uint64_t)chunk->length;
  return 0;
}

static int stream_failed(struct ArrowArrayStream *stream, int code) {
  const char *text = stream->get_last_error(stream);
  PyErr_Format(PyExc_ValueError, "an Arrow stream failed: %s",
               text ? text : strerror(code));
  return -1;
}

static int stream_move(struct imported *imported, PyObject *capsule) {
  struct ArrowArrayStream *stream =
      PyCapsule_GetPointer(capsule, ARROW_STREAM_CAPSULE);
  if (!stream) return -1;
  if (!stream->release) {
    PyErr_SetString(PyExc_ValueError, "an Arrow stream that was released");
    return -1;
  }
  int rc = stream->get_schema(stream, &imported->schema);
  if (rc) return stream_failed(stream, rc);
  for (;;) {
    struct ArrowArray *chunk = chunk_new(imported);
    if (!chunk) return -1;
    rc = stream->get_next(stream, chunk);
    if (PyErr_Occurred()) return -1;
    if (rc) return stream_failed(stream, rc);
    if (!chunk->release) return 0;
    imported->rows += (uint64_t)chunk->length;
    imported->count++;
  }
}

/* ---- types ---- */

/* 1 where value_get() knows them. */
static int known(const struct ArrowSchema *schema) {
  const char *format = schema->format;
  if (schema->dictionary) return 0;
  if (format[0] == 'v') return !strcmp(format, "vu") || !strcmp(format, "vz");
  if (format[0] == 'w') return format[1] == ':';
  return format[0] && !format[1] && strchr("nbcCsSiIlLefguUzZ", format[0]);
}

/* (name, format, 1 where known). */
static PyObject *schema_told(const struct ArrowSchema *schema) {
  return Py_BuildValue("ssi", schema->name ? schema->name : "", schema->format,
                       known(schema));
}

static PyObject *told(struct imported *imported, PyObject *capsule) {
  const struct ArrowSchema *schema = &imported->schema;
  PyObject *self = NULL, *children = NULL, *result = NULL;
  self = schema_told(schema);
  children = self ? PyList_New(0) : NULL;
  for (int64_t i = 0; children && i < schema->n_children; i++) {
    PyObject *child = schema_told(schema->children[i]);
    if (!child || PyList_Append(children, child)) Py_CLEAR(children);
    Py_XDECREF(child);
  }
  if (children) {
    result = Py_BuildValue("OKOO", capsule, (unsigned long long)imported->rows,
                           self, children);
  }
  Py_XDECREF(children);
  Py_XDECREF(self);
  return result;
}

PyObject *arrow_import(PyObject *module, PyObject *capsules) {
  (void)module;
  struct imported *imported = calloc(1, sizeof *imported);
  if (!imported) return PyErr_NoMemory();
  int rc = PyTuple_Check(capsules) ? array_move(imported, capsules)
                                   : stream_move(imported, capsules);
  PyObject *capsule =
      rc ? NULL : PyCapsule_New(imported, IMPORTED, imported_destroy);
  if (!capsule) {
    imported_free(imported);
    return NULL;
  }
  PyObject *result = told(imported, capsule);
  Py_DECREF(capsule);
  return result;
}

/* ---- values ---- */

static double half(uint16_t bits) {
  double sign = bits & 0x8000 ? -1 : 1;
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) return fraction ? (double)NAN : sign * (double)INFINITY;
  if (!exponent) return sign * ldexp(fraction, -24);
  return sign * ldexp(fraction + 1024, exponent - 25);
}

static int unsigned_get(uint64_t number, struct value *value) {
  if (number > INT64_MAX) {
    PyErr_Format(PyExc_OverflowError, "%llu does not fit into 64 bits",
                 (unsigned long long)number);
    return -1;
  }
  value_set_integer(value, (int64_t)number);
  return 0;
}

static void text_get(const struct ArrowArray *array, int64_t from, int64_t to,
                     enum value_type type, struct value *value) {
  const uint8_t *data = array->buffers[2];
  value_set_bytes(value, type, 0, data ? data + from : (const uint8_t *)"",
                  (uint64_t)(to - from));
}

/* A view: 4 bytes of length, and 12 of text, or 4 of it, a buffer's number and an
** offset in that. */
static void view_get(const struct ArrowArray *array, int64_t i,
                     enum value_type type, struct value *value) {
  const uint8_t *view = (const uint8_t *)array->buffers[1] + i * 16;
  int32_t parts[4];
  memcpy(parts, view, sizeof parts);
  const void *data =
      parts[0] <= 12 ? view + 4
                     : (const uint8_t *)array->buffers[2 + parts[2]] + parts[3];
  value_set_bytes(value, type, 0, data, (uint64_t)parts[0]);
}

static int value_get(const char *format, const struct ArrowArray *array,
                     int64_t i, struct value *value) {
  const void *data = array->n_buffers > 1 ? array->buffers[1] : NULL;
  switch (*format) {
    case 'b':
      value_set_integer(value, ((const uint8_t *)data)[i / 8] >> i % 8 & 1);
      return 0;
    case 'c':
      value_set_integer(value, ((const int8_t *)data)[i]);
      return 0;
    case 'C':
      value_set_integer(value, ((const uint8_t *)data)[i]);
      return 0;
    case 's':
      value_set_integer(value, ((const int16_t *)data)[i]);
      return 0;
    case 'S':
      value_set_integer(value, ((const uint16_t *)data)[i]);
      return 0;
    case 'i':
      value_set_integer(value, ((const int32_t *)data)[i]);
      return 0;
    case 'I':
      value_set_integer(value, ((const uint32_t *)data)[i]);
      return 0;
    case 'l':
      value_set_integer(value, ((const int64_t *)data)[i]);
      return 0;
    case 'L':
      return unsigned_get(((const uint64_t *)data)[i], value);
    case 'e':
      results_real(value, half(((const uint16_t *)data)[i]));
      return 0;
    case 'f':
      results_real(value, (double)((const float *)data)[i]);
      return 0;
    case 'g':
      results_real(value, ((const double *)data)[i]);
      return 0;
    case 'u':
    case 'z':
      text_get(array, ((const int32_t *)data)[i],
               ((const int32_t *)data)[i + 1],
               *format == 'u' ? VALUE_TEXT : VALUE_BLOB, value);
      return 0;
    case 'U':
    case 'Z':
      text_get(array, ((const int64_t *)data)[i],
               ((const int64_t *)data)[i + 1],
               *format == 'U' ? VALUE_TEXT : VALUE_BLOB, value);
      return 0;
    case 'v':
      view_get(array, i, format[1] == 'u' ? VALUE_TEXT : VALUE_BLOB, value);
      return 0;
    case 'w': {
      uint64_t width = strtoull(format + 2, NULL, 10);
      value_set_bytes(value, VALUE_BLOB, 0,
                      (const uint8_t *)data + (uint64_t)i * width, width);
      return 0;
    }
    default:
      value_set_null(value);
      return 0;
  }
}

static int is_valid(const struct ArrowArray *array, int64_t i) {
  const uint8_t *bits =
      array->n_buffers && array->null_count ? array->buffers[0] : NULL;
  return !bits || bits[i / 8] >> i % 8 & 1;
}

/* All values of an array, or of a column of it. */
static int chunk_values(const char *format, const struct ArrowArray *chunk,
                        const struct ArrowArray *column, struct value *values) {
  for (int64_t i = 0; i < chunk->length; i++) {
    int64_t row = chunk->offset + i;
    int64_t at = column ? column->offset + row : row;
    if (!is_valid(chunk, row) || (column && !is_valid(column, at))) {
      value_set_null(&values[i]);
    } else if (value_get(format, column ? column : chunk, at, &values[i])) {
      return -1;
    }
  }
  return 0;
}

int arrow_values(PyObject *capsule, long child, struct value *values,
                 uint32_t rows) {
  struct imported *imported = PyCapsule_GetPointer(capsule, IMPORTED);
  if (!imported) return -1;
  if (imported->rows != rows || child >= imported->schema.n_children) {
    PyErr_SetString(PyExc_SystemError, "pyudf: an Arrow array that is none");
    return -1;
  }
  const struct ArrowSchema *schema =
      child < 0 ? &imported->schema : imported->schema.children[child];
  for (uint32_t i = 0; i < imported->count; i++) {
    const struct ArrowArray *chunk = &imported->chunks[i];
    const struct ArrowArray *column = child < 0 ? NULL : chunk->children[child];
    if (chunk_values(schema->format, chunk, column, values)) {
      return -1;
    }
    values += chunk->length;
  }
  return 0;
}
