/* module.c - the extension module pyudf._runtime, and its table for C
**
** Whether C found this file by dlopen or Python imported it, there is one copy
** of it in a process, for Python's main interpreter.
*/
#include "module.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../base/control.h"
#include "../base/runtime.h"
#include "arrow.h"
#include "call.h"
#include "compiled.h"
#include "convert.h"
#include "define.h"
#include "error.h"
#include "forkserver.h"
#include "gil.h"
#include "group.h"
#include "map.h"
#include "py.h"
#include "pyrows.h"
#include "rows.h"
#include "serve.h"

#ifndef PYUDF_VERSION
#define PYUDF_VERSION "0.1.0" /* pyudf/__init__.py has the same */
#endif

enum { PYTHON_MINOR_MIN = 11 };

static const char instead[] = "; PRAGMA python_execution_mode=process works";

/* ---- start ---- */

/* The package from one directory and nowhere else: sys.path is not asked, and
** not changed. */
static const char bootstrap[] =
    "def start(parent, version, abi, owned):\n"
    "    import sys\n"
    "    package = sys.modules.get('pyudf')\n"
    "    if package is None:\n"
    "        from importlib.machinery import PathFinder\n"
    "        from importlib.util import module_from_spec\n"
    "        spec = PathFinder.find_spec('pyudf', [parent])\n"
    "        if spec is None or spec.loader is None:\n"
    "            return 'no package pyudf in ' + parent\n"
    "        package = sys.modules['pyudf'] = module_from_spec(spec)\n"
    "        try:\n"
    "            spec.loader.exec_module(package)\n"
    "        except BaseException:\n"
    "            del sys.modules['pyudf']\n"
    "            raise\n"
    "    found = (getattr(package, '__version__', None),\n"
    "             getattr(package, '_abi', None))\n"
    "    if found != (version, abi):\n"
    "        where = getattr(package, '__file__', None) or 'no file'\n"
    "        return ('this Python has imported another package pyudf (%s, '\n"
    "                'version %s, not %s)' % (where, found[0], version))\n"
    "    from pyudf._session import started\n"
    "    return started(owned)\n";

/* NULL where this Python will do. Asks for nothing but the version, as all else
** may differ in a Python that will not do. */
static const char *python_unfit(void) {
  int major = 0, minor = 0;
  const char *version = Py_GetVersion();
  sscanf(version, "%d.%d", &major, &minor);
  if (major != 3 || minor < PYTHON_MINOR_MIN) return "is older than 3.11";
  if (strstr(version, "free-threading")) return "is a free-threading build";
  return NULL;
}

/* Runs the bootstrap. NULL with a Python exception set; None; or what speaks
** against it. */
static PyObject *bootstrap_run(const char *package_parent, int owned) {
  PyObject *result = NULL, *done = NULL;
  PyObject *names = PyDict_New();
  PyObject *code =
      names ? Py_CompileString(bootstrap, "<pyudf>", Py_file_input) : NULL;
  PyObject *parent = code ? PyUnicode_DecodeFSDefault(package_parent) : NULL;
  if (parent &&
      !PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins())) {
    done = PyEval_EvalCode(code, names, names);
  }
  if (done) {
    result = PyObject_CallFunction(PyDict_GetItemString(names, "start"), "Osii",
                                   parent, PYUDF_VERSION, RUNTIME_ABI, owned);
  }
  Py_XDECREF(done);
  Py_XDECREF(parent);
  Py_XDECREF(code);
  Py_XDECREF(names);
  return result;
}

static int start_attached(const char *package_parent, int owned,
                          struct err *err) {
  static int started;
  if (started) return 0;
  PyObject *answer = bootstrap_run(package_parent, owned);
  if (!answer) return error_take(NULL, NULL, err);
  if (answer != Py_None) {
    PyObject *text = PyUnicode_AsEncodedString(answer, "utf-8", "replace");
    const char *reason = text ? PyBytes_AsString(text) : NULL;
    if (reason) {
      err_set(err, ERR_USAGE, "%s%s", reason, instead);
    } else {
      error_take(NULL, NULL, err);
    }
    Py_XDECREF(text);
    Py_DECREF(answer);
    return -1;
  }
  Py_DECREF(answer);
  if (error_start() || convert_start() || define_start() || group_start() ||
      rows_start() || pyrows_start()) {
    return error_take(NULL, NULL, err);
  }
  started = 1;
  return 0;
}

int module_start(const char *package_parent, int owned, struct err *err) {
  const char *unfit = python_unfit();
  if (unfit) {
    const char *version = Py_GetVersion();
    return err_set(err, ERR_USAGE, "this process has Python %.*s, which %s%s",
                   (int)strcspn(version, " "), version, unfit, instead);
  }
  /* PyGILState_* knows the main interpreter only. */
  PyThreadState *state = PyGILState_GetThisThreadState();
  if (state && PyInterpreterState_GetID(PyThreadState_GetInterpreter(state))) {
    return err_set(err, ERR_USAGE,
                   "thread mode does not work in a subinterpreter%s", instead);
  }
  gil_attach();
  int rc = start_attached(package_parent, owned, err);
  gil_detach();
  return rc;
}

/* ---- the table ---- */

__attribute__((visibility("default"))) const struct runtime *pyudf_runtime(
    void) {
  static const struct runtime table = {
      .abi = RUNTIME_ABI,
      .size = sizeof table,
      .start = module_start,
      .attach = gil_attach,
      .detach = gil_detach,
      .space_new = define_space_new,
      .space_free = define_space_free,
      .define = define_make,
      .forget = define_forget,
      .call = call_scalar,
      .eval = call_expression,
      .version = call_version,
      .group_new = group_new,
      .group_step = group_step,
      .group_value = group_value,
      .group_part = group_part,
      .group_merge = group_merge,
      .group_free = group_free,
      .rows_new = rows_new,
      .rows_next = rows_next,
      .rows_free = rows_free,
      .map = map_batch,
      .native = compiled_get,
      .may_raise = gil_may_raise,
      .raise = gil_raise,
      .release = call_release,
  };
  return &table;
}

/* ---- the module ---- */

static PyMethodDef methods[] = {
    {"arrow_import", arrow_import, METH_O,
     "arrow_import(capsules): what __arrow_c_array__() or "
     "__arrow_c_stream__()\n"
     "gave, as (capsule, rows, type, [type of each child]); a type is (name,\n"
     "format, 1 where its values can be read)."},
    {"alarm", serve_alarm, METH_NOARGS,
     "alarm(): what the host's alarm is for; only pyudf._worker calls it."},
    {"forkserver_prepare", forkserver_prepare, METH_NOARGS,
     "forkserver_prepare(): meets the host; only pyudf._worker calls it."},
    {"forkserver", forkserver_run, METH_O,
     "forkserver(path): the template's loop; only pyudf._worker calls it."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyudf._runtime",
    .m_doc = "The C part of pyudf: no interface for users.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__runtime(void);

PyMODINIT_FUNC PyInit__runtime(void) {
  const char *unfit = python_unfit();
  if (unfit || PyInterpreterState_GetID(PyInterpreterState_Get())) {
    PyErr_Format(PyExc_ImportError, "pyudf: this Python %s",
                 unfit ? unfit : "is a subinterpreter");
    return NULL;
  }
  PyObject *self = PyModule_Create(&module);
  if (!self || pyrows_add_to(self) ||
      PyModule_AddIntConstant(self, "abi", RUNTIME_ABI) ||
      PyModule_AddIntConstant(self, "alarm_signal", CONTROL_ALARM_SIGNAL) ||
      PyModule_AddStringConstant(self, "version", PYUDF_VERSION)) {
    Py_XDECREF(self);
    return NULL;
  }
  return self;
}
