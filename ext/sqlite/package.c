/* package.c - where the Python package pyudf lies: see package.h
**
** HOW IT WORKS. Beside pyudf.so lies a directory pyudf that holds the package
** (pyudf/pyudf/__init__.py), so that nothing else of pyudf.so's directory can be
** imported; or the package itself. "Beside" is beside the path that pyudf.so was
** loaded by, else beside the file which that path leads to (a link in the build
** directory leads into libtool's .libs), else beside the .libs this one lies in.
*/
#include "package.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char parent[PATH_MAX]; /* empty: not found */
static char beside[PATH_MAX]; /* where it was looked for first */

/* The directory of a path, with links resolved in the directory only. */
static int directory(const char *path, char out[PATH_MAX]) {
  char copy[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) : 0;
  if (len >= sizeof copy) return -1;
  memcpy(copy, path, len);
  copy[len] = 0;
  return realpath(len ? copy : slash ? "/" : ".", out) ? 0 : -1;
}

/* Looks in place/pyudf/, then in place itself. */
static int found(const char *place) {
  static const char *const inside[] = {"/pyudf", ""};
  char file[PATH_MAX];
  for (int i = 0; i < 2; i++) {
    int n =
        snprintf(file, sizeof file, "%s%s/pyudf/__init__.py", place, inside[i]);
    if (n < 0 || n >= (int)sizeof file || access(file, R_OK)) continue;
    memcpy(parent, file, (size_t)n - strlen("/pyudf/__init__.py"));
    return 1;
  }
  return 0;
}

static void find(void) {
  Dl_info info;
  char file[PATH_MAX], place[PATH_MAX];
  if (!dladdr((void *)&once, &info) || !info.dli_fname) return;
  if (!directory(info.dli_fname, beside) && found(beside)) return;
  if (!realpath(info.dli_fname, file) || directory(file, place)) return;
  if (found(place)) return;
  char *name = strrchr(place, '/');
  if (name && !strcmp(name, "/.libs")) {
    *name = 0;
    found(place);
  }
}

void package_find(void) { pthread_once(&once, find); }

const char *package_parent(struct err *err) {
  package_find();
  if (!*parent) {
    err_set(err, ERR_SYSTEM,
            "the Python package pyudf is not beside pyudf.so, in %s",
            *beside ? beside : "a directory that cannot be found");
  }
  return *parent ? parent : NULL;
}
