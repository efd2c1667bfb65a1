/* embed.c - CPython in the host process: see embed.h
**
** One process has one CPython, whatever its sessions ask for: what is found or
** started here is kept for the life of the process and never finalised.
*/
#include "embed.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "../base/memlog.h"
#include "forks.h"
#include "spawn.h"

enum {
  VERSION_MIN = 311,
  ANSWER_MAX = 64 * 1024,
  ANSWER_MS = 30 * 1000, /* for a Python to come up and say what it is */
  REAP_MS = 1000,        /* and to end after that */
  REAP_SLICE_MS = 2,
  ROOM_MIB = 32 /* of addresses, for a Python that comes up */
};

static const char instead[] = "; PRAGMA python_execution_mode=process works";

/* Written under `lock`; read without it once `runtime` was handed out. */
static struct forks_lock lock = FORKS_LOCK_INIT;
static struct {
  const struct runtime *runtime; /* NULL until all of it worked */
  int (*is_initialized)(void);   /* Py_IsInitialized */
  int owned;                     /* 1: we initialised Python */
  char *executable;              /* with which, then */
  wchar_t *program_name;         /* the same, Python's as long as it is up */
  uint32_t epoch;                /* forks_epoch() when it came up */
} python;

static void *symbol(void *library, const char *name) {
  return dlsym(library, name);
}

/* A libpython that is loaded without RTLD_GLOBAL is found by its file name. */
static int note_libpython(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  const char *base = strrchr(info->dlpi_name, '/');
  base = base ? base + 1 : info->dlpi_name;
  if (strncmp(base, "libpython3.", 11) != 0) return 0;
  *(void **)arg = dlopen(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
  return *(void **)arg != NULL;
}

/* What knows Python's symbols in this process, or NULL: there is no Python. */
static void *find_python(void) {
  void *library = NULL;
  if (symbol(RTLD_DEFAULT, "Py_IsInitialized")) return RTLD_DEFAULT;
  dl_iterate_phdr(note_libpython, &library);
  return library;
}

/* RTLD_DEFAULT is NULL in glibc, so "found" needs a word of its own. */
static int found(void *library) {
  return symbol(library, "Py_IsInitialized") != NULL;
}

/* 3.11.7 as 311; 0 for what is no version. */
static long version_number(const char *text) {
  char *dot;
  long major = strtol(text, &dot, 10);
  return *dot == '.' ? major * 100 + strtol(dot + 1, NULL, 10) : 0;
}

static const char *version_of(void *library) {
  const char *(*get)(void);
  /* ISO C has no cast from void * to a function pointer, POSIX does. */
  *(void **)&get = symbol(library, "Py_GetVersion");
  return get ? get() : "0";
}

static int check_version(void *library, struct err *err) {
  const char *version = version_of(library);
  if (version_number(version) >= VERSION_MIN) return 0;
  return err_set(err, ERR_USAGE,
                 "thread mode needs Python 3.11 or newer, but this process "
                 "has %.*s%s",
                 (int)strcspn(version, " "), version, instead);
}

/* Reads all that comes from fd until its other end closes; 0, or -1 after ms
** without, or where it is more than an answer can be. */
static int read_all(int fd, struct buf *text, int ms) {
  for (;;) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int n = poll(&one, 1, ms);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    char some[512];
    ssize_t len = read(fd, some, sizeof some);
    if (len < 0 && errno == EINTR) continue;
    if (len <= 0) return len < 0 ? -1 : 0;
    buf_add(text, some, (size_t)len);
    if (text->len > ANSWER_MAX) return -1;
  }
}

/* What was asked has said all, and ends. It is this process's child where that is
** init (a container's first program) or a subreaper: then nobody but us may know
** that it is to be waited for. */
static void reap(pid_t pid) {
  for (int ms = 0;; ms += REAP_SLICE_MS) {
    if (waitpid(pid, NULL, WNOHANG | __WALL) != 0) return;
    if (ms >= REAP_MS) kill(pid, SIGKILL); /* ours: the number is its own */
    poll(NULL, 0, REAP_SLICE_MS);
  }
}

/* Asks the executable for its version and its libpython: "3.11.7\n/path\n", the
** path empty where there is none. New text (malloc), or NULL and err set. */
static char *ask_executable(const struct engine_host *host, struct err *err) {
  static const char question[] =
      "import os, sys, sysconfig\n"
      "get = sysconfig.get_config_var\n"
      "name = 'libpython%d.%d' % sys.version_info[:2]"
      " + (getattr(sys, 'abiflags', '') or '')\n"
      "names = [get('INSTSONAME'), get('LDLIBRARY'), name + '.so.1.0',"
      " name + '.so']\n"
      "lib = get('LIBDIR') or ''\n"
      "dirs = [lib, os.path.join(lib, get('MULTIARCH') or ''),"
      " os.path.join(sys.base_prefix, 'lib')]\n"
      "paths = [os.path.join(d, n) for d in dirs for n in names"
      " if n and '.so' in n]\n"
      "print('%d.%d.%d' % sys.version_info[:3])\n"
      "print(next((p for p in paths if os.path.isfile(p)), ''))\n";
  const char *executable = host->settings->executable;
  const char *argv[] = {executable, "-c", question, NULL};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) {
    err_system(err, errno, "pipe");
    return NULL;
  }
  char **envp = spawn_environment(1);
  int log = memlog_open("pyudf-start", NULL);
  struct spawn spawn = {.path = executable,
                        .argv = (char *const *)(uintptr_t)argv,
                        .envp = envp,
                        .fds = {-1, ends[1], log, -1, -1}};
  struct err why = {0};
  struct buf answer = {0};
  pid_t pid = 0;
  int rc = envp ? spawn_run(&spawn, &pid, &why) : err_nomem(&why);
  free(envp);
  close(ends[1]);
  if (!rc && read_all(ends[0], &answer, ANSWER_MS)) {
    kill(pid, SIGKILL); /* it lives: it has not closed its end */
    rc = err_set(&why, ERR_SYSTEM, "it is not a working Python");
  }
  close(ends[0]);
  if (pid > 0) reap(pid);
  if (!rc && (!answer.len || !memchr(answer.data, '\n', answer.len))) {
    char *words = log >= 0 ? memlog_words(log) : NULL;
    rc = err_set(&why, ERR_SYSTEM, "it is not a working Python%s%s",
                 words ? ": " : "", words ? words : "");
    free(words);
  }
  if (log >= 0) close(log);
  char *text = NULL;
  if (rc) {
    err_set(err, ERR_SYSTEM, "python_executable %s: %s", executable,
            why.text ? why.text : "out of memory");
    buf_fini(&answer);
  } else if (!(text = buf_take(&answer))) {
    err_nomem(err);
  }
  err_clear(&why);
  return text;
}

/* The library to initialise: `library` where the process has one loaded, else
** that of the executable. The executable is asked in any case: what it cannot do
** in this environment would end the host, as Py_InitializeEx() does not return
** then. */
static void *load_python(const struct engine_host *host, void *library,
                         struct err *err) {
  const char *executable = host->settings->executable;
  char *answer = ask_executable(host, err);
  if (!answer) return NULL;
  char *path = strchr(answer, '\n');
  *path++ = 0;
  path[strcspn(path, "\n")] = 0;
  if (version_number(answer) < VERSION_MIN) {
    err_set(err, ERR_USAGE,
            "python_executable %s: it is Python %s; pyudf "
            "needs 3.11 or newer",
            executable, answer);
    library = NULL;
  } else if (found(library)) {
    if (version_number(answer) != version_number(version_of(library))) {
      err_set(err, ERR_USAGE,
              "python_executable %s is Python %s, but this "
              "process has loaded another, %.*s%s",
              executable, answer, (int)strcspn(version_of(library), " "),
              version_of(library), instead);
      library = NULL;
    }
  } else if (!*path) {
    err_set(err, ERR_USAGE,
            "thread mode needs a shared libpython, and %s "
            "(Python %s) has none%s",
            executable, answer, instead);
  } else if (!(library = dlopen(path, RTLD_NOW | RTLD_GLOBAL))) {
    err_set(err, ERR_SYSTEM, "thread mode: %s%s", dlerror(), instead);
  }
  free(answer);
  return library;
}

/* Python's own start would use UTF-8 where the locale is C (PEP 538, 540); an
** embedded one does not unless told, and the modes would differ. */
static void choose_utf8(void *library) {
  int *mode = symbol(library, "Py_UTF8Mode");
  locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
  const char *codeset =
      locale ? nl_langinfo_l(CODESET, locale) : "ANSI_X3.4-1968";
  const char *asked = getenv("PYTHONUTF8");
  if (mode &&
      (!strcmp(codeset, "ANSI_X3.4-1968") || (asked && !strcmp(asked, "1")))) {
    *mode = 1;
  }
  if (locale) freelocale(locale);
}

/* A Python that runs out of memory while it comes up ends the process. */
static int check_room(struct err *err) {
  struct rlimit limit;
  size_t size = (size_t)ROOM_MIB << 20;
  if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return 0;
  void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return err_set(err, ERR_SYSTEM,
                   "thread mode wants %d MiB of this process's address space, "
                   "which is limited (ulimit -v) and used up%s",
                   ROOM_MIB, instead);
  }
  munmap(room, size);
  return 0;
}

/* Initialises Python without signal handlers, and leaves the locale as it was.
** The program's name makes it find a venv's packages. */
static int initialise(void *library, const struct engine_host *host,
                      struct err *err) {
  void (*set_program_name)(const wchar_t *);
  wchar_t *(*decode)(const char *, size_t *);
  void (*initialise_ex)(int);
  void *(*save_thread)(void);
  *(void **)&set_program_name = symbol(library, "Py_SetProgramName");
  *(void **)&decode = symbol(library, "Py_DecodeLocale");
  *(void **)&initialise_ex = symbol(library, "Py_InitializeEx");
  *(void **)&save_thread = symbol(library, "PyEval_SaveThread");
  if (!set_program_name || !decode || !initialise_ex || !save_thread) {
    return err_set(err, ERR_USAGE,
                   "thread mode does not know this Python yet%s", instead);
  }
  const char *now = setlocale(LC_ALL, NULL);
  char *locale = now ? strdup(now) : NULL;
  python.executable = strdup(host->settings->executable);
  choose_utf8(library);
  python.program_name = decode(host->settings->executable, NULL);
  int rc = 0;
  if (!locale || !python.program_name || !python.executable) {
    rc = err_nomem(err);
  } else {
    set_program_name(python.program_name);
    initialise_ex(0);
    setlocale(LC_ALL, locale);
    save_thread();
    python.owned = 1;
  }
  free(locale);
  return rc;
}

/* The runtime's file, next to the package; Python's own import of it gets the
** same object. */
static int load_runtime(const struct engine_host *host, struct err *err) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/pyudf/_runtime.abi3.so",
           host->package_parent);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    return err_set(err, ERR_SYSTEM, "thread mode: %s%s", dlerror(), instead);
  }
  const struct runtime *(*get)(void);
  *(void **)&get = symbol(library, "pyudf_runtime");
  const struct runtime *runtime = get ? get() : NULL;
  if (!runtime || runtime->abi != RUNTIME_ABI ||
      runtime->size != sizeof *runtime) {
    return err_set(err, ERR_SYSTEM, "%s is of another version of pyudf", path);
  }
  if (runtime->start(host->package_parent, python.owned, err)) return -1;
  python.runtime = runtime;
  return 0;
}

static int bring_up(const struct engine_host *host, struct err *err) {
  void *library = find_python();
  if (found(library) && check_version(library, err)) return -1;
  *(void **)&python.is_initialized = symbol(library, "Py_IsInitialized");
  if (!python.is_initialized || !python.is_initialized()) {
    struct err why = {0};
    library = load_python(host, library, &why);
    if (why.code) {
      err_take(err, &why);
      return -1;
    }
    *(void **)&python.is_initialized = symbol(library, "Py_IsInitialized");
    if (check_room(err) || initialise(library, host, err)) return -1;
  }
  python.epoch = forks_epoch();
  return load_runtime(host, err);
}

int embed_alive(void) {
  return python.is_initialized() &&
         (!python.owned || python.epoch == forks_epoch());
}

/* What speaks against the Python that is up. */
static int check(const struct engine_host *host, struct err *err) {
  if (!python.is_initialized()) {
    return err_set(err, ERR_USAGE, "this process has finalised its Python%s",
                   instead);
  }
  if (!embed_alive()) {
    return err_set(err, ERR_USAGE,
                   "this process was forked while Python was up in it%s",
                   instead);
  }
  if (python.owned && strcmp(python.executable, host->settings->executable)) {
    return err_set(err, ERR_USAGE,
                   "thread mode runs %s in this process already, and cannot "
                   "change to python_executable %s%s",
                   python.executable, host->settings->executable, instead);
  }
  return 0;
}

/* The GIL, left by a host that calls us with it. */
struct left_gil {
  void *state; /* NULL: it was not held */
  void (*restore)(void *);
};

/* Who has `lock` may have to wait for the GIL: nobody may wait for `lock` with
** it. */
static struct left_gil leave_gil(void) {
  struct left_gil left = {0};
  void *library = find_python();
  int (*is_initialized)(void);
  void *(*save)(void), *(*own)(void), *(*current)(void);
  *(void **)&is_initialized = symbol(library, "Py_IsInitialized");
  /* PyGILState_Check() always says yes once there was a subinterpreter (3.11). */
  *(void **)&own = symbol(library, "PyGILState_GetThisThreadState");
  *(void **)&current = symbol(library, "PyThreadState_GetUnchecked"); /* 3.13 */
  if (!current) {
    *(void **)&current = symbol(library, "_PyThreadState_UncheckedGet");
  }
  *(void **)&save = symbol(library, "PyEval_SaveThread");
  *(void **)&left.restore = symbol(library, "PyEval_RestoreThread");
  if (is_initialized && own && current && save && left.restore &&
      is_initialized() && own() && own() == current()) {
    left.state = save();
  }
  return left;
}

int embed_runtime(const struct engine_host *host,
                  const struct runtime **runtime, int *owned, struct err *err) {
  struct left_gil left = leave_gil();
  forks_lock_enter(&lock); /* what it guards is the child's, too */
  int rc = python.runtime ? check(host, err) : bring_up(host, err);
  if (!rc) {
    *runtime = python.runtime;
    *owned = python.owned;
  }
  forks_lock_leave(&lock);
  if (left.state) left.restore(left.state);
  return rc;
}
