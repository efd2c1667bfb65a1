/* host.h - a host in a process of its own, for the fault tests
**
** Each case is a function that runs as a host in a fresh process, once in each
** mode that it has a loss for. What it says with ok(), is() and their like are
** its checks; the case is one line of TAP, `MODE | FAULT | LOST`, and passes
** where all checks held, the host ended as the case says, and nothing of it is
** left. The runner is a subreaper: what a host leaves behind becomes its child,
** so that it knows of every process.
**
** Usage: PROGRAM [FAULT [MODE]], both parts of a text.
*/
#ifndef PYUDF_TESTS_HOST_H
#define PYUDF_TESTS_HOST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../session.h"

enum {
  COLD = 1,         /* Python is not up yet in thread mode */
  NOT_SANITIZED = 2 /* a sanitizer needs what the case takes away */
};

struct host {
  const char *fault;
  const char *process, *thread; /* what is lost; NULL: not in this mode */
  void (*run)(void);
  int status; /* how the host ends, as waitpid gives it */
  int flags;
};

#define EXITS(code) ((code) << 8)
#define NOTHING "nothing"
#define THE_HOST "nothing but the host"
#define THE_STATEMENT "the statement"

static char folder[] = "/tmp/pyudf-hosts.XXXXXX"; /* the case may write there */
static const struct host *self;                   /* in a host: its case */

/* ---- for the hosts ---- */

#define matches(db, sql, pattern) matches_at(__LINE__, db, sql, pattern)

/* The answer, as a regular expression finds it: POSIX, extended. */
static inline void matches_at(int line, sqlite3 *db, const char *sql,
                              const char *pattern) {
  const char *got = ask(db, sql);
  regex_t regex;
  int good = !regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
  if (good) {
    good = !regexec(&regex, got, 0, NULL, 0);
    regfree(&regex);
  }
  if (!ok(good, "line %d: %.*s", line, shown(sql), sql)) {
    printf("# expected /%s/\n#      got %s\n", pattern, got);
  }
}

#define works(db) is(db, "SELECT python_eval('6 * 7')", "42")

/* A case that cannot be had here; does not return. */
_Noreturn static inline void skip(const char *why) {
  printf("skip %s\n", why);
  fflush(stdout);
  _exit(0);
}

/* In a process of its own; one that can use the build, and a Python. */
static inline void become_another_user(void) {
  uid_t user = 65432 + (uid_t)(getpid() % 1000);
  const char *pythons[] = {getenv("PYUDF_PYTHON"), "/usr/bin/python3"};
  char command[4200];
  if (geteuid()) skip("only root becomes another user");
  if (setresgid(user, user, user) || setresuid(user, user, user))
    skip("another user cannot be had");
  snprintf(command, sizeof command, "%s.so", extension);
  if (access(command, R_OK)) skip("another user cannot read the build");
  for (int i = 0; i < 2; i++) {
    if (!pythons[i] || access(pythons[i], X_OK)) continue;
    snprintf(command, sizeof command,
             "'%s' -c 'import sys; sys.exit(sys.version_info < (3, 11))'",
             pythons[i]);
    if (system(command)) continue;
    setenv("PYUDF_PYTHON", pythons[i], 1);
    return;
  }
  skip("another user has no Python");
}

static const char counter[] =
    "SELECT python_define('n = [0]\ndef tick(): n[0] += 1; return n[0]')";

/* A connection beside the one that has the fault, and its state in Python. */
static inline sqlite3 *witness_open(void) {
  sqlite3 *db = open_db();
  is(db, counter, "tick");
  is(db, "SELECT tick()", "1");
  return db;
}

static inline void witness_close(sqlite3 *db) {
  is(db, "SELECT tick()", "2");
  close_db(db);
}

static inline long worker_of(sqlite3 *db) {
  return strtol(ask(db, "SELECT python_eval('os.getpid()')"), NULL, 10);
}

static inline long template_of(sqlite3 *db) {
  return strtol(ask(db, "SELECT python_eval('os.getppid()')"), NULL, 10);
}

/* Not the whole process group, where the pid is not known. */
static inline void kill_one(long pid, int number) {
  if (!ok(pid > 1, "a process to signal: %ld", pid)) return;
  kill((pid_t)pid, number);
}

static inline void pause_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) && errno == EINTR) continue;
}

static inline void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  ssize_t len = write(fd, text, strlen(text));
  if (len < 0 || close(fd)) printf("# %s: %s\n", path, strerror(errno));
}

/* A path in the folder; valid until the next call but three. */
static inline char *in_folder(const char *name) {
  static char paths[4][300];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* What the file of that name in the folder says, once it says something. */
static inline long await_number(const char *name) {
  for (int i = 0; i < 2000; i++) {
    FILE *file = fopen(in_folder(name), "re");
    long number = 0;
    int got = file ? fscanf(file, "%ld", &number) : 0;
    if (file) fclose(file);
    if (got == 1) return number;
    pause_ms(10);
  }
  return 0;
}

/* 1 once there is no such process, or it is dead and for another to reap. */
static inline int gone(long pid) {
  for (int i = 0; pid > 0 && i < 500; i++) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) return 1;
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[len] = 0;
    char *state = strrchr(line, ')');
    if (state && state[2] == 'Z') return 1;
    pause_ms(10);
  }
  return 0;
}

/* Starts the same case again as a new program, in a stage of another name: for
** what a process has from its start. */
_Noreturn static inline void again(const char *next, char *const *envp) {
  char *argv[] = {(char *)(uintptr_t) "host",     (char *)(uintptr_t) "--host",
                  (char *)(uintptr_t)self->fault, (char *)(uintptr_t)mode,
                  (char *)(uintptr_t)extension,   folder,
                  (char *)(uintptr_t)next,        NULL};
  fflush(stdout);
  execve("/proc/self/exe", argv, envp);
  printf("not ok 0 - exec: %s\n", strerror(errno));
  _exit(1);
}

static const char *stage = ""; /* what again() was given */

/* The leak sanitizer asks this where a program has it: hosts that end in the
** middle of a call leave what an interpreter holds in its registers and frames. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }

/* ---- what a host has ---- */

struct inventory {
  int fds, threads, mappings, children;
};

static inline int entries(const char *path) {
  int count = 0;
  DIR *dir = opendir(path);
  while (dir && readdir(dir)) count++;
  if (dir) closedir(dir);
  return count;
}

static inline struct inventory inventory_now(void) {
  struct inventory now = {.fds = entries("/proc/self/fd"),
                          .threads = entries("/proc/self/task")};
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "re");
  while (maps && fgets(line, sizeof line, maps)) {
    now.mappings += strstr(line, "memfd:pyudf") != NULL;
  }
  if (maps) fclose(maps);
  siginfo_t info = {0};
  now.children = !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
  return now;
}

/* Threads may take a moment to end. */
static inline void inventory_is(struct inventory before) {
  struct inventory now = inventory_now();
  for (int i = 0; i < 300 && now.threads > before.threads; i++) {
    pause_ms(10);
    now = inventory_now();
  }
  if (!ok(now.fds <= before.fds && now.threads <= before.threads &&
              now.mappings <= before.mappings &&
              now.children <= before.children,
          "nothing stays in the host")) {
    printf("# descriptors %d, threads %d, mappings %d, children %d\n",
           before.fds, before.threads, before.mappings, before.children);
    printf("#        then %d,         %d,          %d,          %d\n", now.fds,
           now.threads, now.mappings, now.children);
  }
}

/* ---- the runner ---- */

enum { LIMIT_MS = 100 * 1000, LEFT_MS = 8000 };

struct outcome {
  int checks, failed, status;
  char why[200]; /* of a skip */
};

static inline int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void take_line(char *line, struct outcome *outcome) {
  if (!strncmp(line, "ok ", 3)) {
    outcome->checks++;
  } else if (!strncmp(line, "skip ", 5)) {
    snprintf(outcome->why, sizeof outcome->why, "%.150s", line + 5);
  } else if (*line) {
    if (!strncmp(line, "not ok ", 7)) outcome->failed++;
    printf("%s%s\n", *line == '#' ? "" : "# ", line);
  }
}

/* All whole lines in text. */
static inline void take_lines(char *text, size_t *len,
                              struct outcome *outcome) {
  char *end;
  text[*len] = 0;
  while ((end = strchr(text, '\n'))) {
    *end = 0;
    take_line(text, outcome);
    *len -= (size_t)(end + 1 - text);
    memmove(text, end + 1, *len + 1);
  }
}

/* Reads what the host says until it has ended; reaps its orphans meanwhile. */
static inline void follow(pid_t host, int fd, struct outcome *outcome) {
  static char text[16384];
  size_t len = 0;
  int64_t until = now_ms() + LIMIT_MS;
  int ended = 0;
  for (;;) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int n = poll(&one, 1, ended ? 0 : 20);
    if (n > 0) {
      if (len >= sizeof text - 1) len = 0;
      ssize_t some = read(fd, text + len, sizeof text - 1 - len);
      if (some > 0) {
        len += (size_t)some;
        take_lines(text, &len, outcome);
        continue;
      }
      if (!ended) pause_ms(5);
    }
    if (ended) return;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != host) continue;
      outcome->status = status;
      ended = 1;
    }
    if (!ended && now_ms() >= until) {
      printf("# it hangs\n");
      kill(host, SIGKILL);
      until += LIMIT_MS;
    }
  }
}

static inline void kill_children(void) {
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    char path[300];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "re");
    if (!file) continue;
    if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1 &&
        parent == getpid()) {
      kill(atoi(entry->d_name), SIGKILL);
    }
    fclose(file);
  }
  if (proc) closedir(proc);
}

/* What the host has left behind is the runner's child by now. */
static inline int nothing_left(void) {
  int64_t until = now_ms() + LEFT_MS;
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid < 0 && errno == ECHILD) return 1;
    if (!pid && now_ms() >= until) break;
    if (!pid) pause_ms(5);
  }
  FILE *list =
      popen("ps -o pid,ppid,stat,comm,args --ppid $PPID | grep -v ps", "re");
  char line[300];
  while (list && fgets(line, sizeof line, list)) printf("# left: %s", line);
  if (list) pclose(list);
  while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
    kill_children(); /* and what becomes one by that */
    pause_ms(5);
  }
  return 0;
}

/* In the new process: the case, and what it has changed in the host. */
_Noreturn static inline void be_host(const struct host *host) {
  self = host;
  tap_failed = 0;
  struct inventory before = {0};
  int checked = !*stage && !host->status;
  if (!(host->flags & COLD) && !*stage) {
    sqlite3 *db = open_db();
    works(db);
    close_db(db);
  }
  if (checked) before = inventory_now();
  host->run();
  if (checked && (!(host->flags & COLD) || !strcmp(mode, "process")))
    inventory_is(before);
  fflush(stdout);
  _exit(0);
}

static inline void empty_folder(void) {
  char command[400];
  snprintf(command, sizeof command, "chmod -R u+rwX '%s'; rm -rf '%s'/*",
           folder, folder);
  if (system(command)) printf("# %s failed\n", command);
}

static inline void run_host(const struct host *host, const char *lost) {
  struct outcome outcome = {0};
  int ends[2];
  fflush(stdout);
  if (pipe2(ends, O_CLOEXEC)) exit(1);
  pid_t pid = fork();
  if (!pid) {
    dup2(ends[1], 1);
    be_host(host);
  }
  close(ends[1]);
  follow(pid, ends[0], &outcome);
  close(ends[0]);
  int left = !nothing_left();
  empty_folder();
  if (*outcome.why) {
    printf("ok %d - %s | %s | %s # SKIP %s\n", ++tap_count, mode, host->fault,
           lost, outcome.why);
    return;
  }
  if (left) printf("# processes of it were left\n");
  if (outcome.status != host->status)
    printf("# it ended with status %#x, expected %#x\n",
           (unsigned)outcome.status, (unsigned)host->status);
  if (!outcome.checks) printf("# it checked nothing\n");
  ok(!left && outcome.checks && !outcome.failed &&
         outcome.status == host->status,
     "%s | %s | %s", mode, host->fault, lost);
}

/* argv of again(). */
static inline void become_host(char **argv, const struct host *hosts,
                               size_t count) {
  mode = argv[3];
  extension = argv[4];
  snprintf(folder, sizeof folder, "%s", argv[5]);
  stage = argv[6];
  for (size_t i = 0; i < count; i++) {
    if (!strcmp(hosts[i].fault, argv[2])) be_host(&hosts[i]);
  }
}

static inline int hosts_main(int argc, char **argv, const struct host *hosts,
                             size_t count) {
  static const char *const modes[] = {"process", "thread"};
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  extension = path;
  if (argc == 7 && !strcmp(argv[1], "--host")) become_host(argv, hosts, count);
  if (too_slow_here()) return 0;
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (!mkdtemp(folder) || prctl(PR_SET_CHILD_SUBREAPER, 1)) return 1;
  chmod(folder, 0755);
  for (size_t i = 0; i < count; i++) {
    if (argc > 1 && !strstr(hosts[i].fault, argv[1])) continue;
    for (int k = 0; k < 2; k++) {
      const char *lost = k ? hosts[i].thread : hosts[i].process;
      mode = modes[k];
      if (!lost || (argc > 2 && !strstr(mode, argv[2]))) continue;
      if (sanitizer && *sanitizer && (hosts[i].flags & NOT_SANITIZED)) {
        printf("ok %d - %s | %s | %s # SKIP not with a sanitizer\n",
               ++tap_count, mode, hosts[i].fault, lost);
      } else {
        run_host(&hosts[i], lost);
      }
    }
  }
  rmdir(folder);
  return tap_done();
}

#define HOSTS_MAIN(hosts)                                               \
  int main(int argc, char **argv) {                                     \
    return hosts_main(argc, argv, hosts, sizeof hosts / sizeof *hosts); \
  }

#endif
