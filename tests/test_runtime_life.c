/* test_runtime_life.c - the runtime's table: threads, memory, spaces, speed */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "runtime_host.h"

/* ---- threads ---- */

static uint32_t local_id;

static void *thread_main(void *arg) {
  int64_t *last = arg;
  for (int i = 0; i < 100; i++) {
    struct value x = value_null(), got = value_null();
    rt->attach();
    rt->call(space, local_id, 0, &x, 1, &got, NULL);
    rt->detach();
    *last = got.integer;
  }
  return NULL;
}

/* Prevents thread-local data that dies with every call, states that are left
** behind, and a thread that waits for itself. Called without the GIL. */
static void test_threads(void) {
  rt->attach();
  local_id = define(
      "import threading\n"
      "local = threading.local()\n"
      "gone = 0\n"
      "class Watch:\n"
      "  def __del__(self):\n"
      "    global gone\n"
      "    gone += 1\n"
      "def count(x):\n"
      "  local.n = getattr(local, 'n', 0) + 1\n"
      "  local.watch = getattr(local, 'watch', None) or Watch()\n"
      "  return local.n\n"
      "def ended(x): return gone\n");
  rt->detach();
  pthread_t threads[8];
  int64_t last[8] = {0};
  for (int i = 0; i < 8; i++) {
    pthread_create(&threads[i], NULL, thread_main, &last[i]);
  }
  int good = 1;
  for (int i = 0; i < 8; i++) {
    pthread_join(threads[i], NULL);
    good = good && last[i] == 100;
  }
  ok(good, "thread-local data lives as long as its thread");
  for (int i = 0; i < 200; i++) {
    pthread_create(&threads[0], NULL, thread_main, &last[0]);
    pthread_join(threads[0], NULL);
    good = good && last[0] == 100;
  }
  ok(good, "threads come and go");
  rt->attach();
  ok(gives(local_id, 1, value_null(), value_integer(208)),
     "with a thread goes what it kept");
  for (int i = 0; i < 300; i++) rt->attach();
  ok(evals("1 + 1", value_integer(2)), "attach nests");
  for (int i = 0; i < 300; i++) rt->detach();
  ok(evals("1 + 2", value_integer(3)), "and detach");
  rt->detach();
}

/* What a function that runs SQL comes to: it leaves the GIL (ctypes does), and
** on the same thread we are called again. */
static int inner(int depth) {
  struct value x = value_integer(depth), got = value_null();
  rt->attach();
  rt->call(space, local_id, 0, &x, 1, &got, NULL);
  rt->detach();
  return (int)got.integer;
}

static void test_recursion(void) {
  char source[512];
  struct value got;
  int (*function)(int) = inner;
  rt->attach();
  snprintf(
      source, sizeof source,
      "import ctypes\n"
      "held = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int)(%zu)\n"
      "left = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(%zu)\n"
      "def f(n): return 0 if n == 0 else 1 + (held, left)[n %% 2](n - 1)\n",
      (size_t)function, (size_t)function);
  local_id = define(source);
  struct value depth = value_integer(100);
  ok(!rt->call(space, local_id, 0, &depth, 1, &got, NULL) && got.integer == 100,
     "calls nest, whether the GIL was left in between or not");
  rt->detach();
}

/* ---- memory, speed ---- */

static long resident_kib(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void test_memory(void) {
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (sanitizer && *sanitizer) {
    printf("# memory is not looked at under a sanitizer, which keeps it\n");
    return;
  }
  uint32_t id = define(
      "def i(x): return x\n"
      "def s(x): return x + 'é'\n"
      "def j(x): return {'a': x}\n"
      "def e(x): raise ValueError(x)\n");
  long before = 0;
  for (int round = 0; round < 1100; round++) {
    if (round == 100) before = resident_kib();
    for (int n = 0; n < 1000; n++) {
      struct value arg = value_integer(n * 1000), got;
      rt->call(space, id, 0, &arg, 1, &got, NULL);
      if (n % 4) continue;
      arg = text("some text that needs memory of its own");
      rt->call(space, id, 1, &arg, 1, &got, NULL);
      if (n % 100) continue;
      rt->call(space, id, 2, &arg, 1, &got, NULL);
      struct err err = {0};
      rt->call(space, id, 3, &arg, 1, &got, &err);
      err_clear(&err);
    }
  }
  long grown = resident_kib() - before;
  printf("# a million calls: %ld KiB more\n", grown);
  ok(grown < 1024, "a million calls do not grow memory");
  before = resident_kib();
  for (int n = 0; n < 2000; n++) {
    if (n == 200) before = resident_kib();
    id = define(
        "import dataclasses\n"
        "@dataclasses.dataclass\n"
        "class P: x: int\n"
        "def p(x): return P(x)\n");
    gives(id, 0, value_integer(1), json("{\"x\":1}"));
    rt->forget(space, id);
  }
  grown = resident_kib() - before;
  printf("# 1800 definitions made and forgotten: %ld KiB more\n", grown);
  ok(grown < 8192, "definitions that are forgotten leave little");
}

static double time_call(uint32_t id, uint32_t index, struct value arg,
                        int attach) {
  enum { CALLS = 2000000 };
  struct value got;
  double best = 1e9;
  for (int round = 0; round < 5; round++) {
    double start = now();
    for (int n = 0; n < CALLS / 5; n++) {
      if (attach) rt->attach();
      rt->call(space, id, index, &arg, 1, &got, NULL);
      if (attach) rt->detach();
    }
    double each = (now() - start) / (CALLS / 5);
    if (each < best) best = each;
  }
  return best;
}

/* Diagnostics only: no test depends on time. */
static void print_speed(void) {
  rt->attach();
  uint32_t id = define("def i(x): return x\n");
  printf("# ns a call: int %.1f", time_call(id, 0, value_integer(123456), 0));
  printf(", real %.1f", time_call(id, 0, value_real(1.5), 0));
  printf(", text %.1f", time_call(id, 0, text("hello, world"), 0));
  printf(", null %.1f", time_call(id, 0, value_null(), 0));
  rt->detach();
  printf(", int with attach and detach %.1f\n",
         time_call(id, 0, value_integer(123456), 1));
}

/* Prevents a session that leaves something behind for the next. */
static void test_spaces(void) {
  rt->attach();
  struct runtime_space *first = space;
  struct err err = {0};
  space = rt->space_new("/no/such/path:/and/none", &err);
  ok(space && evals("sys.path[:2] == ['/no/such/path', '/and/none']",
                    value_integer(1)),
     "the path comes first");
  ok(fails("ended(1)", ERR_PYTHON, "NameError", NULL), "spaces share nothing");
  struct manifest *manifest = NULL;
  ok(define_as(DEFINITION_NAMED, "f", "lambda x: math.sqrt(x)", NULL, &manifest,
               &err) &&
         manifest->count == 1,
     "a lambda");
  manifest_free(manifest);
  rt->space_free(space);
  rt->space_free(first);
  space = rt->space_new(NULL, &err);
  ok(evals("[m for m in sys.modules if 'pyudf_s' in m]", json("[]")),
     "no module is left");
  ok(evals("'/no/such/path' in sys.path", value_integer(0)), "nor the path");
  rt->space_free(space);
  rt->space_free(NULL);
  rt->detach();
}

int main(int argc, char **argv) {
  host_open(argc, argv);
  host_start();
  rt->detach();
  test_threads();
  test_recursion();
  rt->attach();
  test_memory();
  rt->detach();
  print_speed();
  test_spaces();
  return tap_done();
}
