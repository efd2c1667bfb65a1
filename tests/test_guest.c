/* test_guest.c - a guest in hosts that do what hosts do
**
** Every test is a host of its own: a fresh process, as the state that it is
** about is the process's. Loads argv[1], or $PYUDF_BUILD/pyudf.
*/
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

static char folder[] = "/tmp/pyudf-guest.XXXXXX";

static sqlite3 *open_in(const char *wanted) {
  sqlite3 *db = NULL;
  char *error = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  if (sqlite3_load_extension(db, extension, NULL, &error)) {
    printf("Bail out! %s\n", error);
    _exit(9);
  }
  mode = wanted;
  is(db, "PRAGMA python_execution_mode", "process");
  char sql[64];
  snprintf(sql, sizeof sql, "PRAGMA python_execution_mode=%s", wanted);
  ask(db, sql);
  return db;
}

static void write_module(const char *name, const char *source) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s.py", folder, name);
  FILE *file = fopen(path, "w");
  fputs(source, file);
  fclose(file);
}

static int gone(long pid) {
  for (int i = 0; i < 300; i++) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 1;
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[len] = 0;
    char *state = strrchr(line, ')');
    if (state && state[2] == 'Z')
      return 1; /* whose turn it is to reap is not ours */
    usleep(10000);
  }
  return 0;
}

/* ---- the hosts ---- */

/* The host takes its own Python down, then closes the connection: a crash. */
static void host_finalises(void) {
  static const char code[] =
      "import os, sysconfig as s; v = s.get_config_var; "
      "print(next((p for p in (os.path.join(d, v('INSTSONAME') or '') for d in "
      "(v('LIBDIR'), os.path.join(v('LIBDIR'), v('MULTIARCH') or ''))) "
      "if os.path.isfile(p) and '.so' in p), ''))";
  char command[1024], path[1024] = "";
  const char *python = getenv("PYUDF_PYTHON");
  snprintf(command, sizeof command, "'%s' -c \"%s\"",
           python ? python : "python3", code);
  char *hidden = hide_preload();
  FILE *pipe = popen(command, "r");
  if (pipe && fgets(path, sizeof path, pipe)) path[strcspn(path, "\n")] = 0;
  if (pipe) pclose(pipe);
  show_preload(hidden);
  void *library = *path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (!library) {
    ok(1, "a host with a Python of its own # SKIP no shared libpython");
    return;
  }
  void (*initialise)(int);
  int (*finalise)(void);
  *(void **)&initialise = dlsym(library, "Py_InitializeEx");
  *(void **)&finalise = dlsym(library, "Py_FinalizeEx");
  initialise(0);
  sqlite3 *db = open_in("thread");
  is(db, "SELECT python_eval('1 + 1')", "2");
  finalise();
  contains(db, "SELECT python_eval('1 + 1')",
           "Python has ended in this process");
  ok(sqlite3_close(db) == SQLITE_OK, "closed after the host's Python ended");
  db = open_in("thread");
  contains(db, "SELECT python_eval('1 + 1')", "has finalised its Python");
  ask(db, "PRAGMA python_execution_mode=process");
  is(db, "SELECT python_eval('1 + 1')", "2");
  sqlite3_close(db);
}

static void *busy(void *arg) {
  ask(arg, "SELECT python_eval('sum(1 for i in range(10**8))')");
  return NULL;
}

/* The child waits for a GIL whose holder is not in it. */
static void forks_in_python(void) {
  sqlite3 *db = open_in("thread"), *other = open_in("thread");
  is(db, "SELECT python_eval('1')", "1");
  pthread_t thread;
  pthread_create(&thread, NULL, busy, other);
  usleep(300000);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    alarm(20);
    db = open_in("thread");
    int failed = tap_failed;
    contains(db, "SELECT python_eval('2')", "forked while Python was up");
    ask(db, "PRAGMA python_execution_mode=process");
    is(db, "SELECT python_eval('2')", "2");
    _exit(tap_failed != failed);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "a child forked while a thread was in Python");
  sqlite3_interrupt(other);
  pthread_join(thread, NULL);
  sqlite3_close(other);
  sqlite3_close(db);
}

static void *step_once(void *statement) {
  sqlite3_step(statement);
  return NULL;
}

/* A thread ends with a statement open, and Python with it. */
static void thread_ends(void) {
  sqlite3 *db = open_in("thread");
  sqlite3_stmt *statement;
  is(db, "SELECT python_define('f', 'lambda x: x')", "f");
  sqlite3_prepare_v2(db, "SELECT f(1) UNION ALL SELECT f(2)", -1, &statement,
                     NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, step_once, statement);
  pthread_join(thread, NULL);
  time_t began = time(NULL);
  is(db, "SELECT f(3)", "3");
  ok(time(NULL) - began < 3, "nobody waits for a thread that has ended");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void *call(void *db) {
  return (void *)(intptr_t)strlen(ask(db, "SELECT python_eval('1')"));
}

/* The one deadlock that the GIL kept across rows could make. */
static void keeps_python(void) {
  sqlite3 *db = open_in("thread"), *other = open_in("thread");
  sqlite3_stmt *statement;
  is(db, "SELECT python_define('f', 'lambda x: x')", "f");
  sqlite3_prepare_v2(db, "SELECT f(1) UNION ALL SELECT f(2)", -1, &statement,
                     NULL);
  sqlite3_step(statement);
  pthread_t thread;
  void *len = NULL;
  pthread_create(&thread, NULL, call, other);
  pthread_join(thread, &len);
  ok(len != NULL, "another thread waits, but not for ever");
  sqlite3_finalize(statement);
  pthread_create(&thread, NULL, call, other);
  pthread_join(thread, &len);
  ok((intptr_t)len == 1, "and calls once the statement has ended");
  sqlite3_close(other);
  sqlite3_close(db);
}

/* A module that never comes up outlives the host that was killed meanwhile. */
static void killed_in_preload(void) {
  char path[256];
  write_module("pyudf_guest_hang",
               "import os, time\nopen(os.environ['GUEST_PID'], 'w').write(str("
               "os.getpid()))\ntime.sleep(300)\n");
  snprintf(path, sizeof path, "%s/pid", folder);
  setenv("GUEST_PID", path, 1);
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_guest_hang", 1);
  fflush(stdout);
  pid_t host = fork();
  if (!host) {
    ask(open_in("process"), "SELECT python_eval('1')");
    _exit(0);
  }
  long pid = 0;
  for (int i = 0; i < 500 && !pid; i++) {
    usleep(10000);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld", &pid) != 1) pid = 0;
    if (file) fclose(file);
  }
  kill(host, SIGKILL);
  waitpid(host, NULL, 0);
  ok(pid && gone(pid), "a template that still preloads ends with its host");
}

/* A thread in the template takes the signal that says how a worker ended. */
static void preload_with_thread(void) {
  write_module("pyudf_guest_thread",
               "import threading, time\nthreading.Thread(target=time.sleep, "
               "args=(300,), daemon=True).start()\n");
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_guest_thread", 1);
  alarm(20);
  sqlite3 *db = open_in("process");
  contains(db, "SELECT python_eval('__import__(''os'').abort()')", "SIGABRT");
  is(db, "SELECT python_eval('1')", "1");
  sqlite3_close(db);
}

/* What a function has started outlives its worker. */
static void function_starts_programs(void) {
  sqlite3 *db = open_in("process");
  static const char start[] =
      "SELECT python_eval('subprocess.Popen([\"sleep\", \"300\"]).pid')";
  long first = strtol(ask(db, start), NULL, 10);
  contains(db, "SELECT python_eval('os.abort()')", "SIGABRT");
  ok(first && gone(first), "a program ends with the worker that crashed");
  long second = strtol(ask(db, start), NULL, 10);
  sqlite3_close(db);
  ok(second && gone(second), "and with the connection");
}

static void few_descriptors(void) {
  struct rlimit limit = {40, 40};
  setrlimit(RLIMIT_NOFILE, &limit);
  sqlite3 *db = open_in("process");
  is(db, "SELECT python_eval('6 * 7')", "42");
  sqlite3_close(db);
}

static void standard_descriptors_closed(void) {
  int out = dup(1);
  close(0);
  close(1);
  close(2);
  sqlite3 *db = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  int rc = sqlite3_load_extension(db, extension, NULL, NULL);
  const char *got =
      rc ? "" : ask(db, "SELECT python_eval('print(1) or 6 * 7')");
  int good = !strcmp(got, "42");
  sqlite3_close(db);
  dup2(out, 1);
  ok(good, "standard descriptors closed");
}

/* A host that inherits orphans finds ours for ever. */
static void subreaper(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 3; i++) {
    sqlite3 *db = open_in("process");
    is(db, "SELECT python_eval('1')", "1");
    sqlite3_close(db);
    usleep(200000);
  }
  sqlite3 *db = open_in("process");
  is(db, "SELECT python_eval('1')", "1");
  int zombies = 0;
  siginfo_t info = {0};
  if (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid) {
    zombies++;
  }
  ok(!zombies, "a host that is a subreaper has no zombie of ours");
  sqlite3_close(db);
}

/* SIGCHLD ignored, and a handler that waits for everything. */
static void wait_for_all(int number) {
  (void)number;
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

static void own_sigchld(void) {
  signal(SIGCHLD, SIG_IGN);
  sqlite3 *db = open_in("process");
  contains(db, "SELECT python_eval('os.abort()')", "SIGABRT");
  signal(SIGCHLD, wait_for_all);
  contains(db, "SELECT python_eval('os.abort()')", "SIGABRT");
  is(db, "SELECT python_eval('1')", "1");
  sqlite3_close(db);
}

/* ---- */

/* Runs a host in a process of its own; its lines are ours, numbered anew. */
static void run(const char *name, void (*host)(void)) {
  int ends[2];
  fflush(stdout);
  if (pipe(ends)) return;
  pid_t pid = fork();
  if (!pid) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    host();
    fflush(stdout);
    _exit(0);
  }
  close(ends[1]);
  FILE *lines = fdopen(ends[0], "r");
  char line[4096];
  while (fgets(line, sizeof line, lines)) {
    char *text = strstr(line, " - ");
    line[strcspn(line, "\n")] = 0;
    if (text && (!strncmp(line, "ok ", 3) || !strncmp(line, "not ok ", 7))) {
      ok(*line == 'o', "%s: %s", name, text + 3);
    } else {
      printf("%s\n", line);
    }
  }
  fclose(lines);
  int status = -1;
  waitpid(pid, &status, 0);
  ok(status == 0, "%s: the host lived (status %d)", name, status);
}

int main(int argc, char **argv) {
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  extension = argc > 1 ? argv[1] : path;
  if (!mkdtemp(folder)) return 1;
  static const struct {
    const char *name;
    void (*host)(void);
  } hosts[] = {
      {"finalises its Python", host_finalises},
      {"forks while a thread is in Python", forks_in_python},
      {"a thread ends", thread_ends},
      {"a thread keeps Python", keeps_python},
      {"killed while a module is preloaded", killed_in_preload},
      {"a preload that starts a thread", preload_with_thread},
      {"a function that starts programs", function_starts_programs},
      {"40 descriptors", few_descriptors},
      {"no standard descriptors", standard_descriptors_closed},
      {"a subreaper", subreaper},
      {"its own SIGCHLD", own_sigchld},
  };
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    run(hosts[i].name, hosts[i].host);
  }
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return shell(command) ? 1 : tap_done();
}
