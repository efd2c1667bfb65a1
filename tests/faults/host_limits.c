/* host_limits.c - hosts with little of everything: descriptors, memory, processes
**
** Whatever the limit, a call works or says what there is too little of, nothing
** of the attempt stays, and the host lives.
*/
#include <sys/mman.h>
#include <sys/resource.h>

#include "host.h"

static void limit(int resource, rlim_t value) {
  struct rlimit now;
  getrlimit(resource, &now);
  now.rlim_cur = value; /* soft: what was there comes back */
  ok(!setrlimit(resource, &now), "the limit is set");
}

/* What a refusal may say: never an empty or a strange text. */
static const char refused[] =
    "Too many open files|out of memory|Cannot allocate memory|"
    "Resource temporarily unavailable|File too large|MemoryError|"
    "python_executable [^ ]+: .+|shared memory: files are limited|address "
    "space|it is not a working Python|"
    "the process that starts workers died|worker [0-9]+ .+|thread mode: .+";

static char told[ASKED]; /* what the call said */

/* One life under the limit; 1 where the call worked. A host that has no
** descriptor left cannot load the extension: that is SQLite's to say. */
static int live(void) {
  sqlite3 *db = NULL;
  char *error = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  int loaded = !sqlite3_load_extension(db, extension, NULL, &error);
  sqlite3_free(error);
  const char *got = "Too many open files";
  if (loaded) {
    ask(db, !strcmp(mode, "thread") ? "PRAGMA python_execution_mode=thread"
                                    : "PRAGMA python_execution_mode=process");
    got = ask(db, "SELECT python_eval('6 * 7')");
  }
  int worked = !strcmp(got, "42");
  snprintf(told, sizeof told, "%s", got);
  ok(sqlite3_close(db) == SQLITE_OK, "closed");
  return worked;
}

/* Without the limit: a regular expression wants memory, too. */
static void judge(int worked) {
  regex_t regex;
  if (worked) return;
  printf("# refused: %s\n", told);
  regcomp(&regex, refused, REG_EXTENDED | REG_NOSUB);
  ok(!regexec(&regex, told, 0, NULL, 0), "a clear refusal: %s", told);
  regfree(&regex);
}

/* The same under many limits, each in a process of its own, two at a time. */
static void under(int resource, const rlim_t *values, int count,
                  int all_work_from) {
  pid_t pids[64];
  for (int i = 0; i < count; i++) {
    fflush(stdout);
    if (!(pids[i] = fork())) {
      struct inventory before = inventory_now();
      tap_failed = 0;
      limit(resource, values[i]);
      int worked = live();
      struct rlimit none;
      getrlimit(resource, &none);
      none.rlim_cur = none.rlim_max;
      setrlimit(resource, &none);
      judge(worked);
      struct inventory after = inventory_now();
      if (!strcmp(mode, "process") || !worked) {
        ok(after.fds <= before.fds && after.mappings <= before.mappings,
           "limit %ld: %d descriptors, then %d", (long)values[i], before.fds,
           after.fds);
      }
      if (i >= all_work_from) ok(worked, "limit %ld works", (long)values[i]);
      if (tap_failed) printf("# with the limit %ld\n", (long)values[i]);
      fflush(stdout);
      _exit(tap_failed != 0);
    }
    if (i > 0 || count == 1) {
      int status, at = count == 1 ? 0 : i - 1;
      waitpid(pids[at], &status, 0);
      ok(status == 0, "the limit %ld: status %#x", (long)values[at],
         (unsigned)status);
    }
  }
  int status = 0;
  if (count > 1) waitpid(pids[count - 1], &status, 0);
  ok(status == 0, "the last limit: status %#x", (unsigned)status);
}

static void few_descriptors(void) {
  rlim_t values[33];
  for (int i = 0; i < 33; i++) values[i] = (rlim_t)i + 8;
  under(RLIMIT_NOFILE, values, 33, 33 - 8);
}

/* An address space that ends at any point of the start. */
static void little_address_space(void) {
  static const rlim_t mib[] = {8,  12, 14, 16, 18, 20, 22,
                               24, 26, 28, 32, 40, 60, 1000};
  enum { COUNT = sizeof mib / sizeof *mib };
  rlim_t values[COUNT];
  for (int i = 0; i < COUNT; i++) values[i] = mib[i] << 20;
  under(RLIMIT_AS, values, COUNT, COUNT - 1);
}

/* The host has most of it: a Python by itself comes up, one in it does not. */
static void used_address_space(void) {
  static const rlim_t mib[] = {1, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 1000};
  enum { COUNT = sizeof mib / sizeof *mib };
  rlim_t values[COUNT];
  long pages = 0;
  void *much = mmap(NULL, 200 << 20, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ok(much != MAP_FAILED, "the host has 200 MiB");
  FILE *file = fopen("/proc/self/statm", "re");
  ok(file && fscanf(file, "%ld", &pages) == 1, "and knows how many");
  if (file) fclose(file);
  for (int i = 0; i < COUNT; i++) {
    values[i] = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (mib[i] << 20);
  }
  under(RLIMIT_AS, values, COUNT, COUNT - 1);
}

static void small_files(void) {
  static const rlim_t values[] = {0, 1, 4096, 100000, 500000, 1 << 20};
  under(RLIMIT_FSIZE, values, 6, strcmp(mode, "process") ? 0 : 5);
}

static void no_core(void) {
  limit(RLIMIT_CORE, 0);
  sqlite3 *db = open_db();
  works(db);
  if (!strcmp(mode, "process"))
    matches(db, "SELECT python_eval('os.abort()')", "killed by SIGABRT$");
  works(db);
  close_db(db);
}

/* Limits on processes do not bind root. */
static void few_processes(void) {
  for (rlim_t most = 0; most < 5; most++) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
      struct rlimit few = {most, most};
      struct inventory before = inventory_now();
      tap_failed = 0;
      become_another_user();
      setrlimit(RLIMIT_NPROC, &few);
      int worked = live();
      judge(worked);
      ok(worked || most < 4, "%ld processes work", (long)most);
      struct inventory after = inventory_now();
      if (!strcmp(mode, "process"))
        ok(after.fds <= before.fds, "descriptors: %d, then %d", before.fds,
           after.fds);
      fflush(stdout);
      _exit(tap_failed != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    ok(status == 0, "%ld processes: status %#x", (long)most, (unsigned)status);
  }
}

/* ---- descriptors ---- */

static void open_many(int count) {
  for (int i = 0; i < count; i++) {
    if (open("/dev/null", O_RDONLY) < 0) skip("too few descriptors allowed");
  }
}

static void many_descriptors(void) {
  limit(RLIMIT_NOFILE, 4096);
  open_many(1100); /* and not closed on exec */
  sqlite3 *witness = witness_open(), *db = open_db();
  works(db);
  if (!strcmp(mode, "process")) {
    is(db, "SELECT python_eval('len(os.listdir(\"/proc/self/fd\")) < 12')",
       "1");
    matches(db, "SELECT python_eval('os.abort()')", "killed by SIGABRT$");
  }
  works(db);
  close_db(db);
  witness_close(witness);
  for (int fd = 3; fd < 2000; fd++) close(fd);
}

/* What a function could read and write behind SQLite's back. */
static void no_descriptor_of_the_host(void) {
  sqlite3 *db = NULL;
  write_file(in_folder("secret"), "secret");
  ok(open(in_folder("secret"), O_RDWR) >= 0, "a file of the host's");
  ok(sqlite3_open(in_folder("data.db"), &db) == SQLITE_OK && !load(db),
     "a file database");
  is(db, "PRAGMA journal_mode=wal", "wal");
  ask(db, "PRAGMA python_execution_mode=process");
  is(db, "CREATE TABLE t(a)", "");
  is(db, "BEGIN", "");
  is(db, "INSERT INTO t VALUES (python_eval('1'))", "");
  static const char theirs[] =
      "SELECT python_eval('\" \".join(sorted({os.readlink(p) for p in "
      "(f\"/proc/self/fd/{n}\" for n in os.listdir(\"/proc/self/fd\")) "
      "if os.path.lexists(p)}))')";
  static const char others[] =
      "SELECT python_eval('\" \".join(sorted({os.readlink(p) for p in "
      "(f\"/proc/{os.getppid()}/fd/{n}\" for n in "
      "os.listdir(f\"/proc/{os.getppid()}/fd\")) if os.path.lexists(p)}))')";
  for (int i = 0; i < 2; i++) {
    const char *got = ask(db, i ? others : theirs);
    ok(!strncmp(got, "/dev/", 5) || !strncmp(got, "/", 1) ||
           !strncmp(got, "anon", 4) || strstr(got, "memfd"),
       "they can be seen: %s", got);
    ok(!strstr(got, "secret") && !strstr(got, "data.db"),
       "none of the host's: %s", got);
  }
  is(db, "COMMIT", "");
  close_db(db);
  for (int fd = 3; fd < 100; fd++) {
    char path[64], name[400];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(path, name, sizeof name - 1);
    if (len > 0 && (name[len] = 0, strstr(name, "secret"))) close(fd);
  }
}

static void standard_descriptors_closed(void) {
  int out = fcntl(1, F_DUPFD_CLOEXEC, 10);
  for (int fd = 0; fd < 3; fd++) close(fd);
  sqlite3 *db = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  int rc = sqlite3_load_extension(db, extension, NULL, NULL);
  if (!rc)
    ask(db, !strcmp(mode, "thread") ? "PRAGMA python_execution_mode=thread"
                                    : "PRAGMA python_execution_mode=process");
  const char *got =
      rc ? "" : ask(db, "SELECT python_eval('print(1) or 6 * 7')");
  int good = !strcmp(got, "42");
  sqlite3_close(db);
  for (int fd = 0; fd < 3; fd++) dup2(out, fd);
  close(out);
  ok(good, "it works: %s", got);
}

/* ---- stacks ---- */

static void *use(void *arg) {
  (void)arg;
  sqlite3 *db = open_db();
  works(db);
  is(db, "SELECT python_define('def f(n): return n if n < 1 else f(n - 1)')",
     "f");
  is(db, "SELECT f(100)", "0");
  if (!strcmp(mode, "process"))
    matches(db, "SELECT python_eval('os.abort()')", "killed by SIGABRT$");
  works(db);
  close_db(db);
  return NULL;
}

static void in_a_thread_of(size_t size, void *(*run)(void *)) {
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init(&attr);
  ok(!pthread_attr_setstacksize(&attr, size), "a stack of %zu", size);
  ok(!pthread_create(&thread, &attr, run, NULL), "a thread");
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attr);
}

static void stack_of_1_mib(void) { in_a_thread_of(1 << 20, use); }
static void stack_of_256_kib(void) { in_a_thread_of(256 << 10, use); }

static void stack_of_64_kib(void) { in_a_thread_of(64 << 10, use); }

static void unlimited_stack(void) {
  if (!*stage) {
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_STACK, &unlimited))
      skip("the stack cannot be unlimited");
    again("unlimited", environ);
  }
  use(NULL);
}

static const struct host hosts[] = {
    {"8 to 40 descriptors", NOTHING, NOTHING, few_descriptors, 0, COLD},
    {"1100 descriptors are open", NOTHING, NOTHING, many_descriptors, 0, 0},
    {"descriptors of the host's", NOTHING, NULL, no_descriptor_of_the_host, 0,
     0},
    {"standard descriptors are closed", NOTHING, NOTHING,
     standard_descriptors_closed, 0, COLD},
    {"little address space", NOTHING, NOTHING, little_address_space, 0,
     COLD | NOT_SANITIZED},
    {"address space that the host uses", NOTHING, NOTHING, used_address_space,
     0, COLD | NOT_SANITIZED},
    {"a limit on files' sizes", NOTHING, NOTHING, small_files, 0, COLD},
    {"no core dumps", THE_STATEMENT, NOTHING, no_core, 0, 0},
    {"a limit on processes", NOTHING, NOTHING, few_processes, 0,
     COLD | NOT_SANITIZED},
    {"a stack of 1 MiB", NOTHING, NOTHING, stack_of_1_mib, 0, COLD},
    {"a stack of 256 KiB", NOTHING, NOTHING, stack_of_256_kib, 0,
     COLD | NOT_SANITIZED},
    {"a stack of 64 KiB", NOTHING, NOTHING, stack_of_64_kib, 0,
     COLD | NOT_SANITIZED},
    {"an unlimited stack", NOTHING, NOTHING, unlimited_stack, 0, COLD},
};

HOSTS_MAIN(hosts)
