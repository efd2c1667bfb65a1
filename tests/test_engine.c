/* test_engine.c - both engines behind their interface, without SQLite
**
** Every test runs in both modes; what only process mode promises says so.
** Usage: test_engine PACKAGE_PARENT [PYTHON]; the defaults are $PYUDF_BUILD's
** package and $PYUDF_PYTHON.
*/
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ext/engine/engine.h"
#include "tap.h"

static const char *const mode_names[] = {"process", "thread"};

static int interrupt_after; /* polls until interrupted; 0: never */

static int interrupted(void *arg) {
  (void)arg;
  return interrupt_after && --interrupt_after == 0;
}

static void *alloc(uint64_t len) { return malloc(len ? len : 1); }

/* A session as the SQLite side keeps it. */
struct session {
  struct engine_settings settings;
  struct engine_program program;
  const struct definition *items[64];
  struct engine_host host;
  struct engine *engine;
  const char *mode;
};

static const char *package_parent;
static const char *executable;

static void session_open(struct session *s, enum engine_mode mode) {
  memset(s, 0, sizeof *s);
  s->mode = mode_names[mode];
  s->settings = (struct engine_settings){.executable = executable,
                                         .path = "",
                                         .preload = "",
                                         .system_env = 1,
                                         .spin_us = 100};
  s->program.items = s->items;
  s->host = (struct engine_host){.program = &s->program,
                                 .settings = &s->settings,
                                 .package_parent = package_parent,
                                 .max_len = 1000000000,
                                 .alloc = alloc,
                                 .free = free,
                                 .interrupted = interrupted};
  engine_open(mode, &s->host, &s->engine, NULL);
}

static void session_close(struct session *s) {
  engine_close(s->engine);
  for (uint32_t i = 0; i < s->program.count; i++) {
    definition_free((struct definition *)(uintptr_t)s->items[i]);
  }
}

/* Defines; the definition's id, or -1 and err. */
static int define(struct session *s, const char *source, struct err *err) {
  uint32_t id = s->program.count;
  char module[32];
  snprintf(module, sizeof module, "pyudf_test.define%u", id + 1);
  struct definition *definition = calloc(1, sizeof *definition);
  *definition = (struct definition){.id = id,
                                    .kind = DEFINITION_SOURCE,
                                    .serial = s->program.last_serial + 1,
                                    .module = strdup(module),
                                    .source = strdup(source)};
  struct manifest *manifest = NULL;
  if (engine_define(s->engine, definition, &manifest, err)) {
    definition_free(definition);
    return -1;
  }
  definition->expect = manifest_names(manifest);
  manifest_free(manifest);
  s->items[s->program.count++] = definition;
  s->program.last_serial = definition->serial;
  return (int)id;
}

static int call(struct session *s, int id, const struct value *argv,
                uint32_t argc, struct value *result, struct err *err) {
  return engine_call(
      s->engine,
      &(struct engine_function){.definition_id = (uint32_t)id, .name = "test"},
      argv, argc, result, err);
}

static void done(struct session *s, struct value *result) {
  if (result->flags & VALUE_OWNED) free((void *)(uintptr_t)result->data);
  if (result->flags & VALUE_HELD) engine_release(s->engine);
}

/* Calls with one integer; the result, or INT64_MIN. */
static int64_t call_int(struct session *s, int id, int64_t arg) {
  struct value argv = value_integer(arg), result;
  struct err err = {0};
  int64_t got = INT64_MIN;
  if (!call(s, id, &argv, 1, &result, &err) && result.type == VALUE_INTEGER) {
    got = result.integer;
  } else if (err.code) {
    char *text = err_format(&err);
    printf("# %s\n", text);
    free(text);
  }
  err_clear(&err);
  return got;
}

static int error_has(struct err *err, enum err_code code, const char *text) {
  char *message = err_format(err);
  int good = err->code == code && message && strstr(message, text);
  if (!good) printf("# code %d: %s\n", err->code, message);
  free(message);
  err_clear(err);
  return good;
}

static void test_values(struct session *s) {
  int same = define(s, "def same(x): return x", NULL);
  ok(call_int(s, same, 41) == 41, "%s: an integer comes back", s->mode);
  static const size_t sizes[] = {0, 1, 4096, 40000, 300000, 5000000};
  char *data = malloc(5000000);
  for (int i = 0; i < 5000000; i++) data[i] = (char)('a' + i % 23);
  for (int type = VALUE_TEXT; type <= VALUE_BLOB; type++) {
    for (int i = 0; i < 6; i++) {
      struct value argv = value_bytes((enum value_type)type, data, sizes[i]);
      struct value result = value_null();
      struct err err = {0};
      int rc = call(s, same, &argv, 1, &result, &err);
      ok(!rc && result.type == argv.type && result.len == sizes[i] &&
             !memcmp(result.data, data, sizes[i]),
         "%s: %zu bytes of type %d come back", s->mode, sizes[i], type);
      if (rc) error_has(&err, ERR_NONE, "");
      done(s, &result);
    }
  }
  struct value many[127], result;
  for (int i = 0; i < 127; i++) many[i] = value_bytes(VALUE_BLOB, data, 20000);
  int total = define(s, "def total(*a): return sum(map(len, a))", NULL);
  ok(!call(s, total, many, 127, &result, NULL) && result.integer == 127 * 20000,
     "%s: 127 arguments that do not fit the ring together", s->mode);
  s->host.max_len = 1000;
  struct err err = {0};
  struct value argv = value_bytes(VALUE_BLOB, data, 1001);
  ok(call(s, same, &argv, 1, &result, &err) &&
         error_has(&err, ERR_TOOBIG, "1001 bytes"),
     "%s: a result over the limit", s->mode);
  s->host.max_len = 1000000000;
  ok(call_int(s, same, 1) == 1, "%s: and the next call is fine", s->mode);
  free(data);
}

static void test_errors(struct session *s) {
  struct err err = {0};
  ok(define(s, "def f(:", &err) < 0 &&
         error_has(&err, ERR_PYTHON, "SyntaxError"),
     "%s: a syntax error", s->mode);
  int bad = define(s, "def bad(x):\n  raise ValueError('no %d' % x)", NULL);
  struct value argv = value_integer(7), result;
  ok(call(s, bad, &argv, 1, &result, &err) && err.traceback &&
         strstr(err.traceback, "in bad") && err.line == 2 &&
         error_has(&err, ERR_PYTHON, "ValueError: no 7"),
     "%s: an exception with its traceback", s->mode);
  int leave = define(s, "import sys\ndef leave(x): sys.exit(x)", NULL);
  ok(call(s, leave, &argv, 1, &result, &err) &&
         error_has(&err, ERR_PYTHON, "SystemExit: 7"),
     "%s: sys.exit is an error", s->mode);
  ok(engine_eval(s->engine, "1/0", NULL, 0, &result, &err) &&
         error_has(&err, ERR_PYTHON, "ZeroDivisionError"),
     "%s: an expression's error", s->mode);
  struct value args[] = {value_text("a"), value_integer(3)};
  ok(!engine_eval(s->engine, "a0 * a1", args, 2, &result, NULL) &&
         result.len == 3 && !memcmp(result.data, "aaa", 3),
     "%s: an expression with arguments", s->mode);
  done(s, &result);
  ok(!engine_version(s->engine, &result, NULL) &&
         !strncmp(result.data, "CPython 3.", 10),
     "%s: version", s->mode);
  done(s, &result);
}

/* A definition is lost with the settings that changed, or made in the wrong
** order. */
static void test_anew(struct session *s) {
  int count =
      define(s, "n = 0\ndef count(x):\n  global n; n += x; return n", NULL);
  ok(call_int(s, count, 1) == 1 && call_int(s, count, 1) == 2,
     "%s: globals live from call to call", s->mode);
  s->settings.epoch++;
  ok(call_int(s, count, 1) == 1, "%s: changed settings: all is made anew",
     s->mode);
}

static void test_crash(struct session *s) {
  int die = define(s,
                   "import os, signal\ndef die(n):\n"
                   "  os.kill(os.getpid(), n) if n else os._exit(3)",
                   NULL);
  int fine = define(s, "def fine(x): return x", NULL);
  static const int signals[] = {SIGSEGV, SIGKILL, SIGABRT, 0};
  static const char *const words[] = {
      "was killed by SIGSEGV", "was killed by SIGKILL", "was killed by SIGABRT",
      "exited with status 3"};
  for (int i = 0; i < 4; i++) {
    struct value argv = value_integer(signals[i]), result;
    struct err err = {0};
    int rc = call(s, die, &argv, 1, &result, &err);
    int stack = signals[i] != SIGSEGV ||
                (err.traceback && strstr(err.traceback, "in die"));
    ok(rc && stack && error_has(&err, ERR_CRASH, words[i]), "%s: %s", s->mode,
       words[i]);
    ok(call_int(s, fine, 5) == 5, "and the next call is fine");
  }
}

static void test_interrupt(struct session *s) {
  int nap = define(s, "import time\ndef nap(x): time.sleep(x); return x", NULL);
  struct value argv = value_integer(60), result;
  struct err err = {0};
  interrupt_after = 3;
  ok(call(s, nap, &argv, 1, &result, &err) &&
         error_has(&err, ERR_INTERRUPT, "interrupted"),
     "%s: an interrupt ends a call", s->mode);
  interrupt_after = 0;
  ok(call_int(s, nap, 0) == 0, "%s: and the next call is fine", s->mode);
}

/* A definition that fails when it is made again takes the others with it. */
static void test_broken(struct session *s, const char *how, int crashes) {
  char path[] = "/tmp/pyudf-engine.XXXXXX", source[256];
  struct err err = {0};
  struct value argv = value_integer(1), result;
  int fd = mkstemp(path);
  close(fd);
  unlink(path);
  snprintf(source, sizeof source,
           "import os\nif os.path.exists('%s'): %s\ndef f(x): return x", path,
           how);
  int broken = define(s, source, NULL);
  int fine = define(s, "import os\ndef fine(x): return os.getpid()", NULL);
  ok(call_int(s, broken, 4) == 4, "%s: %s: fine at first", s->mode, how);
  close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  s->settings.epoch++;
  if (crashes) {
    ok(call(s, fine, &argv, 1, &result, &err) &&
           error_has(&err, ERR_CRASH, "SIGABRT"),
       "%s: one statement is lost", s->mode);
  }
  int64_t pid = call_int(s, fine, 0);
  ok(pid > 0, "%s: %s: the other function works", s->mode, how);
  if (crashes) {
    ok(call(s, broken, &argv, 1, &result, &err) &&
           error_has(&err, ERR_CRASH, "SIGABRT"),
       "%s: it is tried once more, by who wants it", s->mode);
    pid = call_int(s, fine, 0);
  }
  for (int i = 0; i < 2; i++) {
    ok(call(s, broken, &argv, 1, &result, &err) &&
           error_has(&err, crashes ? ERR_CRASH : ERR_PYTHON,
                     crashes ? "define it anew" : "ValueError: no"),
       "%s: the broken one says so", s->mode);
  }
  ok(call_int(s, fine, 0) == pid, "%s: and costs no worker", s->mode);
  if (crashes) {
    s->settings.epoch++;
    ok(call(s, fine, &argv, 1, &result, &err) &&
           error_has(&err, ERR_CRASH, "SIGABRT"),
       "%s: the same with other settings", s->mode);
  }
  unlink(path);
  ok(call_int(s, broken, 5) == 5, "%s: it is mended with its cause", s->mode);
}

static int count_entries(const char *path) {
  int count = 0;
  DIR *dir = opendir(path);
  while (dir && readdir(dir)) count++;
  if (dir) closedir(dir);
  return count;
}

/* The host sees a child of ours, or keeps a descriptor. */
static void test_traces(void) {
  struct session s;
  int before = count_entries("/proc/self/fd");
  session_open(&s, ENGINE_PROCESS);
  int same = define(&s, "def same(x): return x", NULL);
  ok(call_int(&s, same, 1) == 1, "process: a session of its own");
  ok(waitpid(-1, NULL, WNOHANG) < 0, "process: the host has no child");
  int pid = define(&s, "import os\ndef pid(x): return os.getpid()", NULL);
  int64_t worker = call_int(&s, pid, 0);
  session_close(&s);
  ok(count_entries("/proc/self/fd") == before,
     "process: no descriptor is left");
  int gone = 0;
  for (int i = 0; i < 200 && !gone; i++) {
    usleep(10000);
    gone = kill((pid_t)worker, 0) != 0;
  }
  ok(gone, "process: nor the worker");
}

/* A forked child of the host's speaks into its parent's worker. */
static void test_fork(struct session *s) {
  int count =
      define(s, "k = 0\ndef count(x):\n  global k; k += x; return k", NULL);
  ok(call_int(s, count, 1) == 1, "process: before the fork");
  fflush(stdout);
  pid_t child = fork();
  if (!child) _exit(call_int(s, count, 10) == 10 ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "process: the child has a worker of its own");
  ok(call_int(s, count, 1) == 2, "process: the parent's goes on");
}

/* A session that nobody uses keeps a processor from sleeping. */
static void test_idle(struct session *s) {
  int waits = define(s,
                     "import resource\ndef waits(x):\n"
                     "  u = resource.getrusage(resource.RUSAGE_SELF)\n"
                     "  return u.ru_nvcsw + u.ru_nivcsw",
                     NULL);
  int64_t before = call_int(s, waits, 0);
  usleep(1000000);
  int64_t woken = call_int(s, waits, 0) - before;
  if (!ok(woken < 25, "process: an idle worker sleeps")) {
    printf("# it was woken %d times in a second\n", (int)woken);
  }
}

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Not a test: what a call costs here. */
static void show_speed(struct session *s) {
  int same = define(s, "def same(x): return x", NULL);
  enum { CALLS = 200000 };
  for (int i = 0; i < 1000; i++) call_int(s, same, i);
  double from = now_us();
  for (int i = 0; i < CALLS; i++) call_int(s, same, i);
  printf("# %s: %.3f us a call\n", s->mode, (now_us() - from) / CALLS);
}

int main(int argc, char **argv) {
  static char parent[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(parent, sizeof parent, "%s/pyudf", build ? build : ".");
  package_parent = argc > 1 ? argv[1] : parent;
  executable = argc > 2 ? argv[2] : getenv("PYUDF_PYTHON");
  if (!executable) executable = "/usr/bin/python3";
  signal(SIGPIPE, SIG_DFL);
  for (int mode = 0; mode < ENGINE_MODES; mode++) {
    struct session s;
    session_open(&s, (enum engine_mode)mode);
    test_values(&s);
    test_errors(&s);
    test_anew(&s);
    test_broken(&s, "raise ValueError('no')", 0);
    if (mode == ENGINE_PROCESS) {
      test_broken(&s, "os.abort()", 1);
      test_crash(&s);
      test_interrupt(&s);
      test_fork(&s);
      test_idle(&s);
    }
    show_speed(&s);
    engine_statement_end(s.engine);
    session_close(&s);
  }
  test_traces();
  return tap_done();
}
