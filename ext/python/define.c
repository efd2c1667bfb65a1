/* define.c - spaces, and making definitions in them: see define.h */
#include "define.h"

#include <stdlib.h>
#include <string.h>

#include "../base/codec.h"
#include "columnar.h"
#include "compiled.h"
#include "error.h"
#include "group.h"
#include "rows.h"

static PyObject *session_class; /* pyudf._session.Session */

/* A row of what Session.define() returns: the fields of struct function_spec,
** then these. */
enum row {
  ROW_FUNCTION = MANIFEST_FIELDS,
  ROW_CODES,
  ROW_AGGREGATE,
  ROW_TABLE,
  ROW_NATIVE,
  ROW_BATCH,
  ROW_LEN
};

int define_start(void) {
  if (session_class) return 0;
  PyObject *module = PyImport_ImportModule("pyudf._session");
  if (!module) return -1;
  session_class = PyObject_GetAttrString(module, "Session");
  Py_DECREF(module);
  return session_class ? 0 : -1;
}

/* Paths may hold bytes that are no UTF-8. NULL gives None. */
static PyObject *text_in(const char *text) {
  struct value value = value_text(text);
  return convert_in(&value, CONVERT_DEFAULT);
}

/* ---- spaces ---- */

struct runtime_space *define_space_new(const char *path, struct err *err) {
  struct runtime_space *space = calloc(1, sizeof *space);
  if (!space) {
    err_nomem(err);
    return NULL;
  }
  PyObject *text = text_in(path);
  if (text) {
    space->session = PyObject_CallFunctionObjArgs(session_class, text, NULL);
  }
  Py_XDECREF(text);
  if (!space->session) {
    error_take(NULL, NULL, err);
    free(space);
    return NULL;
  }
  return space;
}

void define_space_free(struct runtime_space *space) {
  if (!space) return;
  call_release(space);
  PyObject *done = PyObject_CallMethod(space->session, "close", NULL);
  if (!done) PyErr_Clear();
  Py_XDECREF(done);
  for (uint32_t i = 0; i < space->table_count; i++) {
    callable_table_free(space->tables[i]);
  }
  free(space->tables);
  Py_DECREF(space->session);
  free(space);
}

/* ---- the manifest ---- */

/* One field of a row, as the manifest has it. Returns 0, or -1 with a Python
** exception set. */
static int manifest_add(struct buf *manifest, PyObject *field) {
  struct value value = {0};
  if (PyLong_Check(field)) {
    value = value_integer(PyLong_AsLongLong(field));
  } else {
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(field, &len);
    if (!text) return -1;
    value = value_bytes(VALUE_TEXT, text, (uint64_t)len);
  }
  if (PyErr_Occurred()) return -1;
  codec_add(manifest, &value);
  return 0;
}

/* Field i of a row as a number. */
static int32_t row_number(PyObject *row, Py_ssize_t i) {
  PyObject *field = PyTuple_GetItem(row, i);
  return field ? (int32_t)PyLong_AsLong(field) : -1;
}

/* Fills an empty callable and appends its row to the manifest. Returns 0, or -1
** with a Python exception set. */
static int row_take(PyObject *row, struct callable *callable,
                    struct buf *manifest) {
  if (!row || !PyTuple_Check(row) || PyTuple_Size(row) != ROW_LEN) {
    PyErr_SetString(PyExc_SystemError, "pyudf: a row that is none");
    return -1;
  }
  for (Py_ssize_t i = 0; i < MANIFEST_FIELDS; i++) {
    if (manifest_add(manifest, PyTuple_GetItem(row, i))) return -1;
  }
  char *codes;
  Py_ssize_t len;
  if (PyBytes_AsStringAndSize(PyTuple_GetItem(row, ROW_CODES), &codes, &len)) {
    return -1;
  }
  if (len != CALL_ARGS_MAX) {
    PyErr_SetString(PyExc_SystemError, "pyudf: bad argument codes");
    return -1;
  }
  memcpy(callable->codes, codes, CALL_ARGS_MAX);
  callable->skip_null = !(row_number(row, 2) & FUNCTION_NULL_CALL);
  callable->min_args = row_number(row, 5);
  callable->max_args = row_number(row, 6);
  callable->function = PyTuple_GetItem(row, ROW_FUNCTION);
  Py_XINCREF(callable->function);
  PyObject *aggregate = PyTuple_GetItem(row, ROW_AGGREGATE);
  if (aggregate && aggregate != Py_None) {
    callable->aggregate = aggregate_new(aggregate);
  }
  PyObject *table = PyTuple_GetItem(row, ROW_TABLE);
  if (table && table != Py_None) callable->table = table_new(table);
  PyObject *native = PyTuple_GetItem(row, ROW_NATIVE);
  if (native && native != Py_None) callable->native = compiled_new(native);
  PyObject *batch = PyTuple_GetItem(row, ROW_BATCH);
  if (batch && PyTuple_Check(batch)) {
    callable->columnar = columnar_new(batch);
  } else if (batch && batch != Py_None) {
    Py_INCREF(batch);
    callable->awaits = batch;
  }
  return PyErr_Occurred() ? -1 : 0;
}

/* The functions of a list of rows; NULL with a Python exception set. */
static struct callable_table *functions_new(PyObject *rows,
                                            struct buf *manifest) {
  Py_ssize_t count = PyList_Size(rows);
  if (count < 0) return NULL;
  struct callable_table *table =
      calloc(1, sizeof *table + (size_t)count * sizeof *table->items);
  if (!table) {
    PyErr_NoMemory();
    return NULL;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    table->count++;
    if (row_take(PyList_GetItem(rows, i), &table->items[i], manifest)) {
      callable_table_free(table);
      return NULL;
    }
  }
  if (manifest->failed) {
    callable_table_free(table);
    PyErr_NoMemory();
    return NULL;
  }
  return table;
}

/* ---- definitions ---- */

/* Session.define() with the definition's fields; a list of rows, or NULL with a
** Python exception set. */
static PyObject *session_define(PyObject *session,
                                const struct definition *definition) {
  PyObject *text[5] = {text_in(definition->module), text_in(definition->name),
                       text_in(definition->source), text_in(definition->names),
                       text_in(definition->expect)};
  PyObject *rows = NULL;
  if (text[0] && text[1] && text[2] && text[3] && text[4]) {
    rows = PyObject_CallMethod(session, "define", "IIIOOOOO", definition->id,
                               definition->kind, definition->reload, text[0],
                               text[1], text[2], text[3], text[4]);
  }
  for (int i = 0; i < 5; i++) Py_XDECREF(text[i]);
  return rows;
}

/* Makes room for the id. */
static int space_grow(struct runtime_space *space, uint32_t id) {
  if (id < space->table_count) return 0;
  uint32_t count = id + 16;
  struct callable_table **tables =
      realloc(space->tables, count * sizeof *tables);
  if (!tables) return -1;
  memset(tables + space->table_count, 0,
         (count - space->table_count) * sizeof *tables);
  space->tables = tables;
  space->table_count = count;
  return 0;
}

int define_make(struct runtime_space *space,
                const struct definition *definition, struct buf *manifest,
                struct err *err) {
  size_t start = manifest->len;
  PyObject *rows = NULL;
  if (space_grow(space, definition->id)) return err_nomem(err);
  rows = session_define(space->session, definition);
  if (!rows) return error_take(space->session, NULL, err);
  struct callable_table *table = functions_new(rows, manifest);
  Py_DECREF(rows);
  if (!table) {
    error_take(space->session, NULL, err);
    manifest->len = start;
    define_forget(space, definition->id);
    return -1;
  }
  struct callable_table *old = space->tables[definition->id];
  space->tables[definition->id] = table;
  callable_table_free(old);
  return 0;
}

void define_forget(struct runtime_space *space, uint32_t definition_id) {
  if (definition_id < space->table_count) {
    struct callable_table *old = space->tables[definition_id];
    space->tables[definition_id] = NULL;
    callable_table_free(old);
  }
  PyObject *done =
      PyObject_CallMethod(space->session, "forget", "I", definition_id);
  if (!done) PyErr_Clear();
  Py_XDECREF(done);
}
