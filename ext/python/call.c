/* call.c - calling what a session defined: see call.h */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "columnar.h"
#include "compiled.h"
#include "error.h"
#include "group.h"
#include "rows.h"

void callable_table_free(struct callable_table *table) {
  if (!table) return;
  for (uint32_t i = 0; i < table->count; i++) {
    Py_XDECREF(table->items[i].function);
    aggregate_unref(table->items[i].aggregate);
    table_unref(table->items[i].table);
    compiled_free(table->items[i].native);
    columnar_unref(table->items[i].columnar);
    Py_XDECREF(table->items[i].awaits);
  }
  free(table);
}

void call_release(struct runtime_space *space) {
  if (space->held.object || space->held.view.obj) held_release(&space->held);
}

static int bad_count(const struct callable *callable, uint32_t argc,
                     struct err *err) {
  int min = callable->min_args, max = callable->max_args;
  if (max < 0) {
    return err_set(err, ERR_USAGE, "takes at least %d argument%s, got %u", min,
                   min == 1 ? "" : "s", argc);
  }
  if (max == min) {
    return err_set(err, ERR_USAGE, "takes %d argument%s, got %u", min,
                   min == 1 ? "" : "s", argc);
  }
  return err_set(err, ERR_USAGE, "takes %d to %d arguments, got %u", min, max,
                 argc);
}

struct callable *call_item(struct runtime_space *space, uint32_t definition_id,
                           uint32_t index, struct err *err) {
  struct callable_table *table =
      definition_id < space->table_count ? space->tables[definition_id] : NULL;
  if (table && index < table->count) return &table->items[index];
  err_set(err, ERR_SYSTEM, "no function %u.%u", definition_id, index);
  return NULL;
}

struct callable *call_find(struct runtime_space *space, uint32_t definition_id,
                           uint32_t index, uint32_t argc, struct err *err) {
  struct callable *callable = call_item(space, definition_id, index, err);
  if (!callable) return NULL;
  if (argc > CALL_ARGS_MAX || (int32_t)argc < callable->min_args ||
      (callable->max_args >= 0 && (int32_t)argc > callable->max_args)) {
    bad_count(callable, argc, err);
    return NULL;
  }
  return callable;
}

struct callable *call_table(struct runtime_space *space, uint32_t definition_id,
                            uint32_t index, uint32_t argc, struct err *err) {
  struct callable *callable = call_find(space, definition_id, index, argc, err);
  if (!callable || callable->table) return callable;
  err_set(err, ERR_SYSTEM, "no table function %u.%u", definition_id, index);
  return NULL;
}

int call_argument_failed(struct runtime_space *space,
                         const struct callable *callable, struct err *err) {
  return error_take(space->session, callable->function, err);
}

int call_vector(struct runtime_space *space, const struct callable *callable,
                PyObject **args, uint32_t argc, struct value *result,
                struct err *err) {
  int rc = 0;
  if (callable->columnar) {
    return columnar_call_objects(space, callable, args, argc, result, err);
  }
  call_release(space);
  if (callable->skip_null && call_any_none(args, argc)) {
    value_set_null(result);
    for (uint32_t i = 0; i < argc; i++) Py_DECREF(args[i]);
    return 0;
  }
  /* The definition may be replaced while its function runs: `callable` is not
  ** looked at after the call. */
  PyObject *function = callable->function;
  Py_INCREF(function);
  PyObject *object = PyObject_Vectorcall(
      function, args, argc | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
  for (uint32_t i = 0; i < argc; i++) Py_DECREF(args[i]);
  if (!object || convert_out(object, result, &space->held)) {
    rc = error_take(space->session, function, err);
  }
  Py_DECREF(function);
  return rc;
}

int call_scalar(struct runtime_space *space, uint32_t definition_id,
                uint32_t index, const struct value *argv, uint32_t argc,
                struct value *result, struct err *err) {
  PyObject *stack[1 + CALL_ARGS_MAX];
  PyObject **args = stack + 1;
  const struct callable *callable =
      call_find(space, definition_id, index, argc, err);
  if (!callable) return -1;
  if (callable->native) {
    return compiled_call(space, callable, argv, argc, result, err);
  }
  if (callable->columnar) {
    return columnar_call(space, callable, argv, argc, result, err);
  }
  for (uint32_t i = 0; i < argc; i++) {
    args[i] = call_argument(callable, i, &argv[i]);
    if (!args[i]) {
      while (i > 0) Py_DECREF(args[--i]);
      return call_argument_failed(space, callable, err);
    }
  }
  return call_vector(space, callable, args, argc, result, err);
}

/* `object` (taken) as the result; NULL where a Python exception is set. */
static int result_from(struct runtime_space *space, PyObject *object,
                       struct value *result, struct err *err) {
  if (object && !convert_out(object, result, &space->held)) return 0;
  return error_take(space->session, NULL, err);
}

int call_eval(struct runtime_space *space, const char *expression,
              PyObject *args, struct value *result, struct err *err) {
  call_release(space);
  PyObject *object = NULL;
  PyObject *text =
      PyUnicode_DecodeUTF8(expression, (Py_ssize_t)strlen(expression), NULL);
  PyObject *count = text ? PyLong_FromSsize_t(PyTuple_Size(args)) : NULL;
  PyObject *name = count ? PyUnicode_FromString("expression") : NULL;
  PyObject *function =
      name ? PyObject_CallMethodObjArgs(space->session, name, text, count, NULL)
           : NULL;
  if (function) object = PyObject_CallObject(function, args);
  Py_XDECREF(function);
  Py_XDECREF(name);
  Py_XDECREF(count);
  Py_XDECREF(text);
  return result_from(space, object, result, err);
}

int call_expression(struct runtime_space *space, const char *expression,
                    const struct value *argv, uint32_t argc,
                    struct value *result, struct err *err) {
  PyObject *args = PyTuple_New((Py_ssize_t)argc);
  if (!args) return error_take(space->session, NULL, err);
  for (uint32_t i = 0; i < argc; i++) {
    PyObject *arg = convert_in(&argv[i], CONVERT_DEFAULT);
    if (!arg || PyTuple_SetItem(args, (Py_ssize_t)i, arg)) {
      Py_DECREF(args);
      return error_take(space->session, NULL, err);
    }
  }
  int rc = call_eval(space, expression, args, result, err);
  Py_DECREF(args);
  return rc;
}

int call_version(struct runtime_space *space, struct value *result,
                 struct err *err) {
  call_release(space);
  PyObject *text = PyObject_CallMethod(space->session, "version", NULL);
  return result_from(space, text, result, err);
}
