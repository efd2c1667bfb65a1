/* runtime_host.h - a host that brings Python up and drives the runtime's table
**
** Shared by test_runtime.c and test_runtime_life.c. Nothing of SQLite or of the
** engines is in here. Usage of both: [PACKAGE_PARENT [PYTHON]]; the defaults are
** $PYUDF_BUILD's package and $PYUDF_PYTHON.
*/
#ifndef PYUDF_TESTS_RUNTIME_HOST_H
#define PYUDF_TESTS_RUNTIME_HOST_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../ext/base/runtime.h"
#include "tap.h"

static const struct runtime *rt;
static struct runtime_space *space;
static const char *package_parent;
static uint32_t next_id;

/* ---- Python, brought up as a host does ---- */

/* The first line that the Python prints. New (malloc), or NULL. */
static inline char *ask(const char *python, const char *code) {
  char command[2048], line[1024];
  snprintf(command, sizeof command, "'%s' -c \"%s\"", python, code);
  FILE *pipe = popen(command, "r");
  char *found = pipe && fgets(line, sizeof line, pipe) ? strdup(line) : NULL;
  if (pipe) pclose(pipe);
  if (found) found[strcspn(found, "\n")] = 0;
  return found;
}

/* NULL where the Python has no shared library. */
static inline void *libpython_open(const char *python) {
  char *path =
      ask(python,
          "import os, sys, sysconfig as s; v = s.get_config_var; "
          "n = 'libpython%d.%d.so' % sys.version_info[:2]; "
          "d = [v('LIBDIR'), os.path.join(v('LIBDIR'), "
          "v('MULTIARCH') or '')]; "
          "p = [os.path.join(i, j) for i in d for j in (n + '.1.0', n, "
          "n + '.1')]; "
          "print(next((i for i in p if os.path.exists(i)), ''))");
  void *library = path && *path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
  printf("# libpython: %s%s\n", path ? path : "none",
         library ? "" : " (not loaded)");
  free(path);
  return library;
}

static inline void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) {
    printf("Bail out! no %s: %s\n", name, dlerror());
    exit(1);
  }
  return found;
}

static inline void python_start(void *library, const char *python) {
  wchar_t *(*decode)(const char *, size_t *);
  void (*set_name)(const wchar_t *);
  void (*initialize)(int);
  void *(*save)(void);
  *(void **)&decode = symbol(library, "Py_DecodeLocale");
  *(void **)&set_name = symbol(library, "Py_SetProgramName");
  *(void **)&initialize = symbol(library, "Py_InitializeEx");
  *(void **)&save = symbol(library, "PyEval_SaveThread");
  static wchar_t *volatile name; /* Python's as long as it is up */
  name = decode(python, NULL);
  set_name(name);
  initialize(0);
  save();
}

/* ---- helpers ---- */

/* Defines; the id, or 0 with err set. */
static inline uint32_t define_as(enum definition_kind kind, const char *name,
                                 const char *source, const char *names,
                                 struct manifest **manifest, struct err *err) {
  struct buf encoded = {0};
  char module[64];
  uint32_t id = ++next_id;
  snprintf(module, sizeof module, "pyudf_session1.define%u", id);
  struct definition definition = {.id = id,
                                  .kind = kind,
                                  .serial = id,
                                  .module = module,
                                  .name = (char *)(uintptr_t)name,
                                  .source = (char *)(uintptr_t)source,
                                  .names = (char *)(uintptr_t)names};
  if (kind == DEFINITION_IMPORT) definition.module = NULL;
  int rc = rt->define(space, &definition, &encoded, err);
  if (!rc) rc = manifest_decode(encoded.data, encoded.len, manifest, err);
  buf_fini(&encoded);
  return rc ? 0 : id;
}

/* Defines without looking at the manifest; fails the test where it fails. */
static inline uint32_t define(const char *source) {
  struct manifest *manifest = NULL;
  struct err err = {0};
  uint32_t id =
      define_as(DEFINITION_SOURCE, NULL, source, NULL, &manifest, &err);
  if (!id) ok(0, "define: %s: %s", err.type ? err.type : "", err.text);
  manifest_free(manifest);
  err_clear(&err);
  return id;
}

static inline struct value text(const char *s) { return value_text(s); }

static inline int same(const struct value *a, const struct value *b) {
  if (a->type != b->type) return 0;
  if (value_is_bytes(a)) {
    return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len)) &&
           ((a->flags ^ b->flags) & VALUE_JSON) == 0;
  }
  return a->type == VALUE_NULL || a->integer == b->integer;
}

/* One call of one argument; the result as wanted? */
static inline int gives(uint32_t id, uint32_t index, struct value arg,
                        struct value want) {
  struct value got = {0};
  struct err err = {0};
  int rc = rt->call(space, id, index, &arg, 1, &got, &err);
  if (rc) {
    printf("# %s: %s\n", err.type ? err.type : "", err.text);
    err_clear(&err);
    return 0;
  }
  int good = same(&got, &want);
  if (!good) {
    printf("# got type %u len %llu flags %u\n", got.type,
           (unsigned long long)got.len, got.flags);
  }
  if (value_is_bytes(&got) && !(got.flags & VALUE_HELD)) good = 0;
  rt->release(space);
  return good;
}

/* Evaluates; the result as wanted? */
static inline int evals(const char *expression, struct value want) {
  struct value got = {0};
  struct err err = {0};
  if (rt->eval(space, expression, NULL, 0, &got, &err)) {
    printf("# %s: %s\n", err.type ? err.type : "", err.text);
    err_clear(&err);
    return 0;
  }
  int good = same(&got, &want);
  if (!good && got.type == VALUE_TEXT) {
    printf("# got %.*s\n", (int)got.len, (const char *)got.data);
  }
  rt->release(space);
  return good;
}

/* Evaluates what fails: type and text as wanted (NULL: any)? */
static inline int fails(const char *expression, enum err_code code,
                        const char *type, const char *message) {
  struct value got = {0};
  struct err err = {0};
  int rc = rt->eval(space, expression, NULL, 0, &got, &err);
  int good = rc == -1 && err.code == code &&
             (!type || (err.type && !strcmp(err.type, type))) &&
             (!message || (err.text && strstr(err.text, message)));
  if (!good) {
    printf("# rc %d, code %d, %s: %s\n", rc, err.code,
           err.type ? err.type : "no type", err.text ? err.text : "no text");
  }
  err_clear(&err);
  return good;
}

static inline struct value json(const char *s) {
  struct value value = value_text(s);
  value.flags = VALUE_JSON;
  return value;
}

/* ---- the host ---- */

/* Brings Python up with the runtime, not started yet: `rt` is set. Ends the
** test where there is nothing to bring up. */
static inline void host_open(int argc, char **argv) {
  const char *build = getenv("PYUDF_BUILD");
  const char *python = argc > 2 ? argv[2] : getenv("PYUDF_PYTHON");
  static char parent[1024];
  char path[1200];
  snprintf(parent, sizeof parent, "%s/pyudf", build ? build : ".");
  package_parent = argc > 1 ? argv[1] : parent;
  if (!python) python = "/usr/bin/python3";
  void *library = libpython_open(python);
  if (!library) {
    printf("1..0 # SKIP %s has no shared libpython\n", python);
    exit(0);
  }
  python_start(library, python);
  snprintf(path, sizeof path, "%s/pyudf/_runtime.abi3.so", package_parent);
  void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!file) {
    printf("Bail out! %s\n", dlerror());
    exit(1);
  }
  const struct runtime *(*get)(void);
  *(void **)&get = symbol(file, "pyudf_runtime");
  rt = get();
}

/* Starts the runtime as the owner of this Python; `space` is set. The GIL is
** held after. */
static inline void host_start(void) {
  struct err err = {0};
  if (!ok(!rt->start(package_parent, 1, &err), "start")) {
    printf("Bail out! %s: %s\n", err.type ? err.type : "", err.text);
    exit(1);
  }
  rt->attach();
  space = rt->space_new(NULL, &err);
}

#endif
