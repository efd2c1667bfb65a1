/* compiled.c - functions that carry compiled code, with the GIL: see compiled.h */
#include "compiled.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_ADDRESS, ROW_RESULT, ROW_TELLS, ROW_TYPES, ROW_NAMES };

static int fill(struct native *native, PyObject *row) {
  char *types;
  Py_ssize_t count;
  void *address = PyLong_AsVoidPtr(PyTuple_GetItem(row, ROW_ADDRESS));
  if (!address ||
      PyBytes_AsStringAndSize(PyTuple_GetItem(row, ROW_TYPES), &types,
                              &count) ||
      count > NATIVE_ARGS_MAX) {
    return -1;
  }
  memcpy(&native->address, &address, sizeof address);
  memcpy(native->types, types, (size_t)count);
  native->count = (uint32_t)count;
  native->result = (uint8_t)PyLong_AsLong(PyTuple_GetItem(row, ROW_RESULT));
  native->tells = PyLong_AsLong(PyTuple_GetItem(row, ROW_TELLS)) != 0;
  const char *names =
      PyUnicode_AsUTF8AndSize(PyTuple_GetItem(row, ROW_NAMES), NULL);
  native->names = names ? strdup(names) : NULL;
  return native->names && !PyErr_Occurred() ? native_init(native) : -1;
}

struct native *compiled_new(PyObject *row) {
  struct native *native = calloc(1, sizeof *native);
  if (!native) {
    PyErr_NoMemory();
    return NULL;
  }
  if (fill(native, row)) {
    compiled_free(native);
    if (!PyErr_Occurred()) {
      PyErr_SetString(PyExc_SystemError, "pyudf: a signature that is none");
    }
    return NULL;
  }
  return native;
}

void compiled_free(struct native *native) {
  if (!native) return;
  native_fini(native);
  free(native);
}

const struct native *compiled_get(struct runtime_space *space,
                                  uint32_t definition_id, uint32_t index) {
  const struct callable_table *table =
      definition_id < space->table_count ? space->tables[definition_id] : NULL;
  if (!table || index >= table->count) return NULL;
  const struct native *native = table->items[index].native;
  return native && native->address ? native : NULL;
}

/* An argument that has been checked, as Python is to get it. */
static PyObject *object_of(enum native_type type, const struct value *value) {
  if (type >= NATIVE_FLOAT && value->type == VALUE_INTEGER) {
    return PyFloat_FromDouble((double)value->integer);
  }
  return convert_in(value,
                    type == NATIVE_BOOL ? CONVERT_BOOL : CONVERT_DEFAULT);
}

static int through_python(struct runtime_space *space,
                          const struct callable *callable,
                          const struct value *argv, uint32_t argc,
                          struct value *result, struct err *err) {
  PyObject *stack[1 + CALL_ARGS_MAX];
  PyObject **args = stack + 1;
  for (uint32_t i = 0; i < argc; i++) {
    args[i] = object_of((enum native_type)callable->native->types[i], &argv[i]);
    if (!args[i]) {
      while (i > 0) Py_DECREF(args[--i]);
      return call_argument_failed(space, callable, err);
    }
  }
  return call_vector(space, callable, args, argc, result, err);
}

int compiled_call(struct runtime_space *space, const struct callable *callable,
                  const struct value *argv, uint32_t argc, struct value *result,
                  struct err *err) {
  const struct native *native = callable->native;
  int rc;
  if (native->address) {
    rc = native_call(native, argv, argc, result, err);
    if (rc <= 0) return rc;
  } else {
    rc = native_check(native, argv, argc, err);
    if (rc < 0) return -1;
    if (rc > 0) {
      value_set_null(result);
      return 0;
    }
  }
  return through_python(space, callable, argv, argc, result, err);
}
