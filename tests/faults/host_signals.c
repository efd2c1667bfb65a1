/* host_signals.c - hosts with signals of their own, and children of their own
**
** The engine takes none of the host's signals and waits for none of its
** children; and whatever the host does to them, functions work.
*/
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "host.h"

static void abort_in_call(sqlite3 *db) {
  if (!strcmp(mode, "process"))
    matches(db, "SELECT python_eval('os.abort()')",
            "^error 1: python_eval: worker [0-9]+ was killed by SIGABRT$");
}

/* A connection with all of a life: used, crashed, used again, closed. */
static void live(void) {
  sqlite3 *witness = witness_open();
  sqlite3 *db = open_db();
  works(db);
  abort_in_call(db);
  works(db);
  close_db(db);
  witness_close(witness);
}

static void sigchld_ignored(void) {
  signal(SIGCHLD, SIG_IGN);
  live();
  signal(SIGCHLD, SIG_DFL);
}

static void no_child_wait(void) {
  struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &action, NULL);
  live();
}

static volatile sig_atomic_t reaped, signalled;

static void wait_for_all(int number) {
  int before = errno;
  (void)number;
  signalled++;
  while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
  errno = before;
}

static void own_sigchld(void) {
  signal(SIGCHLD, wait_for_all);
  live();
  ok(!signalled && !reaped, "the handler saw nothing: %d, %d", (int)signalled,
     (int)reaped);
}

/* The host waits in a thread for whatever child there is. */
static void *wait_in_a_loop(void *stop) {
  while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE)) {
    if (waitpid(-1, NULL, __WALL) > 0) reaped++;
    sched_yield();
  }
  return NULL;
}

static void waits_in_a_thread(void) {
  int stop = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, wait_in_a_loop, &stop);
  for (int i = 0; i < 2; i++) live();
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
}

/* A host that inherits orphans would find ours for ever. */
static void subreaper(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 2; i++) live();
  int zombie = 1;
  for (int i = 0; i < 20 && zombie; i++) { /* the next one reaps the last */
    pause_ms(100);
    sqlite3 *db = open_db();
    works(db);
    siginfo_t info = {0};
    zombie =
        !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
    close_db(db);
  }
  ok(!zombie, "no zombie stays");
  pause_ms(300);
  while (waitpid(-1, NULL, 0) > 0) continue; /* the last template */
}

/* A container's first program: nobody else waits for its orphans, and it may
** not be killed by a signal that it does not handle. */
static void init_of_a_namespace(void) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS))
    skip("no namespace of processes can be had");
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    ok(getpid() == 1, "it is process 1");
    subreaper();
    fflush(stdout);
    _exit(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  ok(status == 0, "it ends well: %#x", (unsigned)status);
}

/* A child of that number, which ends at once; 0, or -1. */
static int child_of_number(pid_t pid) {
  struct clone_args args = {
      .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
  long got = syscall(SYS_clone3, &args, sizeof args);
  if (!got) syscall(SYS_exit_group, 7);
  siginfo_t info;
  return got == pid && !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) ? 0
                                                                           : -1;
}

/* The number is free as soon as init has waited for whoever had it. */
static int is_free(long pid) {
  for (int i = 0; i < 1000 && !kill((pid_t)pid, 0); i++) pause_ms(10);
  return kill((pid_t)pid, 0) && errno == ESRCH;
}

static void reused_number_in_namespace(void) {
  int status = -1;
  sqlite3 *db = open_db();
  long template = template_of(db);
  close_db(db);
  ok(is_free(template), "the first template has ended: %ld", template);
  if (child_of_number((pid_t) template)) skip("no number can be chosen");
  db = open_db();
  works(db);
  ok(waitpid((pid_t) template, &status, 0) == template && status == EXITS(7),
     "its number is a child's: %s, %#x", strerror(errno), (unsigned)status);
  template = template_of(db);
  kill_one(template, SIGKILL);
  ok(is_free(template), "the second template is dead: %ld", template);
  status = child_of_number((pid_t) template);
  ok(!status, "its number is a child's, too");
  close_db(db);
  db = open_db();
  works(db);
  ok(waitpid((pid_t) template, &status, 0) == template && status == EXITS(7),
     "which is waited for: %s, %#x", strerror(errno), (unsigned)status);
  close_db(db);
}

/* The host waits for a child of its own that has a dead template's number. */
static void reused_number(void) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS))
    skip("no namespace of processes can be had");
  fflush(stdout);
  pid_t init = fork();
  if (!init) {
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    pid_t pid = fork();
    if (!pid) {
      reused_number_in_namespace();
      fflush(stdout);
      _exit(0);
    }
    int status, ended = -1;
    for (pid_t one; (one = waitpid(-1, &status, 0)) > 0;) {
      if (one == pid) ended = status;
    }
    _exit(ended != 0);
  }
  int status = -1;
  waitpid(init, &status, 0);
  ok(status == 0, "it ends well: %#x", (unsigned)status);
}

static void all_blocked(void) {
  sigset_t all, now;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  live();
  pthread_sigmask(SIG_SETMASK, NULL, &now);
  ok(sigismember(&now, SIGINT) && sigismember(&now, SIGCHLD),
     "they still are blocked");
}

/* Handlers that the host has set are its own after all kinds of calls. */
static void ignore(int number) { (void)number; }

static void keeps_its_handlers(void) {
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP && number != SIGSEGV &&
        number != SIGCHLD)
      signal(number, ignore);
  }
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  live();
  int changed = 0;
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (!sigaction(number, NULL, &action) && number != SIGKILL &&
        number != SIGSTOP && number != SIGSEGV && number != SIGCHLD)
      changed += action.sa_handler != ignore;
  }
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  ok(!changed, "handlers that changed: %d", changed);
  ok(!memcmp(&before, &after, sizeof(long)), "the mask is what it was");
}

static void pipe_default(void) {
  signal(SIGPIPE, SIG_DFL);
  sqlite3 *db = open_db();
  works(db);
  if (!strcmp(mode, "process")) {
    for (int i = 0; i < 3; i++) {
      kill_one(worker_of(db), SIGKILL);
      matches(db, "SELECT python_eval('1')", "was killed by SIGKILL");
      works(db);
      kill_one(template_of(db), SIGKILL);
      pause_ms(20);
      matches(db, "SELECT python_eval('1')",
              "^error 1: .*worker [0-9]+ (died "
              "with the process that started it|was killed by SIGKILL)");
      works(db);
    }
  }
  close_db(db);
}

/* A timer of the host's interrupts every system call that can be. */
static void ticking(void) {
  struct sigaction action = {.sa_handler = ignore}; /* and no SA_RESTART */
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {{0, 100}, {0, 100}};
  setitimer(ITIMER_REAL, &timer, NULL);
  for (int i = 0; i < 4; i++) live();
  sqlite3 *db = open_db();
  is(db,
     "SELECT python_define('import time\ndef f(x): time.sleep(x); return x')",
     "f");
  is(db, "SELECT f(0.05)", "0.05");
  is(db, "SELECT length(python_eval('b\"x\" * (4 << 20)'))", "4194304");
  is(db, "SELECT python_eval('len(a0)', zeroblob(4 << 20))", "4194304");
  close_db(db);
  timer = (struct itimerval){0};
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* The signal by which a worker is told to look at its deadline. */
static void own_alarm_signal(void) {
  for (int i = 0; i < 3; i++) signal(SIGRTMAX - i, wait_for_all);
  sqlite3 *db = open_db();
  is(db,
     "SELECT python_define('import time\ndef f():\n"
     "  while True: time.sleep(0.01)')",
     "f");
  for (int i = 0; i < 3; i++) {
    works(db);
    ask(db, "PRAGMA python_timeout=200");
    matches(db, "SELECT f()",
            "^error 1: python function f: timed out after 200 ms");
    ask(db, "PRAGMA python_timeout=0");
    raise(SIGRTMAX - 1);
    works(db);
  }
  close_db(db);
  ok(signalled == 3, "the host got its own: %d", (int)signalled);
}

/* Handlers on a stack of their own, in which functions are called. */
static sqlite3 *handler_db;

static void call_in_handler(int number) {
  (void)number;
  works(handler_db);
}

static void alternate_stack(void) {
  static char memory[1 << 20];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  struct sigaction action = {.sa_handler = call_in_handler,
                             .sa_flags = SA_ONSTACK};
  sigaltstack(&stack, NULL);
  sigaction(SIGUSR1, &action, NULL);
  handler_db = open_db();
  raise(SIGUSR1);
  works(handler_db);
  raise(SIGUSR1);
  close_db(handler_db);
}

/* A thread in the template takes the signal that says how a worker ended. */
static void preload_with_thread(void) {
  write_file(in_folder("pyudf_threads.py"),
             "import threading, time\nthreading.Thread(target=time.sleep, "
             "args=(300,), daemon=True).start()\n");
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_threads", 1);
  live();
}

static const struct host hosts[] = {
    {"SIGCHLD ignored", NOTHING, NOTHING, sigchld_ignored, 0, 0},
    {"SIGCHLD with SA_NOCLDWAIT", NOTHING, NOTHING, no_child_wait, 0, 0},
    {"SIGCHLD whose handler reaps all", NOTHING, NOTHING, own_sigchld, 0, 0},
    {"a thread that reaps all", NOTHING, NOTHING, waits_in_a_thread, 0, 0},
    {"the host is a subreaper", NOTHING, NOTHING, subreaper, 0, 0},
    {"the host is process 1", NOTHING, NOTHING, init_of_a_namespace, 0, COLD},
    {"a child has a dead template's number", NOTHING, NULL, reused_number, 0,
     COLD | NOT_SANITIZED},
    {"all signals blocked", NOTHING, NOTHING, all_blocked, 0, 0},
    {"handlers for all signals", NOTHING, NOTHING, keeps_its_handlers, 0,
     NOT_SANITIZED},
    {"SIGPIPE by default when workers die", THE_STATEMENT, NOTHING,
     pipe_default, 0, 0},
    {"a timer every 100 microseconds", NOTHING, NOTHING, ticking, 0, 0},
    {"the host uses SIGRTMAX-1", NOTHING, NOTHING, own_alarm_signal, 0, 0},
    {"calls from a handler on its own stack", NOTHING, NOTHING, alternate_stack,
     0, NOT_SANITIZED},
    {"a preload that starts a thread", NOTHING, NULL, preload_with_thread, 0,
     0},
};

HOSTS_MAIN(hosts)
