/* life_workers.c - the life of workers and of their template, in a host that goes on
**
** Whatever ends them, it is one error of one statement at most in each
** connection, and the next statement has a worker again. Process mode only: in
** thread mode there is nobody to kill.
*/

#include "host.h"

#define DIED                                                            \
  "worker [0-9]+ (died with the process that started it|was killed by " \
  "SIGKILL)$"

/* One error that says how it died, and then a fresh worker. */
static void dies_once(sqlite3 *db, const char *how) {
  matches(db, "SELECT python_eval('1')", how);
  works(db);
}

static void *eval(void *db) {
  char *text = malloc(ASKED);
  return (void *)(uintptr_t)ask_in(
      db, "SELECT python_eval('__import__(\"time\").sleep(300)')", text);
}

/* `run`, while a call is under way; what the call says then. */
static void during_call(sqlite3 *db, void (*run)(sqlite3 *, long), long pid,
                        const char *pattern) {
  pthread_t thread;
  void *text = NULL;
  regex_t regex;
  pthread_create(&thread, NULL, eval, db);
  pause_ms(200);
  run(db, pid);
  pthread_join(thread, &text);
  regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
  ok(!regexec(&regex, text, 0, NULL, 0), "the call: %s", (char *)text);
  regfree(&regex);
  free(text);
}

static void kill_it(sqlite3 *db, long pid) {
  (void)db;
  kill_one(pid, SIGKILL);
}

static void kill_workers_too(sqlite3 *db, long pid) {
  (void)db;
  char path[64];
  int child;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
  FILE *file = fopen(path, "re");
  kill_one(pid, SIGKILL);
  while (file && fscanf(file, "%d", &child) == 1) kill_one(child, SIGKILL);
  if (file) fclose(file);
}

static void worker_killed_idle(void) {
  sqlite3 *witness = witness_open(), *db = open_db();
  for (int i = 0; i < 3; i++) {
    long worker = worker_of(db);
    kill_one(worker, SIGKILL);
    if (i == 1) pause_ms(100);
    dies_once(
        db,
        "^error 1: python_eval: worker [0-9]+ was killed by SIGKILL before "
        "the call$");
    ok(worker_of(db) != worker, "another worker");
  }
  close_db(db);
  witness_close(witness);
}

static void worker_killed_in_a_call(void) {
  sqlite3 *witness = witness_open(), *db = open_db();
  during_call(db, kill_it, worker_of(db),
              "worker [0-9]+ was killed by SIGKILL$");
  works(db);
  close_db(db);
  witness_close(witness);
}

static void worker_closed_after_it_died(void) {
  sqlite3 *db = open_db();
  kill_one(worker_of(db), SIGKILL);
  close_db(db);
}

static void worker_stopped(void) {
  sqlite3 *witness = witness_open(), *db = open_db();
  kill_one(worker_of(db), SIGSTOP);
  ask(db, "PRAGMA python_timeout=300");
  matches(db, "SELECT python_eval('1')",
          "timed out after 300 ms, and did not "
          "end: its worker was killed$");
  ask(db, "PRAGMA python_timeout=0");
  works(db);
  kill_one(worker_of(db), SIGSTOP);
  close_db(db);
  witness_close(witness);
}

/* Sessions that share a template all lose their workers with it. */
static void template_killed_idle(void) {
  sqlite3 *db = open_db(), *other = open_db();
  works(db);
  works(other);
  ok(template_of(db) == template_of(other), "one template for both");
  kill_one(template_of(db), SIGKILL);
  pause_ms(50);
  dies_once(db, DIED);
  dies_once(other, DIED);
  ok(template_of(db) == template_of(other), "another one for both");
  close_db(db);
  close_db(other);
}

/* A connection that had no worker loses nothing. */
static void template_killed_before_the_first_call(void) {
  sqlite3 *db = open_db(), *idle = open_db();
  kill_one(template_of(db), SIGKILL);
  pause_ms(50);
  works(idle);
  dies_once(db, DIED);
  close_db(db);
  close_db(idle);
}

static void template_killed_in_a_call(void) {
  sqlite3 *db = open_db(), *other = open_db();
  works(other);
  during_call(db, kill_it, template_of(db), DIED);
  works(db);
  dies_once(other, DIED);
  close_db(db);
  close_db(other);
}

static void all_killed_in_a_call(void) {
  sqlite3 *db = open_db(), *other = open_db();
  works(other);
  during_call(db, kill_workers_too, template_of(db), DIED);
  works(db);
  dies_once(other, DIED);
  close_db(db);
  close_db(other);
}

/* At some moment of a fork: another one each time. */
static void *kill_after(void *arg) {
  long *what = arg;
  struct timespec some = {0, what[1] * 100000};
  nanosleep(&some, NULL);
  kill_one(what[0], SIGKILL);
  return NULL;
}

static void template_killed_at_a_fork(void) {
  sqlite3 *keeper = open_db();
  int odd = 0;
  for (long i = 0; i < 40; i++) {
    long what[2] = {template_of(keeper), i};
    sqlite3 *db = open_db();
    pthread_t thread;
    pthread_create(&thread, NULL, kill_after, what);
    const char *got = ask(db, "SELECT python_eval('6 * 7')");
    if (strcmp(got, "42") &&
        !strstr(got, "the process that starts workers died") &&
        !strstr(got, "died with the process that started it") &&
        !strstr(got, "was killed by SIGKILL")) {
      odd++;
      printf("# %s\n", got);
    }
    pthread_join(thread, NULL);
    if (!gone(what[0])) odd++;
    ask(db, "SELECT python_eval('1')");
    works(db);
    if (strcmp(ask(keeper, "SELECT python_eval('1')"), "1")) works(keeper);
    close_db(db);
  }
  ok(!odd, "every error says what died");
  close_db(keeper);
}

/* The template does not answer: who wants a worker waits for a bounded time. */
static void template_stopped(void) {
  sqlite3 *db = open_db(), *fresh = open_db();
  long template = template_of(db);
  kill_one(template, SIGSTOP);
  works(db);
  int64_t began = now_ms();
  matches(fresh, "SELECT python_eval('1')",
          "^error 1: python_eval: the process that starts workers did not "
          "answer in [0-9]+ s$");
  ok(now_ms() - began < 30000, "a bounded wait");
  works(fresh);
  ok(gone(template), "it is gone");
  dies_once(db, DIED);
  close_db(fresh);
  close_db(db);
}

static void *interrupt(void *db) {
  pause_ms(300);
  sqlite3_interrupt(db);
  return NULL;
}

/* Has its worker killed by the template. */
static void kill_hung(sqlite3 *db) {
  long worker = worker_of(db);
  kill_one(worker, SIGSTOP);
  ask(db, "PRAGMA python_timeout=300");
  matches(db, "SELECT python_eval('1')", "its worker was killed$");
  ok(gone(worker), "the template has killed it");
}

static int children_become(long pid, int expected) {
  char path[64];
  int count = -1;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
  for (int i = 0; i < 1000 && count != expected; i++) {
    int child;
    if (i) pause_ms(10);
    FILE *file = fopen(path, "re");
    for (count = 0; file && fscanf(file, "%d", &child) == 1;) count++;
    if (file) fclose(file);
  }
  return count == expected;
}

/* And an interrupt ends that wait, with nothing lost. */
/* Nobody says that the worker has ended. */
static void worker_killed_with_template_stopped(void) {
  sqlite3 *db = open_db();
  works(db);
  long template = template_of(db), worker = worker_of(db);
  kill_one(template, SIGSTOP);
  kill_one(worker, SIGKILL);
  matches(db, "SELECT python_eval('1')",
          "worker [0-9]+ has ended, and the process that starts workers does "
          "not say how: it was killed$");
  ok(gone(template), "it is gone");
  works(db);
  close_db(db);
}

static void interrupted_with_template_stopped(void) {
  sqlite3 *witness = witness_open(), *later = open_db(), *fresh = open_db();
  works(later);
  long template = template_of(witness);
  kill_one(template, SIGSTOP);
  pthread_t thread;
  pthread_create(&thread, NULL, interrupt, fresh);
  int64_t began = now_ms();
  is(fresh, "SELECT python_eval('1')", "error 9: interrupted");
  ok(now_ms() - began < 8000, "it did not wait for the template");
  pthread_join(thread, NULL);
  kill_one(template, SIGCONT);
  /* Once it has done what it was told later, and nobody forks meanwhile. */
  kill_hung(later);
  ok(children_become(template, 1), "nobody waits for the worker: it is gone");
  works(fresh); /* and not that worker */
  ok(template_of(fresh) == template, "the template goes on");
  close_db(fresh);
  close_db(later);
  witness_close(witness);
}

/* What is preloaded in the cases that follow. */
static void preload(const char *text) {
  write_file(in_folder("pyudf_preloaded.py"), text);
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_preloaded", 1);
}

static void *simple_eval(void *db) {
  return (void *)(uintptr_t)ask_in(db, "SELECT python_eval('6 * 7')",
                                   malloc(ASKED));
}

/* Two that want the same template: `second` comes while the first one's start is
** under way. What they are told is for free(). */
static void start_together(sqlite3 *dbs[2], void (*then)(sqlite3 *),
                           void *told[2]) {
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, simple_eval, dbs[0]);
  ok(await_number("starting") > 0, "the template is starting");
  pthread_create(&threads[1], NULL, simple_eval, dbs[1]);
  pause_ms(300);
  if (then) then(dbs[0]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], &told[i]);
}

/* Whoever starts a template for two may not wait for it. */
static void interrupted_start(void) {
  void *told[2] = {NULL, NULL};
  preload(
      "import os, time\nname = os.path.dirname(__file__) + '/starting'\n"
      "if not os.path.exists(name):\n"
      "  with open(name, 'w') as file: file.write('1')\n"
      "  time.sleep(300)\n");
  sqlite3 *dbs[2] = {open_db(), open_db()};
  start_together(dbs, sqlite3_interrupt, told);
  ok(!strcmp(told[0], "error 9: interrupted"), "the first: %s",
     (char *)told[0]);
  ok(!strcmp(told[1], "42"), "the second: %s", (char *)told[1]);
  for (int i = 0; i < 2; i++) {
    free(told[i]);
    works(dbs[i]);
  }
  ok(template_of(dbs[0]) == template_of(dbs[1]), "one template for both");
  for (int i = 0; i < 2; i++) close_db(dbs[i]);
}

/* And each of two is told why there is none. */
static void failed_start(void) {
  void *told[2] = {NULL, NULL};
  preload(
      "import os, time\nname = os.path.dirname(__file__) + '/starting'\n"
      "with open(name, 'w') as file: file.write('1')\n"
      "time.sleep(1)\nraise ValueError('not today')\n");
  sqlite3 *dbs[2] = {open_db(), open_db()};
  start_together(dbs, NULL, told);
  for (int i = 0; i < 2; i++) {
    ok(strstr(told[i], "not today") != NULL, "told: %s", (char *)told[i]);
    free(told[i]);
    close_db(dbs[i]);
  }
}

/* Many messages that nobody reads must not hold the host up. */
static void template_stopped_for_long(void) {
  enum { MANY = 40 };
  sqlite3 *dbs[MANY];
  for (int i = 0; i < MANY; i++) {
    dbs[i] = open_db();
    ask(dbs[i], "PRAGMA python_timeout=1");
    ask(dbs[i], "SELECT python_eval('1')");
  }
  long template = template_of(dbs[0]);
  kill_one(template, SIGSTOP);
  alarm(60);
  for (int i = 0; i < MANY; i++) close_db(dbs[i]);
  kill_one(template, SIGCONT);
  alarm(0);
  ok(gone(template), "it ends once it goes on");
}

/* Processes that only end: at most 64 of them, and no more. */
static void many_that_end_slowly(void) {
  enum { MANY = 300, MOST = 64 + 16 };
  sqlite3 *keeper = open_db();
  long template = template_of(keeper);
  char path[64];
  int most = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", template,
           template);
  setenv("PYUDF_EXECUTION_MODE", mode, 1);
  for (int i = 0; i < MANY; i++) {
    sqlite3 *db = NULL;
    sqlite3_open(":memory:", &db);
    load(db);
    const char *got =
        ask(db,
            "SELECT python_define('import time\n"
            "from pyudf import udf, ScalarFunction\n"
            "class F(ScalarFunction):\n  def eval(self, x): return x\n"
            "  def close(self): time.sleep(300)\nf = udf(F())')");
    if (strcmp(got, "f")) ok(0, "defined: %s", got);
    sqlite3_close(db);
    FILE *file = fopen(path, "re");
    int pid, count = 0;
    while (file && fscanf(file, "%d", &pid) == 1) count++;
    if (file) fclose(file);
    if (count > most) most = count;
  }
  ok(most > 20 && most <= MOST, "at most %d processes at a time", most);
  ok(template_of(keeper) == template, "the template goes on");
  close_db(keeper);
}

/* ---- memory ---- */

/* The kernel takes a worker before it takes the host. */
static void volunteers(void) {
  sqlite3 *db = open_db();
  is(db, "SELECT python_eval('int(open(\"/proc/self/oom_score_adj\").read())')",
     "1000");
  close_db(db);
}

static int move_to(const char *group, const char *name, const char *text) {
  char path[800];
  snprintf(path, sizeof path, "%s/%s", group, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  int rc = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
  if (fd >= 0) close(fd);
  return rc;
}

/* A memory cgroup of our own below the one we are in: in `group` and `home`. */
static int make_group(char *group, char *home, size_t size) {
  char line[500];
  int rc = -1;
  FILE *groups = fopen("/proc/self/cgroup", "re");
  while (rc && groups && fgets(line, sizeof line, groups)) {
    line[strcspn(line, "\n")] = 0;
    const char *limit = NULL;
    if (strstr(line, ":memory:")) {
      snprintf(home, size, "/sys/fs/cgroup/memory%.500s",
               strrchr(line, ':') + 1);
      limit = "memory.limit_in_bytes";
    } else if (!strncmp(line, "0::", 3)) {
      snprintf(home, size, "/sys/fs/cgroup%s", line + 3);
      limit = "memory.max";
    } else {
      continue;
    }
    snprintf(group, size, "%.600s/pyudf-%d", home, (int)getpid());
    if (mkdir(group, 0755)) continue;
    rc = move_to(group, limit, "150000000");
    move_to(group, "memory.swap.max", "0");
    if (rc) rmdir(group);
  }
  if (groups) fclose(groups);
  return rc;
}

/* As in a container that is given little memory: a function takes all of it. */
static void out_of_memory(void) {
  char group[700], home[700], text[40];
  if (make_group(group, home, sizeof group))
    skip("no memory cgroup can be made");
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    snprintf(text, sizeof text, "%d", (int)getpid());
    if (move_to(group, "cgroup.procs", text))
      skip("a memory cgroup takes no process");
    sqlite3 *witness = witness_open(), *db = open_db();
    ask(db, "PRAGMA python_on_error='null'");
    is(db,
       "SELECT python_define('def eat():\n  kept = []\n"
       "  while True: kept.append(bytearray(b\"x\" * 1000000))')",
       "eat");
    long worker = worker_of(db);
    char expected[100];
    snprintf(expected, sizeof expected,
             "error 7: python function eat: worker %ld was killed: out of "
             "memory",
             worker);
    is(db, "SELECT eat()", expected);
    is(db, "SELECT type FROM python_errors ORDER BY id DESC LIMIT 1", "nomem");
    works(db);
    kill_one(worker_of(db), SIGKILL);
    matches(db, "SELECT python_eval('1')",
            "worker [0-9]+ was killed by SIGKILL before the call$");
    close_db(db);
    witness_close(witness);
    fflush(stdout);
    _exit(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  ok(status == 0, "the host lived: %#x", (unsigned)status);
  for (int i = 0; i < 500 && rmdir(group) && errno == EBUSY; i++) pause_ms(10);
  ok(access(group, F_OK), "nothing is left in the cgroup");
}

static const struct host hosts[] = {
    {"the worker is killed while idle", THE_STATEMENT, NULL, worker_killed_idle,
     0, 0},
    {"the worker is killed in a call", THE_STATEMENT, NULL,
     worker_killed_in_a_call, 0, 0},
    {"the worker is killed, the connection closed", NOTHING, NULL,
     worker_closed_after_it_died, 0, 0},
    {"the worker is stopped", THE_STATEMENT, NULL, worker_stopped, 0, 0},
    {"the template is killed while idle", "a statement of each connection",
     NULL, template_killed_idle, 0, 0},
    {"the template is killed before the first call", NOTHING, NULL,
     template_killed_before_the_first_call, 0, 0},
    {"the template is killed in a call", "a statement of each connection", NULL,
     template_killed_in_a_call, 0, 0},
    {"the template and all workers are killed",
     "a statement of each connection", NULL, all_killed_in_a_call, 0, 0},
    {"the template is killed at a fork", "a statement of each connection", NULL,
     template_killed_at_a_fork, 0, 0},
    {"the template is stopped", "a statement of each connection", NULL,
     template_stopped, 0, 0},
    {"the worker is killed while the template is stopped", THE_STATEMENT, NULL,
     worker_killed_with_template_stopped, 0, 0},
    {"an interrupt while the template is stopped", THE_STATEMENT, NULL,
     interrupted_with_template_stopped, 0, 0},
    {"an interrupt of a start that two wait for", THE_STATEMENT, NULL,
     interrupted_start, 0, 0},
    {"two wait for a start that fails", "a statement of each connection", NULL,
     failed_start, 0, 0},
    {"the template is stopped, connections close", NOTHING, NULL,
     template_stopped_for_long, 0, 0},
    {"300 workers that end slowly", NOTHING, NULL, many_that_end_slowly, 0,
     NOT_SANITIZED},
    {"a worker's place when memory is short", NOTHING, NULL, volunteers, 0, 0},
    {"out of memory in a cgroup", THE_STATEMENT, NULL, out_of_memory, 0,
     NOT_SANITIZED},
};

HOSTS_MAIN(hosts)
