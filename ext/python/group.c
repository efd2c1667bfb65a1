/* group.c - groups of an aggregate function: their states: see group.h */
#include "group.h"

#include <stdlib.h>

#include "error.h"

enum { TRIM = 1024 }; /* rows that have left, before the list is shortened */

struct aggregate {
  uint32_t refs;
  enum aggregate_form form;
  /* By form; NULL where none. */
  PyObject *create, *step, *inverse, *value, *merge;
};

struct runtime_group {
  struct callable callable; /* a copy: the definition may be made anew */
  PyObject *state;
  PyObject *step, *inverse; /* what is called for a row; NULL: not known yet */
  PyObject *get_value;      /* the same for a value before the last */
  PyObject *rows;           /* a list: all that came and may leave; or NULL */
  Py_ssize_t left;          /* of these, at the front */
  int stale;                /* rows have left that the state still knows */
  int valued;               /* it had a value before its last */
  uint32_t argc;            /* of a call */
};

static PyObject *name_step, *name_inverse, *name_value, *name_finalize,
    *name_merge;

int group_start(void) {
  if (!name_step) name_step = PyUnicode_InternFromString("step");
  if (!name_inverse) name_inverse = PyUnicode_InternFromString("inverse");
  if (!name_value) name_value = PyUnicode_InternFromString("value");
  if (!name_finalize) name_finalize = PyUnicode_InternFromString("finalize");
  if (!name_merge) name_merge = PyUnicode_InternFromString("merge");
  return name_step && name_inverse && name_value && name_finalize && name_merge
             ? 0
             : -1;
}

/* ---- aggregates ---- */

/* Item i of the tuple, NULL for None. */
static PyObject *part(PyObject *how, Py_ssize_t i) {
  PyObject *object = PyTuple_GetItem(how, i);
  if (!object || object == Py_None) return NULL;
  Py_INCREF(object);
  return object;
}

struct aggregate *aggregate_new(PyObject *how) {
  if (!PyTuple_Check(how) || PyTuple_Size(how) != 6) {
    PyErr_SetString(PyExc_SystemError, "pyudf: an aggregate that is none");
    return NULL;
  }
  struct aggregate *aggregate = calloc(1, sizeof *aggregate);
  if (!aggregate) {
    PyErr_NoMemory();
    return NULL;
  }
  aggregate->refs = 1;
  aggregate->form = (enum aggregate_form)PyLong_AsLong(PyTuple_GetItem(how, 0));
  aggregate->create = part(how, 1);
  aggregate->step = part(how, 2);
  aggregate->inverse = part(how, 3);
  aggregate->value = part(how, 4);
  aggregate->merge = part(how, 5);
  if (PyErr_Occurred()) {
    aggregate_unref(aggregate);
    return NULL;
  }
  return aggregate;
}

void aggregate_unref(struct aggregate *aggregate) {
  if (!aggregate || --aggregate->refs) return;
  Py_XDECREF(aggregate->create);
  Py_XDECREF(aggregate->step);
  Py_XDECREF(aggregate->inverse);
  Py_XDECREF(aggregate->value);
  Py_XDECREF(aggregate->merge);
  free(aggregate);
}

/* ---- states ---- */

/* A Python exception as the group's. */
static int failed(struct runtime_space *space, struct runtime_group *group,
                  struct err *err) {
  return error_take(space->session, group->callable.function, err);
}

static void state_drop(struct runtime_group *group) {
  Py_CLEAR(group->step);
  Py_CLEAR(group->inverse);
  Py_CLEAR(group->get_value);
  Py_CLEAR(group->state);
}

/* A fresh state. Returns 0, or -1 with a Python exception set. */
static int state_make(struct runtime_group *group) {
  const struct aggregate *aggregate = group->callable.aggregate;
  state_drop(group);
  if (aggregate->form == AGGREGATE_ROWS) return 0;
  group->state = PyObject_CallNoArgs(aggregate->create);
  if (!group->state) return -1;
  if (aggregate->form == AGGREGATE_ACCUMULATOR) {
    Py_INCREF(aggregate->step);
    group->step = aggregate->step;
    Py_XINCREF(aggregate->inverse);
    group->inverse = aggregate->inverse;
  }
  return 0;
}

/* A method of the state, looked up at its first call. NULL with an exception. */
static inline PyObject *known(struct runtime_group *group, PyObject **method,
                              PyObject *name) {
  if (!*method) *method = PyObject_GetAttr(group->state, name);
  return *method;
}

/* `method` NULL: there is an exception. It is held, as it may end the group's last
** reference to itself. */
static inline PyObject *call_known(PyObject *method, PyObject **args,
                                   size_t argc) {
  if (!method) return NULL;
  Py_INCREF(method);
  PyObject *result = PyObject_Vectorcall(method, args, argc, NULL);
  Py_DECREF(method);
  return result;
}

/* Calls step or inverse for one row; args as group_step_objects() has them,
** borrowed. */
static int state_call(struct runtime_group *group, int inverse, PyObject **args,
                      uint32_t argc) {
  PyObject *method = inverse ? known(group, &group->inverse, name_inverse)
                             : known(group, &group->step, name_step);
  if (group->callable.aggregate->form == AGGREGATE_ACCUMULATOR) {
    *--args = group->state;
    argc++;
  }
  PyObject *none =
      call_known(method, args, argc | PY_VECTORCALL_ARGUMENTS_OFFSET);
  Py_XDECREF(none);
  return none ? 0 : -1;
}

/* The state made anew out of the rows that are left. */
static int state_renew(struct runtime_group *group) {
  PyObject *stack[2 + CALL_ARGS_MAX];
  PyObject **args = stack + 2;
  if (state_make(group)) return -1;
  for (Py_ssize_t i = group->left; i < PyList_Size(group->rows); i++) {
    PyObject *row = PyList_GetItem(group->rows, i);
    uint32_t argc = (uint32_t)PyTuple_Size(row);
    for (uint32_t k = 0; k < argc; k++) args[k] = PyTuple_GetItem(row, k);
    Py_INCREF(row);
    int rc = state_call(group, 0, args, argc);
    Py_DECREF(row);
    if (rc) return -1;
  }
  group->stale = 0;
  return 0;
}

/* ---- rows that are kept ---- */

/* The arguments as one object: of a function of all rows, a single argument is
** its row. */
static PyObject *row_new(const struct runtime_group *group, PyObject **args,
                         uint32_t argc) {
  if (argc == 1 && group->callable.aggregate->form == AGGREGATE_ROWS) {
    Py_INCREF(args[0]);
    return args[0];
  }
  PyObject *row = PyTuple_New((Py_ssize_t)argc);
  for (uint32_t i = 0; row && i < argc; i++) {
    Py_INCREF(args[i]);
    PyTuple_SetItem(row, (Py_ssize_t)i, args[i]);
  }
  return row;
}

static int row_keep(struct runtime_group *group, PyObject **args,
                    uint32_t argc) {
  PyObject *row = row_new(group, args, argc);
  int rc = row ? PyList_Append(group->rows, row) : -1;
  Py_XDECREF(row);
  return rc;
}

static int row_leave(struct runtime_group *group) {
  group->stale = 1;
  if (++group->left < TRIM || group->left < PyList_Size(group->rows) / 2) {
    return 0;
  }
  Py_ssize_t left = group->left;
  group->left = 0;
  return PyList_SetSlice(group->rows, 0, left, NULL);
}

/* ---- groups ---- */

const struct callable *group_callable(const struct runtime_group *group) {
  return &group->callable;
}

/* Rows may leave, and nothing of the function's takes them away; or its value
** is to be had only at the end of a state. */
static int keeps_rows(const struct aggregate *aggregate, int windowed) {
  if (aggregate->form == AGGREGATE_ROWS) return 1;
  return windowed && (!aggregate->inverse || !aggregate->value);
}

struct runtime_group *group_new(struct runtime_space *space,
                                uint32_t definition_id, uint32_t index,
                                int windowed, uint32_t argc, struct err *err) {
  const struct callable *callable = call_item(space, definition_id, index, err);
  if (!callable) return NULL;
  if (!callable->aggregate) {
    err_set(err, ERR_SYSTEM, "no aggregate %u.%u", definition_id, index);
    return NULL;
  }
  struct runtime_group *group = calloc(1, sizeof *group);
  if (!group) {
    err_nomem(err);
    return NULL;
  }
  group->callable = *callable;
  group->argc = argc;
  group->callable.aggregate->refs++;
  Py_INCREF(group->callable.function);
  int rc = 0;
  if (keeps_rows(callable->aggregate, windowed)) {
    group->rows = PyList_New(0);
    rc = group->rows ? 0 : -1;
  }
  if (rc || state_make(group)) {
    failed(space, group, err);
    group_free(group);
    return NULL;
  }
  return group;
}

void group_free(struct runtime_group *group) {
  if (!group) return;
  state_drop(group);
  Py_XDECREF(group->rows);
  Py_XDECREF(group->callable.function);
  aggregate_unref(group->callable.aggregate);
  free(group);
}

/* Whoever opened the group was wrong about windows. */
static PyObject *not_kept(void) {
  PyErr_SetString(PyExc_SystemError, "pyudf: the window's rows were not kept");
  return NULL;
}

static int step(struct runtime_group *group, PyObject **args, uint32_t argc,
                int inverse) {
  if (group->callable.skip_null && call_any_none(args, argc)) return 0;
  const struct aggregate *aggregate = group->callable.aggregate;
  if (group->rows) {
    if (inverse ? row_leave(group) : row_keep(group, args, argc)) return -1;
    if (inverse || group->stale) return 0; /* the state is made anew */
  }
  if (aggregate->form == AGGREGATE_ROWS) return 0;
  if (inverse && !aggregate->inverse) {
    not_kept();
    return -1;
  }
  return state_call(group, inverse, args, argc);
}

int group_step_objects(struct runtime_space *space, struct runtime_group *group,
                       PyObject **args, uint32_t argc, int inverse,
                       struct err *err) {
  int rc = step(group, args, argc, inverse);
  for (uint32_t i = 0; i < argc; i++) Py_DECREF(args[i]);
  return rc ? failed(space, group, err) : 0;
}

int group_step(struct runtime_space *space, struct runtime_group *group,
               const struct value *argv, uint32_t argc, int inverse,
               struct err *err) {
  PyObject *stack[2 + CALL_ARGS_MAX];
  PyObject **args = stack + 2;
  for (uint32_t i = 0; i < argc; i++) {
    args[i] = call_argument(&group->callable, i, &argv[i]);
    if (!args[i]) {
      while (i > 0) Py_DECREF(args[--i]);
      return failed(space, group, err);
    }
  }
  return group_step_objects(space, group, args, argc, inverse, err);
}

/* The value of a class's instance. */
static PyObject *object_value(struct runtime_group *group, int last) {
  if (!last && group->callable.aggregate->value) {
    return call_known(known(group, &group->get_value, name_value), NULL, 0);
  }
  if (!last) {
    if (!group->rows) return not_kept();
    /* Only the end of an instance has a value: of one made for it. */
    if (state_renew(group)) return NULL;
    group->stale = 1;
  }
  return PyObject_CallMethodObjArgs(group->state, name_finalize, NULL);
}

static PyObject *value(struct runtime_group *group, int last) {
  const struct aggregate *aggregate = group->callable.aggregate;
  if (aggregate->form == AGGREGATE_ROWS) {
    PyObject *rows =
        PyList_GetSlice(group->rows, group->left, PyList_Size(group->rows));
    PyObject *result = rows ? PyObject_CallFunction(aggregate->value, "OI",
                                                    rows, (unsigned)group->argc)
                            : NULL;
    Py_XDECREF(rows);
    return result;
  }
  if (group->stale && state_renew(group)) return NULL;
  if (aggregate->form == AGGREGATE_OBJECT) return object_value(group, last);
  return PyObject_CallFunctionObjArgs(aggregate->value, group->state, NULL);
}

/* SQLite asks for nothing more after a window's values but that the group ends:
** a class with value() is told so, the others have had their last call. */
static int has_ended(const struct runtime_group *group) {
  const struct aggregate *aggregate = group->callable.aggregate;
  return group->valued &&
         !(aggregate->form == AGGREGATE_OBJECT && aggregate->value);
}

int group_value(struct runtime_space *space, struct runtime_group *group,
                int last, struct value *result, struct err *err) {
  call_release(space);
  if (last && has_ended(group)) {
    value_set_null(result);
    return 0;
  }
  group->valued = !last;
  PyObject *object = value(group, last);
  if (object && !convert_out(object, result, &space->held)) return 0;
  return failed(space, group, err);
}

/* ---- groups in parts ---- */

int group_part(struct runtime_space *space, struct runtime_group *group,
               struct value *result, struct err *err) {
  call_release(space);
  PyObject *packed =
      PyObject_CallMethod(space->session, "pack", "(O)", group->state);
  if (packed && !convert_out(packed, result, &space->held)) return 0;
  return failed(space, group, err);
}

/* Calls what adds a list of other accumulators. */
static PyObject *merge(struct runtime_group *group, PyObject *others) {
  const struct aggregate *aggregate = group->callable.aggregate;
  return aggregate->form == AGGREGATE_OBJECT
             ? PyObject_CallMethodObjArgs(group->state, name_merge, others,
                                          NULL)
             : PyObject_CallFunctionObjArgs(aggregate->merge, group->state,
                                            others, NULL);
}

int group_merge_object(struct runtime_space *space, struct runtime_group *group,
                       PyObject *packed, struct err *err) {
  PyObject *others = NULL, *none = NULL;
  PyObject *other =
      PyObject_CallMethod(space->session, "unpack", "(O)", packed);
  if (other) others = PyList_New(1);
  if (others) {
    PyList_SetItem(others, 0, other);
    none = merge(group, others);
  } else {
    Py_XDECREF(other);
  }
  Py_XDECREF(others);
  Py_XDECREF(none);
  return none ? 0 : failed(space, group, err);
}

int group_merge(struct runtime_space *space, struct runtime_group *group,
                const struct value *part, struct err *err) {
  PyObject *packed =
      PyBytes_FromStringAndSize(part->data, (Py_ssize_t)part->len);
  int rc = packed ? group_merge_object(space, group, packed, err)
                  : failed(space, group, err);
  Py_XDECREF(packed);
  return rc;
}
