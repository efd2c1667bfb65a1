/* pyrows.c - a set of rows as Python sees it: see pyrows.h
**
** A Rows object is a reference to a struct rowset and may outlive the call that
** got it. Each iterator reads for itself, from the first row on.
*/
#include "pyrows.h"

#include <stddef.h>

#include "convert.h"

/* How many values are read between two looks at what wants to end the call. */
enum { LOOK_EVERY = 4096 };

struct rows {
  PyObject ob_base;
  struct rowset *rowset;
};

struct iterator {
  PyObject ob_base;
  struct rowset_reader reader;
};

static PyObject *rows_type, *iterator_type;
static PyObject *look; /* a function that does nothing */

/* The iteration may be a loop in C, over many sets that are small. Where Python
** code runs, exceptions that were raised in this thread by others arrive, and
** signals are seen to. */
static int look_around(uint32_t values) {
  static uint32_t since;
  since += values;
  if (since < LOOK_EVERY) return 0;
  since = 0;
  PyObject *none = PyObject_CallNoArgs(look);
  Py_XDECREF(none);
  return none ? 0 : -1;
}

static void raise(struct err *err) {
  if (err->code == ERR_NOMEM) {
    PyErr_NoMemory();
  } else {
    PyErr_SetString(PyExc_OSError, err->text ? err->text : "rows");
  }
  err_clear(err);
}

/* The next value as an object. NULL: an exception, or the end. */
static PyObject *next_value(struct rowset_reader *reader) {
  struct value value;
  struct err err = {0};
  int rc = rowset_next(reader, &value, &err);
  if (rc > 0) return convert_in(&value, CONVERT_DEFAULT);
  if (rc < 0) raise(&err);
  return NULL;
}

/* ---- the iterator ---- */

static PyObject *iterator_next(PyObject *self) {
  struct iterator *iterator = (struct iterator *)self;
  uint32_t columns = rowset_columns(iterator->reader.rowset);
  if (!iterator->reader.left || look_around(columns)) return NULL;
  PyObject *row = PyTuple_New((Py_ssize_t)columns);
  for (uint32_t i = 0; row && i < columns; i++) {
    PyObject *value = next_value(&iterator->reader);
    if (!value || PyTuple_SetItem(row, (Py_ssize_t)i, value)) {
      iterator->reader.left = 0; /* the rest of the row is lost */
      Py_CLEAR(row);
    }
  }
  return row;
}

static void iterator_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  rowset_reader_fini(&((struct iterator *)self)->reader);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "pyudf.RowsIterator",
    .basicsize = sizeof(struct iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};

/* ---- the rows ---- */

static struct rowset *rowset_of(PyObject *self) {
  return ((struct rows *)self)->rowset;
}

static PyObject *rows_iter(PyObject *self) {
  struct iterator *iterator =
      (struct iterator *)PyType_GenericAlloc((PyTypeObject *)iterator_type, 0);
  if (!iterator) return NULL;
  rowset_reader_init(&iterator->reader, rowset_of(self));
  return (PyObject *)iterator;
}

static Py_ssize_t rows_len(PyObject *self) {
  return (Py_ssize_t)rowset_count(rowset_of(self));
}

static PyObject *rows_repr(PyObject *self) {
  const struct rowset *rowset = rowset_of(self);
  return PyUnicode_FromFormat("<pyudf.Rows: %zd rows of %u columns>",
                              rows_len(self), rowset_columns(rowset));
}

static PyObject *rows_columns(PyObject *self, void *closure) {
  (void)closure;
  return PyLong_FromUnsignedLong(rowset_columns(rowset_of(self)));
}

static void rows_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  rowset_unref(rowset_of(self));
  PyObject_Free(self);
  Py_DECREF(type);
}

/* Puts all values into the lists; the rows have one for each. */
static int fill_lists(struct rowset_reader *reader, PyObject *lists) {
  Py_ssize_t columns = PyList_Size(lists);
  Py_ssize_t rows = (Py_ssize_t)rowset_count(reader->rowset);
  for (Py_ssize_t row = 0; row < rows; row++) {
    if (look_around((uint32_t)columns)) return -1;
    for (Py_ssize_t i = 0; i < columns; i++) {
      PyObject *value = next_value(reader);
      if (!value || PyList_SetItem(PyList_GetItem(lists, i), row, value)) {
        return -1;
      }
    }
  }
  return 0;
}

/* A list of `columns` lists of `rows` items that are to be set. */
static PyObject *lists_new(Py_ssize_t columns, Py_ssize_t rows) {
  PyObject *lists = PyList_New(columns);
  for (Py_ssize_t i = 0; lists && i < columns; i++) {
    PyObject *list = PyList_New(rows);
    if (!list || PyList_SetItem(lists, i, list)) Py_CLEAR(lists);
  }
  return lists;
}

static PyObject *rows_lists(PyObject *self, PyObject *none) {
  (void)none;
  struct rowset *rowset = rowset_of(self);
  struct rowset_reader reader;
  PyObject *lists =
      lists_new((Py_ssize_t)rowset_columns(rowset), rows_len(self));
  if (!lists) return NULL;
  rowset_reader_init(&reader, rowset);
  if (fill_lists(&reader, lists)) Py_CLEAR(lists);
  rowset_reader_fini(&reader);
  return lists;
}

static PyMethodDef rows_methods[] = {
    {"lists", rows_lists, METH_NOARGS,
     "lists(): all values as new lists, one a column."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef rows_getset[] = {
    {"columns", rows_columns, NULL,
     "How many values a row has; 0 where there is no row.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static char rows_doc[] =
    "The rows that python_rows() has collected.\n\n"
    "Iterating gives a tuple for each row, from the first one on each time;\n"
    "len() says how many there are. They may be kept beyond the call.\n"
    "Raises OSError where rows that lie in a temporary file cannot be read.";

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, rows_doc},       {Py_tp_dealloc, rows_dealloc},
    {Py_tp_iter, rows_iter},     {Py_tp_repr, rows_repr},
    {Py_sq_length, rows_len},    {Py_tp_methods, rows_methods},
    {Py_tp_getset, rows_getset}, {0, NULL},
};

static PyType_Spec rows_spec = {
    .name = "pyudf.Rows",
    .basicsize = sizeof(struct rows),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = rows_slots,
};

PyObject *pyrows_new(struct rowset *rowset) {
  struct rows *rows =
      (struct rows *)PyType_GenericAlloc((PyTypeObject *)rows_type, 0);
  if (!rows) return NULL;
  rowset_ref(rowset);
  rows->rowset = rowset;
  return (PyObject *)rows;
}

/* The lambda is made here and not imported: the package is not up yet. */
static PyObject *look_new(void) {
  PyObject *code = Py_CompileString("lambda: None", "<pyudf>", Py_eval_input);
  PyObject *names = code ? PyDict_New() : NULL;
  PyObject *function = names ? PyEval_EvalCode(code, names, names) : NULL;
  Py_XDECREF(names);
  Py_XDECREF(code);
  return function;
}

int pyrows_start(void) {
  if (!look) look = look_new();
  if (look && !iterator_type) iterator_type = PyType_FromSpec(&iterator_spec);
  if (iterator_type && !rows_type) rows_type = PyType_FromSpec(&rows_spec);
  return rows_type ? 0 : -1;
}

struct rowset *pyrows_get(PyObject *object) {
  return Py_TYPE(object) == (PyTypeObject *)rows_type ? rowset_of(object)
                                                      : NULL;
}

int pyrows_add_to(PyObject *module) {
  return pyrows_start() ? -1 : PyModule_AddObjectRef(module, "Rows", rows_type);
}
