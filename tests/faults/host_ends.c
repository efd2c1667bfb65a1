/* host_ends.c - hosts that end, in every way that a process can
**
** What outlives a host is the fault that all of these look for: a worker, its
** template, what a function has started. Most cases end without a return.
*/
#include <sys/ioctl.h>

#include "host.h"

static const char naps[] =
    "SELECT python_define('import time\ndef nap(x):\n"
    "  print(\"napping\", file=open(\"%s\", \"w\")) if x > 1 else None\n"
    "  time.sleep(0 if x == 1 else 300)\n  return x')";

/* nap(1) returns at once; any other says so in the file `napping` and never. */
static void define_nap(sqlite3 *db) {
  char sql[1024];
  snprintf(sql, sizeof sql, naps, in_folder("napping"));
  is(db, sql, "nap");
}

static void await_nap(void) {
  for (int i = 0; i < 2000 && access(in_folder("napping"), F_OK); i++) {
    pause_ms(10);
  }
  pause_ms(50);
}

static void *nap(void *db) {
  ask(db, "SELECT nap(2)");
  return NULL;
}

/* A connection whose function is running, in a thread of its own. */
static sqlite3 *open_napping(void) {
  sqlite3 *db = open_db();
  define_nap(db);
  pthread_t thread;
  pthread_create(&thread, NULL, nap, db);
  await_nap();
  ok(!access(in_folder("napping"), F_OK), "it runs");
  return db;
}

/* What a function has started goes, too; in thread mode it is the host's. */
static void killed_idle(void) {
  sqlite3 *db = open_db();
  if (!strcmp(mode, "process")) {
    is(db,
       "SELECT python_eval('subprocess.Popen([\"sleep\", \"300\"]).pid > 0')",
       "1");
  }
  works(db);
  kill(getpid(), SIGKILL);
}

static void killed_in_a_call(void) {
  open_napping();
  kill(getpid(), SIGKILL);
}

static void *use(void *db) {
  ask(db, "SELECT python_eval('1')");
  return NULL;
}

/* A module that never comes up, whose process nobody listens to. */
static void killed_in_a_preload(void) {
  char module[500];
  snprintf(module, sizeof module,
           "import os, time\nopen('%s', 'w').write(str(os.getpid()))\n"
           "time.sleep(300)\n",
           in_folder("pid"));
  write_file(in_folder("pyudf_hangs.py"), module);
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_hangs", 1);
  pthread_t thread;
  pthread_create(&thread, NULL, use, open_db());
  ok(await_number("pid"), "it preloads");
  kill(getpid(), SIGKILL);
}

/* At some moment of the start, another one in each case. */
static void killed_while_starting(void) {
  ok(1, "starting");
  for (int ms = 0; ms < 80; ms += 4) {
    pid_t child = fork();
    if (!child) {
      pthread_t thread;
      pthread_create(&thread, NULL, use, open_db());
      pause_ms(ms);
      kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
  }
}

static void exit_idle(void) {
  works(open_db());
  exit(3);
}

/* Statements that have been stepped once, in two connections. */
static void open_statements(void) {
  for (int i = 0; i < 2; i++) {
    sqlite3 *db = open_db();
    define_nap(db);
    next_is(prepare(db, "SELECT nap(1) UNION ALL SELECT nap(1)"), "1");
  }
}

static void exit_with_statements(void) {
  open_statements();
  exit(3);
}

static void underscore_exit(void) {
  open_statements();
  _exit(3);
}

static void quick(void) {
  open_statements();
  quick_exit(3);
}

static void aborts(void) {
  open_statements();
  abort();
}

static void exit_in_a_call(void) {
  open_napping();
  exit(3);
}

static void quick_exit_in_a_call(void) {
  open_napping();
  quick_exit(3);
}

static void abort_in_a_call(void) {
  open_napping();
  abort();
}

static void *exits(void *db) {
  works(db);
  exit(3);
}

static void exit_in_a_thread(void) {
  sqlite3 *db = open_db();
  open_napping();
  pthread_t thread;
  pthread_create(&thread, NULL, exits, db);
  pause();
}

/* The main thread ends, the process goes on in another. */
static void *outlive(void *db) {
  pause_ms(100);
  works(db);
  is(db, "SELECT nap(1)", "1");
  close_db(db);
  exit(3);
}

static void main_thread_ends(void) {
  sqlite3 *db = open_db();
  define_nap(db);
  is(db, "SELECT nap(1)", "1");
  pthread_t thread;
  pthread_create(&thread, NULL, outlive, db);
  pthread_exit(NULL);
}

/* As a host does whose users press Ctrl-C again and again. */
static void exit_now(int number) {
  (void)number;
  exit(3);
}

static void exit_in_a_handler(void) {
  sqlite3 *db = open_db();
  define_nap(db);
  signal(SIGALRM, exit_now);
  if (!fork()) { /* tells when the function runs */
    await_nap();
    kill(getppid(), SIGALRM);
    _exit(0);
  }
  ask(db, "SELECT nap(2)");
}

static void kill_in_a_call(int number) {
  sqlite3 *db = open_db();
  define_nap(db);
  ok(1, "running");
  if (!fork()) {
    await_nap();
    kill(getppid(), number);
    _exit(0);
  }
  ask(db, "SELECT nap(2)");
}

static void terminated(void) { kill_in_a_call(SIGTERM); }
static void hung_up(void) { kill_in_a_call(SIGHUP); }

/* ---- the sqlite3 shell on a terminal ---- */

/* A terminal with the shell in it; its pid, -1 where there is none. */
static pid_t open_shell(int *terminal) {
  const char *shell = getenv("SQLITE3");
  *terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*terminal < 0 || grantpt(*terminal) || unlockpt(*terminal)) return -1;
  const char *path = ptsname(*terminal);
  pid_t pid = fork();
  if (pid) return pid;
  setsid();
  int fd = open(path, O_RDWR);
  ioctl(fd, TIOCSCTTY, 0);
  for (int i = 0; i < 3; i++) dup2(fd, i);
  if (fd > 2) close(fd);
  setenv("PYUDF_EXECUTION_MODE", mode, 1);
  setenv("SQLITE_HISTORY", "/dev/null", 1);
  shell = shell ? shell : "sqlite3";
  execlp(shell, shell, "-init", "/dev/null", ":memory:", (char *)NULL);
  _exit(127);
}

static void say(int fd, const char *text) {
  if (write(fd, text, strlen(text)) < 0) ok(0, "the terminal takes it");
}

/* Swallows what the terminal shows, until the shell ends or `ms` are over. */
static int drain(int fd, pid_t pid, int ms, int *status) {
  for (int64_t until = now_ms() + ms; now_ms() < until;) {
    char text[4096];
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (poll(&one, 1, 10) > 0 && read(fd, text, sizeof text) < 0) pause_ms(10);
    if (waitpid(pid, status, WNOHANG) == pid) return 1;
  }
  return 0;
}

/* A function that a first Ctrl-C does not end; the shell exits in its signal
** handler at the third. */
static void ctrl_c_in_the_shell(void) {
  char text[1024];
  int terminal, status = -1;
  pid_t pid = open_shell(&terminal);
  if (pid < 0) skip("no terminal can be had");
  snprintf(text, sizeof text, ".load %s\n", extension);
  say(terminal, text);
  snprintf(text, sizeof text,
           "SELECT python_define('def deaf():\n"
           "  open(\"%s\", \"w\").write(\"1\")\n"
           "  while True:\n"
           "    try:\n      while True: pass\n"
           "    except BaseException: pass\n');\n",
           in_folder("deaf"));
  say(terminal, text);
  say(terminal, "SELECT deaf(), deaf();\n");
  int started = 0;
  for (int i = 0; i < 1000 && !started; i++) {
    drain(terminal, pid, 10, &status);
    started = !access(in_folder("deaf"), F_OK);
  }
  ok(started, "the function runs");
  int ended = 0;
  for (int i = 0; i < 3 && !ended; i++) {
    say(terminal, "\003");
    ended = drain(terminal, pid, 20, &status);
  }
  ended = ended || drain(terminal, pid, 10000, &status);
  ok(ended && status == EXITS(1), "the third Ctrl-C ends the shell: %#x",
     (unsigned)status);
  if (!ended) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  close(terminal);
}

/* And at the first, the shell goes on. */
static void one_ctrl_c_in_the_shell(void) {
  char text[1024];
  int terminal, status = -1;
  pid_t pid = open_shell(&terminal);
  if (pid < 0) skip("no terminal can be had");
  snprintf(text, sizeof text, ".load %s\n", extension);
  say(terminal, text);
  snprintf(text, sizeof text,
           "SELECT python_define('import time\nn = 0\ndef busy():\n"
           "  open(\"%s\", \"w\").write(\"1\")\n"
           "  while True: time.sleep(0.01)\n"
           "def tick():\n  global n\n  n += 1\n  return n');\n"
           "SELECT tick();\nSELECT busy();\n",
           in_folder("busy"));
  say(terminal, text);
  int started = 0;
  for (int i = 0; i < 1000 && !started; i++) {
    drain(terminal, pid, 10, &status);
    started = !access(in_folder("busy"), F_OK);
  }
  ok(started, "the function runs");
  drain(terminal, pid, 100, &status);
  say(terminal, "\003");
  drain(terminal, pid, 300, &status);
  snprintf(text, sizeof text, "SELECT writefile('%s', tick());\n.exit\n",
           in_folder("count"));
  say(terminal, text);
  int ended = drain(terminal, pid, 20000, &status);
  ok(ended && WIFEXITED(status), "the shell goes on: %#x", (unsigned)status);
  ok(await_number("count") == 2, "with what the module knows");
  close(terminal);
}

/* ---- */

/* What functions have started goes with the worker, and with the connection. */
static void function_starts_programs(void) {
  sqlite3 *db = open_db();
  static const char start[] =
      "SELECT python_eval('subprocess.Popen([\"sleep\", \"300\"]).pid')";
  long first = strtol(ask(db, start), NULL, 10);
  matches(db, "SELECT python_eval('os.abort()')", "killed by SIGABRT");
  ok(first && gone(first), "a program ends with the worker that crashed");
  long second = strtol(ask(db, start), NULL, 10);
  close_db(db);
  ok(second && gone(second), "and with the connection");
}

static const struct host hosts[] = {
    {"the host is killed while idle", THE_HOST, THE_HOST, killed_idle, SIGKILL,
     0},
    {"the host is killed in a call", THE_HOST, THE_HOST, killed_in_a_call,
     SIGKILL, 0},
    {"the host is killed while a module is preloaded", THE_HOST, THE_HOST,
     killed_in_a_preload, SIGKILL, COLD},
    {"the host is killed while Python starts", THE_HOST, THE_HOST,
     killed_while_starting, 0, COLD},
    {"exit() with a connection open", THE_HOST, THE_HOST, exit_idle, EXITS(3),
     0},
    {"exit() with statements open", THE_HOST, THE_HOST, exit_with_statements,
     EXITS(3), 0},
    {"_exit() with statements open", THE_HOST, THE_HOST, underscore_exit,
     EXITS(3), 0},
    {"quick_exit() with statements open", THE_HOST, THE_HOST, quick, EXITS(3),
     0},
    {"abort() with statements open", THE_HOST, THE_HOST, aborts, SIGABRT, 0},
    {"exit() while a function runs", THE_HOST, THE_HOST, exit_in_a_call,
     EXITS(3), 0},
    {"quick_exit() while a function runs", THE_HOST, THE_HOST,
     quick_exit_in_a_call, EXITS(3), 0},
    {"abort() while a function runs", THE_HOST, THE_HOST, abort_in_a_call,
     SIGABRT, 0},
    {"exit() in a thread while a function runs", THE_HOST, THE_HOST,
     exit_in_a_thread, EXITS(3), 0},
    {"exit() in a signal handler in a call", THE_HOST, THE_HOST,
     exit_in_a_handler, EXITS(3), 0},
    {"SIGTERM in a call", THE_HOST, THE_HOST, terminated, SIGTERM, 0},
    {"SIGHUP in a call", THE_HOST, THE_HOST, hung_up, SIGHUP, 0},
    {"the main thread ends before the host", NOTHING, NOTHING, main_thread_ends,
     EXITS(3), 0},
    {"Ctrl-C in the shell", THE_STATEMENT, THE_STATEMENT,
     one_ctrl_c_in_the_shell, 0, COLD},
    {"Ctrl-C three times in the shell", THE_HOST, THE_HOST, ctrl_c_in_the_shell,
     0, COLD},
    {"a worker that has started programs", THE_STATEMENT, NULL,
     function_starts_programs, 0, 0},
};

HOSTS_MAIN(hosts)
