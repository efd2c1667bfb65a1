/* columnar.c - batch functions: see columnar.h */
#include "columnar.h"

#include <stdlib.h>
#include <string.h>

#include "../base/codec.h"
#include "arrow.h"
#include "columns.h"
#include "error.h"
#include "pyrows.h"
#include "results.h"

struct columnar {
  uint32_t refs;
  enum columnar_kind kind;
  uint8_t codes[CALL_ARGS_MAX];    /* enum convert_code */
  uint8_t declared[CALL_ARGS_MAX]; /* enum arrow_declared */
  PyObject *run;    /* run(rows, columns): a list for results_new() */
  PyObject *labels; /* a tuple: the parameters' names; the last for all after */
  PyObject *names;  /* a tuple: the result's columns; None: it is one value */
};

/* ---- how ---- */

/* Two bytes objects of a byte for each argument. */
static int codes_take(struct columnar *columnar, PyObject *codes,
                      PyObject *declared) {
  if (!PyBytes_Check(codes) || PyBytes_Size(codes) != CALL_ARGS_MAX ||
      !PyBytes_Check(declared) || PyBytes_Size(declared) != CALL_ARGS_MAX) {
    PyErr_SetString(PyExc_SystemError, "pyudf: bad argument codes");
    return -1;
  }
  memcpy(columnar->codes, PyBytes_AsString(codes), CALL_ARGS_MAX);
  memcpy(columnar->declared, PyBytes_AsString(declared), CALL_ARGS_MAX);
  return 0;
}

struct columnar *columnar_new(PyObject *how) {
  int kind;
  PyObject *codes, *declared, *run, *labels, *names;
  if (!PyArg_ParseTuple(how, "iOOOOO", &kind, &codes, &declared, &run, &labels,
                        &names)) {
    return NULL;
  }
  struct columnar *columnar = calloc(1, sizeof *columnar);
  if (!columnar) {
    PyErr_NoMemory();
    return NULL;
  }
  if (codes_take(columnar, codes, declared)) {
    free(columnar);
    return NULL;
  }
  columnar->refs = 1;
  columnar->kind = (enum columnar_kind)kind;
  Py_INCREF(run);
  columnar->run = run;
  Py_INCREF(labels);
  columnar->labels = labels;
  Py_INCREF(names);
  columnar->names = names;
  return columnar;
}

void columnar_unref(struct columnar *columnar) {
  if (!columnar || --columnar->refs) return;
  Py_DECREF(columnar->run);
  Py_DECREF(columnar->labels);
  Py_DECREF(columnar->names);
  free(columnar);
}

/* ---- a run ---- */

/* Of a function whose definition may be made anew while it runs. */
struct run {
  struct runtime_space *space;
  struct columnar *columnar;
  PyObject *function;
};

static struct run run_begin(struct runtime_space *space,
                            const struct callable *callable) {
  struct run run = {space, callable->columnar, callable->function};
  run.columnar->refs++;
  Py_INCREF(run.function);
  call_release(space);
  return run;
}

static int run_failed(const struct run *run, struct err *err) {
  return error_take(run->space->session, run->function, err);
}

static void run_end(struct run *run) {
  columnar_unref(run->columnar);
  Py_DECREF(run->function);
}

static PyObject *arrow_new(const struct columnar *columnar,
                           const struct columns *in, uint32_t i) {
  Py_ssize_t count = PyTuple_Size(columnar->labels);
  PyObject *label = PyTuple_GetItem(
      columnar->labels, (Py_ssize_t)i < count ? (Py_ssize_t)i : count - 1);
  const char *name = label ? PyUnicode_AsUTF8AndSize(label, NULL) : NULL;
  if (!name) return NULL;
  return arrow_column(in, i, (enum convert_code)columnar->codes[i],
                      (enum arrow_declared)columnar->declared[i], name);
}

static PyObject *column_new(const struct columnar *columnar,
                            const struct columns *in, uint32_t i) {
  enum convert_code code = (enum convert_code)columnar->codes[i];
  const struct value *first = &in->values[i];
  if (first->type == VALUE_ROWS) { /* of a batch of one */
    return convert_in(first, CONVERT_DEFAULT);
  }
  switch (columnar->kind) {
    case COLUMNAR_NUMPY:
      return columns_arrays(in, i, code, 1);
    case COLUMNAR_PANDAS:
      return columns_arrays(in, i, code, 0);
    case COLUMNAR_ARROW:
      return arrow_new(columnar, in, i);
    default:
      return columns_list(in, i, code);
  }
}

/* Calls the function; NULL with a Python exception set. in->rows is not 0. */
static struct results *run_columns(const struct columnar *columnar,
                                   const struct columns *in) {
  struct results *results = NULL;
  PyObject *list = NULL, *columns = PyTuple_New((Py_ssize_t)in->count);
  for (uint32_t i = 0; columns && i < in->count; i++) {
    PyObject *column = column_new(columnar, in, i);
    if (!column || PyTuple_SetItem(columns, (Py_ssize_t)i, column)) {
      Py_CLEAR(columns);
    }
  }
  if (columns) {
    list = PyObject_CallFunction(columnar->run, "IN", in->rows, columns);
  }
  if (list) results = results_new(list, in->rows);
  Py_XDECREF(list);
  return results;
}

uint32_t columnar_width(const struct columnar *columnar) {
  return columnar->names == Py_None ? 1
                                    : (uint32_t)PyTuple_Size(columnar->names);
}

/* ---- a batch ---- */

/* The rows of a batch, and which of them the function gets. */
struct rows {
  struct columns columns; /* of these */
  struct value *values;
  uint8_t *skipped; /* 1 for a row whose result is NULL; NULL where none is */
};

static void rows_fini(struct rows *rows) {
  free(rows->values);
  free(rows->skipped);
}

static int rows_init(struct rows *rows, const struct batch *in, int skip_null,
                     struct err *err) {
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  size_t count = (size_t)in->rows * in->columns;
  *rows = (struct rows){.values = malloc((count + 1) * sizeof *rows->values)};
  if (skip_null) rows->skipped = calloc(in->rows + (size_t)1, 1);
  if (!rows->values || (skip_null && !rows->skipped)) return err_nomem(err);
  struct value *to = rows->values;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < in->rows; i++) {
    int nulls = 0;
    for (uint32_t k = 0; k < in->columns; k++) {
      if (codec_get(&reader, &to[k])) {
        return err_set(err, ERR_SYSTEM, "a batch that cannot be read");
      }
      nulls |= to[k].type == VALUE_NULL;
    }
    if (nulls && skip_null) {
      rows->skipped[i] = 1;
      continue;
    }
    to += in->columns;
    kept++;
  }
  rows->columns = (struct columns){kept, in->columns, rows->values};
  return 0;
}

/* Appends a row; `row` of the results, or -1 for one that was skipped. */
static int row_put(const struct run *run, const struct results *results,
                   int64_t row, uint32_t width, struct buf *out,
                   struct err *err) {
  struct value value = value_null();
  for (uint32_t i = 0; i < width; i++) {
    struct held held = {0};
    if (row >= 0 && results_get(results, i, (uint32_t)row, &value, &held)) {
      return run_failed(run, err);
    }
    codec_add(out, &value);
    held_release(&held);
  }
  return 0;
}

/* Where no value has bytes of its own: no more room is needed, and nothing fails. */
static void rows_put_numbers(const struct results *results, uint8_t *to) {
  for (uint32_t row = 0; row < results->rows; row++) {
    for (uint32_t i = 0; i < results->count; i++) {
      struct value value;
      struct held held = {0};
      results_get(results, i, row, &value, &held);
      to = codec_put(to, &value);
    }
  }
}

static int rows_put(const struct run *run, const struct rows *rows,
                    const struct results *results, uint32_t count,
                    struct buf *out, struct err *err) {
  uint32_t width = columnar_width(run->columnar);
  int64_t row = 0;
  uint64_t size = results && !rows->skipped ? results_size(results) : 0;
  if (size) {
    void *room = buf_grow(out, size);
    if (!room) return err_nomem(err);
    rows_put_numbers(results, room);
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    int skipped = rows->skipped && rows->skipped[i];
    if (row_put(run, results, skipped ? -1 : row++, width, out, err)) return -1;
    if (out->failed) return err_nomem(err);
  }
  return 0;
}

int columnar_map(struct runtime_space *space, const struct callable *callable,
                 const struct batch *in, struct buf *out, uint32_t *done,
                 struct err *err) {
  int skip_null = callable->skip_null;
  struct run run = run_begin(space, callable);
  struct results *results = NULL;
  struct rows rows;
  size_t start = out->len;
  int rc = rows_init(&rows, in, skip_null, err);
  if (!rc && rows.columns.rows) {
    results = run_columns(run.columnar, &rows.columns);
    if (!results) rc = run_failed(&run, err);
  }
  if (!rc) rc = rows_put(&run, &rows, results, in->rows, out, err);
  if (rc) out->len = start;
  *done = rc ? 0 : in->rows;
  results_free(results);
  rows_fini(&rows);
  run_end(&run);
  return rc;
}

/* ---- a call ---- */

/* A value that points into the results goes on to point into the space. */
static int value_keep(struct runtime_space *space, struct value *value) {
  if (!value_is_bytes(value) || space->held.object || space->held.view.obj) {
    return 0;
  }
  PyObject *bytes =
      PyBytes_FromStringAndSize(value->data, (Py_ssize_t)value->len);
  if (!bytes) return -1;
  space->held.object = bytes;
  value->data = PyBytes_AsString(bytes);
  value->flags |= VALUE_HELD;
  return 0;
}

/* {name: value} of the first row; NULL with a Python exception set. */
static PyObject *row_dict(const struct results *results, PyObject *names) {
  PyObject *dict = PyDict_New();
  for (uint32_t i = 0; dict && i < results->count; i++) {
    struct value value;
    struct held held = {0};
    PyObject *object = NULL, *name = PyTuple_GetItem(names, (Py_ssize_t)i);
    if (!results_get(results, i, 0, &value, &held)) {
      object = convert_in(
          &value, value.flags & VALUE_JSON ? CONVERT_JSON : CONVERT_DEFAULT);
      held_release(&held);
    }
    if (!object || PyDict_SetItem(dict, name, object)) Py_CLEAR(dict);
    Py_XDECREF(object);
  }
  return dict;
}

/* Returns 0, or -1 with a Python exception set. */
static int result_take(struct run *run, const struct results *results,
                       struct value *result) {
  struct held *held = &run->space->held;
  call_release(run->space); /* the function may have called others */
  if (run->columnar->names != Py_None) {
    PyObject *dict = row_dict(results, run->columnar->names);
    return dict ? convert_out(dict, result, held) : -1;
  }
  if (results_get(results, 0, 0, result, held)) return -1;
  return value_keep(run->space, result);
}

int columnar_call(struct runtime_space *space, const struct callable *callable,
                  const struct value *argv, uint32_t argc, struct value *result,
                  struct err *err) {
  if (callable->skip_null) {
    for (uint32_t i = 0; i < argc; i++) {
      if (argv[i].type != VALUE_NULL) continue;
      call_release(space);
      value_set_null(result);
      return 0;
    }
  }
  struct run run = run_begin(space, callable);
  struct columns in = {1, argc, argv};
  struct results *results = run_columns(run.columnar, &in);
  int rc = results ? result_take(&run, results, result) : -1;
  if (rc) run_failed(&run, err);
  results_free(results);
  run_end(&run);
  return rc;
}

int columnar_call_objects(struct runtime_space *space,
                          const struct callable *callable, PyObject **args,
                          uint32_t argc, struct value *result,
                          struct err *err) {
  struct value values[CALL_ARGS_MAX];
  struct held held[CALL_ARGS_MAX];
  uint32_t count = 0;
  int rc = 0;
  memset(held, 0, argc * sizeof *held);
  for (; !rc && count < argc; count++) {
    struct rowset *rowset = pyrows_get(args[count]);
    if (rowset) {
      value_set_bytes(&values[count], VALUE_ROWS, 0, rowset,
                      rowset_len(rowset));
      held[count].object = args[count];
    } else {
      rc = convert_out(args[count], &values[count], &held[count]);
    }
  }
  if (rc) {
    error_take(space->session, callable->function, err);
  } else {
    rc = columnar_call(space, callable, values, argc, result, err);
  }
  for (uint32_t i = count; i < argc; i++) Py_DECREF(args[i]);
  for (uint32_t i = 0; i < count; i++) held_release(&held[i]);
  return rc;
}
