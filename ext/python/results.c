/* results.c - the columns that a batch function returned: see results.h */
#include "results.h"

#include <stdlib.h>

#include "../base/codec.h"
#include "arrow.h"
#include "utf8.h"

/* ---- made beforehand ---- */

static int is_null(const struct results_column *column, uint32_t row) {
  return column->nulls.obj && ((const uint8_t *)column->nulls.buf)[row];
}

static int no_memory(void) {
  PyErr_NoMemory();
  return -1;
}

static size_t points_trimmed(const uint32_t *points, size_t width) {
  while (width && !points[width - 1]) width--;
  return width;
}

/* Sets the values' lengths, data still unknown. Returns the bytes of all, or
** SIZE_MAX with an exception set. */
static size_t wide_sizes(struct results_column *column, uint32_t rows,
                         size_t width) {
  const uint32_t *points = column->data.buf;
  size_t total = 0;
  for (uint32_t i = 0; i < rows; i++, points += width) {
    struct value *value = &column->values[i];
    value_set_null(value);
    if (is_null(column, i)) continue;
    size_t size = utf8_size(points, points_trimmed(points, width));
    if (size == SIZE_MAX) {
      PyErr_Format(PyExc_ValueError,
                   "row %u has a code point beyond U+10FFFF in its text",
                   i + 1);
      return SIZE_MAX;
    }
    value_set_bytes(value, VALUE_TEXT, 0, NULL, size);
    total += size;
  }
  return total;
}

static int wide_take(struct results_column *column, uint32_t rows,
                     size_t width) {
  size_t total = wide_sizes(column, rows, width);
  if (total == SIZE_MAX) return -1;
  uint8_t *to = column->texts = malloc(total + 1);
  if (!to) return no_memory();
  const uint32_t *points = column->data.buf;
  for (uint32_t i = 0; i < rows; i++, points += width) {
    struct value *value = &column->values[i];
    if (value->type == VALUE_NULL) continue;
    value->data = to;
    to = utf8_encode(points, points_trimmed(points, width), to);
  }
  return 0;
}

static int bytes_take(struct results_column *column, uint32_t rows,
                      size_t width) {
  const uint8_t *bytes = column->data.buf;
  for (uint32_t i = 0; i < rows; i++, bytes += width) {
    struct value *value = &column->values[i];
    size_t len = width;
    while (len && !bytes[len - 1]) len--;
    value_set_bytes(value, VALUE_BLOB, 0, bytes, len);
    if (is_null(column, i)) value_set_null(value);
  }
  return 0;
}

static int unsigned_check(const struct results_column *column, uint32_t rows) {
  const uint64_t *data = column->data.buf;
  for (uint32_t i = 0; i < rows; i++) {
    if (data[i] <= INT64_MAX || is_null(column, i)) continue;
    PyErr_Format(PyExc_OverflowError, "%llu does not fit into 64 bits (row %u)",
                 (unsigned long long)data[i], i + 1);
    return -1;
  }
  return 0;
}

/* ---- columns ---- */

/* Bytes a row takes in the buffer. */
static size_t item_size(enum results_kind kind, long long extra) {
  switch (kind) {
    case RESULTS_BOOL:
      return 1;
    case RESULTS_WIDE:
      return (size_t)extra * 4;
    case RESULTS_BYTES:
      return (size_t)extra;
    default:
      return 8;
  }
}

static int wrong(void) {
  if (!PyErr_Occurred()) {
    PyErr_SetString(PyExc_SystemError, "pyudf: a column that is none");
  }
  return -1;
}

static int buffers_take(struct results_column *column, PyObject *data,
                        PyObject *nulls, size_t size, uint32_t rows) {
  if (PyObject_GetBuffer(data, &column->data, PyBUF_SIMPLE)) return -1;
  if (nulls != Py_None &&
      PyObject_GetBuffer(nulls, &column->nulls, PyBUF_SIMPLE)) {
    return -1;
  }
  return (size_t)column->data.len / (size ? size : 1) < rows && size ? wrong()
         : nulls != Py_None && (size_t)column->nulls.len < rows      ? wrong()
                                                                     : 0;
}

static int column_take(struct results_column *column, PyObject *how,
                       uint32_t rows) {
  int kind;
  PyObject *data, *nulls;
  long long extra;
  if (!PyArg_ParseTuple(how, "iOOL", &kind, &data, &nulls, &extra)) return -1;
  column->kind = (enum results_kind)kind;
  if (kind == RESULTS_LIST) {
    if (!PyList_Check(data) || PyList_Size(data) != (Py_ssize_t)rows) {
      return wrong();
    }
    column->list = data;
    return 0;
  }
  if (kind >= RESULTS_WIDE) {
    column->values = malloc((rows + (size_t)1) * sizeof *column->values);
    if (!column->values) return no_memory();
  }
  if (kind == RESULTS_ARROW) {
    return arrow_values(data, (long)extra, column->values, rows);
  }
  if (buffers_take(column, data, nulls, item_size(column->kind, extra), rows)) {
    return -1;
  }
  switch (column->kind) {
    case RESULTS_WIDE:
      return wide_take(column, rows, (size_t)extra);
    case RESULTS_BYTES:
      return bytes_take(column, rows, (size_t)extra);
    case RESULTS_UNSIGNED:
      return unsigned_check(column, rows);
    default:
      return 0;
  }
}

struct results *results_new(PyObject *list, uint32_t rows) {
  Py_ssize_t count = PyList_Check(list) ? PyList_Size(list) : 0;
  struct results *results =
      calloc(1, sizeof *results + (size_t)count * sizeof *results->columns);
  if (!results) {
    PyErr_NoMemory();
    return NULL;
  }
  results->rows = rows;
  Py_INCREF(list);
  results->held = list;
  for (Py_ssize_t i = 0; i < count; i++) {
    results->count++;
    if (column_take(&results->columns[i], PyList_GetItem(list, i), rows)) {
      results_free(results);
      return NULL;
    }
  }
  return results;
}

void results_free(struct results *results) {
  if (!results) return;
  for (uint32_t i = 0; i < results->count; i++) {
    struct results_column *column = &results->columns[i];
    if (column->data.obj) PyBuffer_Release(&column->data);
    if (column->nulls.obj) PyBuffer_Release(&column->nulls);
    free(column->values);
    free(column->texts);
  }
  Py_XDECREF(results->held);
  free(results);
}

/* ---- values ---- */

uint64_t results_size(const struct results *results) {
  for (uint32_t i = 0; i < results->count; i++) {
    const struct results_column *column = &results->columns[i];
    if (column->values || column->list) return 0;
  }
  return (uint64_t)results->rows * results->count * CODEC_HEAD;
}

/* The function's own code may run meanwhile, and take items out of its list. */
static int list_get(PyObject *list, uint32_t row, struct value *value,
                    struct held *held) {
  PyObject *object = PyList_GetItem(list, (Py_ssize_t)row);
  if (!object) return -1;
  Py_INCREF(object);
  if (convert_out(object, value, held)) return -1;
  if (value->type == VALUE_REAL) results_real(value, value->real);
  return 0;
}

int results_get(const struct results *results, uint32_t column, uint32_t row,
                struct value *value, struct held *held) {
  const struct results_column *from = &results->columns[column];
  if (from->list) return list_get(from->list, row, value, held);
  if (from->values) {
    *value = from->values[row];
    return 0;
  }
  if (is_null(from, row)) {
    value_set_null(value);
    return 0;
  }
  switch (from->kind) {
    case RESULTS_REAL:
      results_real(value, ((const double *)from->data.buf)[row]);
      return 0;
    case RESULTS_BOOL:
      value_set_integer(value, ((const uint8_t *)from->data.buf)[row] != 0);
      return 0;
    default:
      value_set_integer(value, ((const int64_t *)from->data.buf)[row]);
      return 0;
  }
}
