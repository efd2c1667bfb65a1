/* rows.c - calls of a table function: what their rows come from: see rows.h */
#include "rows.h"

#include <stdlib.h>

#include "error.h"

static PyObject *iterated; /* pyudf._table.iterated */
static PyObject *row_of;   /* pyudf._table.row_of */
static PyObject *name_close;

struct table {
  uint32_t refs;
  uint32_t columns;
  PyObject *parameters; /* a tuple: names of those that have one */
  PyObject *how;        /* for row_of() */
};

struct runtime_rows {
  PyObject *function; /* for errors */
  struct table *table;
  PyObject *iterator; /* NULL once it has ended */
  uint64_t used;
  uint32_t columns;
  int holding; /* some of `held` are in use */
  struct held held[];
};

int rows_start(void) {
  if (iterated) return 0;
  PyObject *module = PyImport_ImportModule("pyudf._table");
  if (!module) return -1;
  name_close = PyUnicode_InternFromString("close");
  row_of = PyObject_GetAttrString(module, "row_of");
  if (name_close && row_of) {
    iterated = PyObject_GetAttrString(module, "iterated");
  }
  Py_DECREF(module);
  return iterated ? 0 : -1;
}

/* ---- tables ---- */

struct table *table_new(PyObject *how) {
  if (!PyTuple_Check(how) || PyTuple_Size(how) != 3 ||
      !PyTuple_Check(PyTuple_GetItem(how, 0)) ||
      !PyTuple_Check(PyTuple_GetItem(how, 1))) {
    PyErr_SetString(PyExc_SystemError, "pyudf: a table that is none");
    return NULL;
  }
  struct table *table = calloc(1, sizeof *table);
  if (!table) {
    PyErr_NoMemory();
    return NULL;
  }
  table->refs = 1;
  table->parameters = PyTuple_GetItem(how, 0);
  Py_INCREF(table->parameters);
  table->columns = (uint32_t)PyTuple_Size(PyTuple_GetItem(how, 1));
  Py_INCREF(how);
  table->how = how;
  return table;
}

void table_unref(struct table *table) {
  if (!table || --table->refs) return;
  Py_DECREF(table->parameters);
  Py_DECREF(table->how);
  free(table);
}

uint32_t table_columns(const struct table *table) { return table->columns; }

/* ---- the call ---- */

static int failed(struct runtime_space *space, const struct runtime_rows *rows,
                  struct err *err) {
  return error_take(space->session, rows->function, err);
}

uint32_t rows_parameter(const struct tablecall *call, uint32_t i) {
  for (uint32_t parameter = 0; parameter < TABLECALL_PARAMETERS; parameter++) {
    if (tablecall_has(call, parameter) && i-- == 0) return parameter;
  }
  return TABLECALL_PARAMETERS - 1;
}

/* Arguments of the call that come before the first parameter that is left out: the
** others go by name. */
static uint32_t positional(const struct tablecall *call) {
  uint32_t i = 0;
  while (i < call->argc && tablecall_has(call, i)) i++;
  return i;
}

/* The names of those that go by name; a new tuple, or NULL with an exception. */
static PyObject *names_of(const struct table *table,
                          const struct tablecall *call, uint32_t first) {
  PyObject *names = PyTuple_New((Py_ssize_t)(call->argc - first));
  for (uint32_t i = first; names && i < call->argc; i++) {
    uint32_t parameter = rows_parameter(call, i);
    if (parameter >= (uint32_t)PyTuple_Size(table->parameters)) {
      PyErr_SetString(PyExc_TypeError,
                      "an argument is missing before one of *args");
      Py_DECREF(names);
      return NULL;
    }
    PyObject *name = PyTuple_GetItem(table->parameters, (Py_ssize_t)parameter);
    Py_INCREF(name);
    PyTuple_SetItem(names, (Py_ssize_t)(i - first), name);
  }
  return names;
}

static PyObject *call_function(const struct table *table, PyObject *function,
                               PyObject **args, const struct tablecall *call) {
  uint32_t first = positional(call);
  size_t flagged = first | PY_VECTORCALL_ARGUMENTS_OFFSET;
  if (first == call->argc) {
    return PyObject_Vectorcall(function, args, flagged, NULL);
  }
  PyObject *names = names_of(table, call, first);
  PyObject *result =
      names ? PyObject_Vectorcall(function, args, flagged, names) : NULL;
  Py_XDECREF(names);
  return result;
}

/* What a function returned (taken) as an iterator; NULL with an exception. */
static PyObject *iterator_of(const struct table *table, PyObject *object) {
  if (PyIter_Check(object)) return object;
  PyObject *iterator =
      PyList_CheckExact(object)
          ? PyObject_GetIter(object)
          : PyObject_CallFunctionObjArgs(iterated, table->how, object, NULL);
  Py_DECREF(object);
  return iterator;
}

/* What SQL was told it is when it was defined: a file may have changed since. */
int rows_check(uint32_t columns, uint32_t wanted, struct err *err) {
  if (!wanted || columns == wanted) return 0;
  return err_set(err, ERR_USAGE,
                 "has %u column%s by now, and %u when it was defined: "
                 "python_reload() or define it anew",
                 columns, columns == 1 ? "" : "s", wanted);
}

struct runtime_rows *rows_new_objects(struct runtime_space *space,
                                      const struct callable *callable,
                                      PyObject **args,
                                      const struct tablecall *call,
                                      struct err *err) {
  struct table *table = callable->table;
  struct runtime_rows *rows = NULL;
  PyObject *object = NULL;
  int rc = rows_check(table->columns, call->columns, err);
  if (!rc)
    rows = calloc(1, sizeof *rows + table->columns * sizeof(struct held));
  if (!rows) {
    if (!rc) err_nomem(err);
  } else {
    table->refs++;
    rows->table = table;
    rows->columns = table->columns;
    rows->used = call->used;
    rows->function = callable->function;
    Py_INCREF(rows->function);
    if (callable->skip_null && call_any_none(args, call->argc)) {
      object = PyList_New(0);
    } else {
      object = call_function(table, rows->function, args, call);
    }
    if (object) rows->iterator = iterator_of(table, object);
  }
  for (uint32_t i = 0; i < call->argc; i++) Py_DECREF(args[i]);
  if (!rows || rows->iterator) return rows;
  failed(space, rows, err);
  rows_free(space, rows, NULL);
  return NULL;
}

struct runtime_rows *rows_new(struct runtime_space *space,
                              uint32_t definition_id, uint32_t index,
                              const struct tablecall *call, struct err *err) {
  PyObject *stack[1 + TABLECALL_PARAMETERS];
  PyObject **args = stack + 1;
  const struct callable *callable =
      call_table(space, definition_id, index, call->argc, err);
  if (!callable) return NULL;
  for (uint32_t i = 0; i < call->argc; i++) {
    args[i] = call_argument(callable, rows_parameter(call, i), &call->argv[i]);
    if (!args[i]) {
      while (i > 0) Py_DECREF(args[--i]);
      call_argument_failed(space, callable, err);
      return NULL;
    }
  }
  return rows_new_objects(space, callable, args, call, err);
}

/* ---- rows ---- */

uint32_t rows_columns(const struct runtime_rows *rows) { return rows->columns; }

static void let_go(struct runtime_rows *rows) {
  if (!rows->holding) return;
  rows->holding = 0;
  for (uint32_t i = 0; i < rows->columns; i++) {
    if (rows->held[i].object || rows->held[i].view.obj) {
      held_release(&rows->held[i]);
    }
  }
}

/* Takes the reference to `object`. */
static inline int column_take(struct runtime_rows *rows, uint32_t i,
                              PyObject *object, struct value *values) {
  if (convert_out(object, &values[i], &rows->held[i])) return -1;
  rows->holding |= (values[i].flags & VALUE_HELD) != 0;
  return 0;
}

/* A tuple or a list of as many objects as there are columns, borrowed. Of a list
** the size is asked each time: converting may run code. */
static int sequence_take(struct runtime_rows *rows, PyObject *row,
                         struct value *values) {
  int is_tuple = PyTuple_Check(row);
  for (uint32_t i = 0; i < rows->columns; i++) {
    if (!tablecall_uses(rows->used, i)) {
      value_set_null(&values[i]);
      continue;
    }
    PyObject *object = is_tuple ? PyTuple_GetItem(row, (Py_ssize_t)i)
                                : PyList_GetItem(row, (Py_ssize_t)i);
    if (!object) return -1;
    Py_INCREF(object);
    if (column_take(rows, i, object, values)) return -1;
  }
  return 0;
}

/* 1 for what is a value, where there is one column, and needs no second look. */
static inline int is_plain(PyObject *item) {
  PyTypeObject *type = Py_TYPE(item);
  return type == &PyLong_Type || type == &PyUnicode_Type ||
         type == &PyFloat_Type || item == Py_None || type == &PyBytes_Type ||
         type == &PyBool_Type;
}

/* An item (taken) as a row. */
static int row_take(struct runtime_rows *rows, PyObject *item,
                    struct value *values) {
  Py_ssize_t columns = (Py_ssize_t)rows->columns;
  if (columns == 1 && is_plain(item)) {
    return column_take(rows, 0, item, values);
  }
  int fits = PyTuple_Check(item) ? PyTuple_Size(item) == columns
                                 : columns > 1 && PyList_CheckExact(item) &&
                                       PyList_Size(item) == columns;
  if (!fits) {
    PyObject *row =
        PyObject_CallFunctionObjArgs(row_of, rows->table->how, item, NULL);
    Py_DECREF(item);
    if (!row) return -1;
    item = row;
  }
  int rc = sequence_take(rows, item, values);
  Py_DECREF(item);
  return rc;
}

int rows_next(struct runtime_space *space, struct runtime_rows *rows,
              struct value *values, struct err *err) {
  let_go(rows);
  if (!rows->iterator) return 0;
  PyObject *item = PyIter_Next(rows->iterator);
  if (item && !row_take(rows, item, values)) return 1;
  if (item || PyErr_Occurred()) return failed(space, rows, err);
  Py_CLEAR(rows->iterator);
  return 0;
}

/* A generator's `finally` blocks run now, and not when somebody collects it. */
static int end(struct runtime_space *space, struct runtime_rows *rows,
               struct err *err) {
  PyObject *iterator = rows->iterator, *done = NULL;
  rows->iterator = NULL;
  if (!iterator) return 0;
  PyObject *close = PyObject_GetAttr(iterator, name_close);
  if (close) {
    done = PyObject_CallNoArgs(close);
    Py_DECREF(close);
  } else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_Clear();
    Py_INCREF(Py_None);
    done = Py_None;
  }
  int rc = done ? 0 : failed(space, rows, err);
  Py_XDECREF(done);
  Py_DECREF(iterator);
  return rc;
}

int rows_free(struct runtime_space *space, struct runtime_rows *rows,
              struct err *err) {
  if (!rows) return 0;
  let_go(rows);
  int rc = end(space, rows, err);
  Py_DECREF(rows->function);
  table_unref(rows->table);
  free(rows);
  return rc;
}
