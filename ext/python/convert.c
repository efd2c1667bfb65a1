/* convert.c - SQL values to Python objects and back: see convert.h */
#include "convert.h"

#include "pyrows.h"

static PyObject *adapt;      /* pyudf._adapt.adapt */
static PyObject *json_value; /* pyudf._adapt.json_value */
static PyObject *encode;     /* pyudf._adapt.encode */

int convert_start(void) {
  if (adapt) return 0;
  PyObject *module = PyImport_ImportModule("pyudf._adapt");
  if (!module) return -1;
  json_value = PyObject_GetAttrString(module, "json_value");
  encode = PyObject_GetAttrString(module, "encode");
  if (json_value && encode) adapt = PyObject_GetAttrString(module, "adapt");
  Py_DECREF(module);
  return adapt ? 0 : -1;
}

void held_release(struct held *held) {
  if (held->view.obj) PyBuffer_Release(&held->view);
  PyObject *object = held->object;
  held->object = NULL;
  Py_XDECREF(object);
}

/* ---- in ---- */

/* Bytes that are not UTF-8 become surrogates that convert_out turns back. */
static PyObject *text_in(const struct value *value) {
  const char *text = value->len ? value->data : "";
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)value->len, "surrogateescape");
}

static PyObject *json_in(const struct value *value) {
  PyObject *text = text_in(value);
  if (!text) return NULL;
  PyObject *object = PyObject_CallFunctionObjArgs(json_value, text, NULL);
  Py_DECREF(text);
  return object;
}

/* A copy in any case: nothing stops a function from keeping its argument. */
static PyObject *blob_in(const struct value *value, enum convert_code code) {
  PyObject *bytes =
      PyBytes_FromStringAndSize(value->data, (Py_ssize_t)value->len);
  if (!bytes || code != CONVERT_MEMORYVIEW) return bytes;
  PyObject *view = PyMemoryView_FromObject(bytes);
  Py_DECREF(bytes);
  return view;
}

PyObject *convert_in_other(const struct value *value, enum convert_code code) {
  switch (value->type) {
    case VALUE_INTEGER:
      if (code == CONVERT_BOOL) return PyBool_FromLong(value->integer != 0);
      return PyLong_FromLongLong(value->integer);
    case VALUE_REAL:
      return PyFloat_FromDouble(value->real);
    case VALUE_TEXT:
      return code == CONVERT_JSON ? json_in(value) : text_in(value);
    case VALUE_BLOB:
      return blob_in(value, code);
    case VALUE_ROWS:
      return pyrows_new((struct rowset *)(uintptr_t)value->data);
    default:
      Py_INCREF(Py_None);
      return Py_None;
  }
}

/* ---- out ---- */

/* All of these take the reference to `object` only when they succeed. */

static int bytes_out(PyObject *bytes, enum value_type type,
                     struct value *result, struct held *held) {
  char *data;
  Py_ssize_t len;
  if (PyBytes_AsStringAndSize(bytes, &data, &len)) return -1;
  value_set_bytes(result, type, VALUE_HELD, data, (uint64_t)len);
  held->object = bytes;
  return 0;
}

static int text_out(PyObject *text, struct value *result, struct held *held) {
  Py_ssize_t len;
  const char *data = PyUnicode_AsUTF8AndSize(text, &len);
  if (data) {
    value_set_bytes(result, VALUE_TEXT, VALUE_HELD, data, (uint64_t)len);
    held->object = text;
    return 0;
  }
  /* Surrogates: bytes that were no UTF-8 when they came in. */
  if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
  PyErr_Clear();
  PyObject *bytes = PyObject_CallFunctionObjArgs(encode, text, NULL);
  if (!bytes) return -1;
  if (bytes_out(bytes, VALUE_TEXT, result, held)) {
    Py_DECREF(bytes);
    return -1;
  }
  Py_DECREF(text);
  return 0;
}

static int buffer_out(PyObject *object, struct value *result,
                      struct held *held) {
  if (PyObject_GetBuffer(object, &held->view, PyBUF_SIMPLE)) return -1;
  value_set_bytes(result, VALUE_BLOB, VALUE_HELD, held->view.buf,
                  (uint64_t)held->view.len);
  Py_DECREF(object);
  return 0;
}

static int real_out(PyObject *real, struct value *result) {
  double number = PyFloat_AsDouble(real);
  if (number == -1.0 && PyErr_Occurred()) return -1;
  value_set_real(result, number);
  Py_DECREF(real);
  return 0;
}

/* Returns 1 where the int needs more than 64 bits. */
static int integer_out(PyObject *integer, struct value *result) {
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (overflow) return 1;
  if (number == -1 && PyErr_Occurred()) return -1;
  value_set_integer(result, number);
  Py_DECREF(integer);
  return 0;
}

/* The types that SQLite has, and what is made of them; returns 1 where the
** object is none of them. */
static int plain_out(PyObject *object, struct value *result,
                     struct held *held) {
  PyTypeObject *type = Py_TYPE(object);
  if (type == &PyBytes_Type) return bytes_out(object, VALUE_BLOB, result, held);
  if (type == &PyByteArray_Type || type == &PyMemoryView_Type) {
    return buffer_out(object, result, held);
  }
  if (PyLong_Check(object)) return integer_out(object, result);
  if (PyUnicode_Check(object)) return text_out(object, result, held);
  if (PyBytes_Check(object)) return bytes_out(object, VALUE_BLOB, result, held);
  if (PyType_IsSubtype(type, &PyFloat_Type)) return real_out(object, result);
  return 1;
}

/* What _adapt.py makes of the rest: an object of a plain type, or, in a tuple
** of its own, the text of a JSON value. It raises where it knows none. */
static int adapted_out(PyObject *object, struct value *result,
                       struct held *held) {
  PyObject *plain = PyObject_CallFunctionObjArgs(adapt, object, NULL);
  if (!plain) return -1;
  int rc;
  if (Py_TYPE(plain) == &PyTuple_Type) {
    PyObject *text = PyTuple_GetItem(plain, 0);
    Py_XINCREF(text);
    rc = text ? text_out(text, result, held) : -1;
    if (rc) Py_XDECREF(text);
    if (!rc) result->flags |= VALUE_JSON;
    Py_DECREF(plain);
  } else if (plain == Py_None) {
    value_set_null(result);
    Py_DECREF(plain);
    rc = 0;
  } else {
    rc = plain_out(plain, result, held);
    if (rc) Py_DECREF(plain);
  }
  if (rc > 0) PyErr_SetString(PyExc_SystemError, "pyudf: adapt() returned it");
  if (!rc) Py_DECREF(object);
  return rc ? -1 : 0;
}

int convert_out(PyObject *object, struct value *result, struct held *held) {
  PyTypeObject *type = Py_TYPE(object);
  int rc;
  if (type == &PyLong_Type) {
    rc = integer_out(object, result);
  } else if (type == &PyUnicode_Type) {
    rc = text_out(object, result, held);
  } else if (object == Py_None) {
    value_set_null(result);
    Py_DECREF(object);
    return 0;
  } else if (type == &PyFloat_Type) {
    rc = real_out(object, result);
  } else {
    rc = plain_out(object, result, held);
  }
  if (rc > 0) rc = adapted_out(object, result, held);
  if (rc) Py_DECREF(object);
  return rc;
}
