/* awaits.c - async functions: see awaits.h */
#include "awaits.h"

#include <stdlib.h>

#include "../base/codec.h"
#include "error.h"

/* The next row as a tuple; None for one that is skipped, as it has a NULL. NULL
** with a Python exception set. */
static PyObject *row_new(const struct callable *callable,
                         struct codec_reader *reader, uint32_t columns) {
  int skip = 0;
  PyObject *row = PyTuple_New((Py_ssize_t)columns);
  for (uint32_t i = 0; row && i < columns; i++) {
    struct value value;
    PyObject *object = NULL;
    if (codec_get(reader, &value)) {
      PyErr_SetString(PyExc_SystemError, "a batch that cannot be read");
    } else {
      object = call_argument(callable, i, &value);
      skip |= callable->skip_null && value.type == VALUE_NULL;
    }
    if (!object || PyTuple_SetItem(row, (Py_ssize_t)i, object)) Py_CLEAR(row);
  }
  if (!row || !skip) return row;
  Py_DECREF(row);
  Py_INCREF(Py_None);
  return Py_None;
}

/* All of them, a new list. */
static PyObject *rows_new(const struct callable *callable,
                          const struct batch *in) {
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  PyObject *rows = PyList_New((Py_ssize_t)in->rows);
  for (uint32_t i = 0; rows && i < in->rows; i++) {
    PyObject *row = row_new(callable, &reader, in->columns);
    if (!row || PyList_SetItem(rows, (Py_ssize_t)i, row)) Py_CLEAR(rows);
  }
  return rows;
}

/* Appends the values of the rows that have one. */
static int values_put(struct runtime_space *space, PyObject *function,
                      PyObject *values, struct buf *out, uint32_t *done,
                      struct err *err) {
  for (; (Py_ssize_t)*done < PyList_Size(values); ++*done) {
    struct value value;
    struct held held = {0};
    PyObject *object = PyList_GetItem(values, (Py_ssize_t)*done);
    Py_INCREF(object);
    if (convert_out(object, &value, &held)) {
      return error_take(space->session, function, err);
    }
    codec_add(out, &value);
    held_release(&held);
    if (out->failed) return err_nomem(err);
  }
  return 0;
}

/* The callable gives (values, exception): of the rows before the first that
** failed, and what that raised, or None. */
static int results_put(struct runtime_space *space, PyObject *function,
                       PyObject *results, struct buf *out, uint32_t *done,
                       struct err *err) {
  PyObject *values, *failure;
  if (!PyArg_ParseTuple(results, "OO", &values, &failure)) {
    return error_take(space->session, function, err);
  }
  if (values_put(space, function, values, out, done, err)) return -1;
  if (failure == Py_None) return 0;
  PyErr_SetObject((PyObject *)Py_TYPE(failure), failure);
  return error_take(space->session, function, err);
}

/* What the loop calls each time that it has come round. It may outlive the batch. */
struct turned {
  uint32_t *done; /* NULL: the batch is over */
  const struct batch_options *options;
};

static const char turned_name[] = "pyudf.turned";

static void turned_free(PyObject *capsule) {
  free(PyCapsule_GetPointer(capsule, turned_name));
}

/* A deadline counts from here, and who wants no more is heard. */
static PyObject *turned_call(PyObject *capsule, PyObject *none) {
  (void)none;
  const struct turned *turned = PyCapsule_GetPointer(capsule, turned_name);
  if (!turned) return NULL;
  if (turned->done) {
    const struct batch_options *options = turned->options;
    ++*turned->done;
    if (options->stopped && options->stopped(options->arg)) {
      PyErr_SetNone(PyExc_KeyboardInterrupt);
      return NULL;
    }
  }
  Py_RETURN_NONE;
}

static PyMethodDef turned_def = {"turned", turned_call, METH_NOARGS, NULL};

/* The callable; *turned is its own. NULL with a Python exception set. */
static PyObject *turned_new(const struct batch_options *options, uint32_t *done,
                            struct turned **turned) {
  *turned = malloc(sizeof **turned);
  if (!*turned) return PyErr_NoMemory();
  **turned = (struct turned){done, options};
  PyObject *capsule = PyCapsule_New(*turned, turned_name, turned_free);
  if (!capsule) {
    free(*turned);
    return NULL;
  }
  PyObject *callable = PyCFunction_New(&turned_def, capsule);
  Py_DECREF(capsule);
  return callable;
}

int awaits_map(struct runtime_space *space, const struct callable *callable,
               const struct batch *in, const struct batch_options *options,
               struct buf *out, uint32_t *done, struct err *err) {
  if (!in->rows) return 0;
  /* The definition may be made anew while it runs. */
  PyObject *function = callable->function, *run = callable->awaits;
  PyObject *results = NULL;
  int rc = -1;
  Py_INCREF(function);
  Py_INCREF(run);
  call_release(space);
  struct turned *turned = NULL;
  PyObject *rows = rows_new(callable, in);
  PyObject *tell = rows ? turned_new(options, done, &turned) : NULL;
  if (tell) {
    results =
        PyObject_CallFunction(run, "OIIIO", rows, options->concurrency,
                              options->timeout_ms, options->retries, tell);
    turned->done = NULL;
  }
  *done = 0;
  rc = results ? results_put(space, function, results, out, done, err)
               : error_take(space->session, function, err);
  Py_XDECREF(results);
  Py_XDECREF(tell);
  Py_XDECREF(rows);
  Py_DECREF(run);
  Py_DECREF(function);
  return rc;
}
