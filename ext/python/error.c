/* error.c - Python's exceptions as struct err: see error.h */
#include "error.h"

#include <string.h>

static PyObject *describe; /* pyudf._errors.describe */

int error_start(void) {
  if (describe) return 0;
  PyObject *module = PyImport_ImportModule("pyudf._errors");
  if (!module) return -1;
  describe = PyObject_GetAttrString(module, "describe");
  Py_DECREF(module);
  return describe ? 0 : -1;
}

/* The exception that is set, normalised, with its traceback. */
static PyObject *exception_take(void) {
  PyObject *type = NULL, *value = NULL, *traceback = NULL;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value && traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
}

/* A bytes object's content; NULL for None. */
static const char *bytes_get(PyObject *fields, Py_ssize_t i, size_t *len) {
  PyObject *bytes = PyTuple_GetItem(fields, i);
  char *data = NULL;
  Py_ssize_t size = 0;
  if (bytes && PyBytes_Check(bytes)) {
    PyBytes_AsStringAndSize(bytes, &data, &size);
  }
  *len = (size_t)size;
  return data;
}

/* describe() gives (code, type, text, file, line, traceback), the strings as
** bytes or None. Returns 1 where it failed. */
static int err_describe(PyObject *exception, PyObject *session,
                        PyObject *function, struct err *err) {
  if (!describe) return 1;
  PyObject *fields = PyObject_CallFunctionObjArgs(
      describe, exception, session ? session : Py_None,
      function ? function : Py_None, NULL);
  if (!fields || !PyTuple_Check(fields) || PyTuple_Size(fields) != 6) {
    Py_XDECREF(fields);
    PyErr_Clear();
    return 1;
  }
  size_t type_len, text_len, file_len, traceback_len;
  long code = PyLong_AsLong(PyTuple_GetItem(fields, 0));
  long line = PyLong_AsLong(PyTuple_GetItem(fields, 4));
  const char *type = bytes_get(fields, 1, &type_len);
  const char *text = bytes_get(fields, 2, &text_len);
  const char *file = bytes_get(fields, 3, &file_len);
  const char *traceback = bytes_get(fields, 5, &traceback_len);
  err_set_exception(err, (enum err_code)code, type, text, text_len, file,
                    (int)line, traceback, traceback_len);
  Py_DECREF(fields);
  PyErr_Clear();
  return 0;
}

/* Takes a str; gives it in UTF-8, or NULL with no exception set. */
static PyObject *encoded(PyObject *str) {
  PyObject *bytes =
      str ? PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace") : NULL;
  PyErr_Clear();
  Py_XDECREF(str);
  return bytes;
}

/* The same without describe(), for when that fails: out of memory or stack, or
** interrupted. Of Python code it runs the exception's __str__, nothing else. */
static void err_describe_plainly(PyObject *exception, struct err *err) {
  PyObject *name = encoded(PyType_GetName(Py_TYPE(exception)));
  PyObject *text = encoded(PyObject_Str(exception));
  const char *type = name ? PyBytes_AsString(name) : "Exception";
  const char *data = text ? PyBytes_AsString(text) : "<exception str() failed>";
  err_set_exception(err, ERR_PYTHON, type, data, strlen(data), NULL, 0, NULL,
                    0);
  Py_XDECREF(name);
  Py_XDECREF(text);
}

int error_take(PyObject *session, PyObject *function, struct err *err) {
  PyObject *exception = exception_take();
  if (!exception) {
    PyErr_Clear();
    return err_set(err, ERR_SYSTEM, "Python failed without an exception");
  }
  if (err && !err->code && err_describe(exception, session, function, err)) {
    if (PyErr_GivenExceptionMatches(exception, PyExc_MemoryError)) {
      err_nomem(err);
    } else {
      err_describe_plainly(exception, err);
    }
  }
  Py_DECREF(exception);
  PyErr_Clear();
  return -1;
}
