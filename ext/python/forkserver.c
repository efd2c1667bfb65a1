/* forkserver.c - the template's loop: forks workers, and sees them end
**
** Runs in the template, which Python has brought up and which has one thread.
** The other end is ext/engine/template.c; control.h says what is spoken.
**
** HOW IT WORKS. While Python brings up what is to be preloaded, which may take
** for ever, nobody looks at the socket: the kernel then sends SIGKILL as soon as
** anything happens to it, and only the host's end closing can (O_ASYNC,
** F_SETSIG). After that, one poll() over the control socket, a signalfd for SIGCHLD and
** the host's pidfd. A worker that ends is reaped, how it ended is written into
** the memory that it shared with the host, and the host woken. When the host
** is gone, so is everything here: workers get SIGKILL, those that still owed a
** farewell after their grace; and whatever happens to the template, its workers
** have PR_SET_PDEATHSIG. A worker is the leader of a process group, which goes
** with it: what a function has started does not outlive it.
*/
#include "forkserver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/control.h"
#include "../base/oom.h"
#include "../base/runtime.h"
#include "../base/shm.h"
#include "py.h"
#include "serve.h"

enum { STDERR_AFTER_START = 4 }; /* what 1 and 2 become once all is up */

struct child {
  struct child *next;
  pid_t pid;
  uint32_t seq;        /* of the CONTROL_FORK that it was forked for */
  int64_t deadline_ms; /* SIGKILL then; 0: not retired */
  int killed;          /* 1: by us */
  uint64_t oom_kills;  /* before it was forked */
  struct shm_control *control;
};

struct forkserver {
  struct child *children;
  const char *path;
  pid_t pid;
  int host;    /* pidfd of the host, -1 where the kernel has none */
  int signals; /* signalfd */
};

static struct forkserver server = {.host = -1, .signals = -1};

/* The new process becomes a worker; never returns. */
_Noreturn static void become_worker(const int fds[CONTROL_FDS]) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != server.pid) _exit(1); /* it died before the prctl */
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_NAME, "pyudf-worker");
  setpgid(0, 0);   /* what it signals as a group is not the template */
  oom_volunteer(); /* before the host, which has done nothing */
  close(CONTROL_FD);
  close(server.signals);
  if (server.host >= 0) close(server.host);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  serve_run(fds[CONTROL_FD_SHM], fds[CONTROL_FD_CRASH], server.path);
}

/* A new child for the request's two descriptors; its pid, or -errno. */
static pid_t fork_child(uint32_t seq, const int fds[CONTROL_FDS]) {
  if (fds[CONTROL_FD_SHM] < 0 || fds[CONTROL_FD_CRASH] < 0) return -EMFILE;
  struct child *child = calloc(1, sizeof *child);
  if (!child) return -ENOMEM;
  child->oom_kills = oom_kills();
  child->control = shm_control_open(fds[CONTROL_FD_SHM], NULL);
  if (!child->control) {
    free(child);
    return -ENOMEM;
  }
  /* No worker sees another's. */
  madvise(child->control, sizeof *child->control, MADV_DONTFORK);
  PyOS_BeforeFork();
  pid_t pid = fork();
  if (pid == 0) {
    PyOS_AfterFork_Child();
    become_worker(fds);
  }
  int failed = errno;
  PyOS_AfterFork_Parent();
  if (pid < 0) {
    shm_control_close(child->control);
    free(child);
    return -failed;
  }
  child->pid = pid;
  child->seq = seq;
  child->next = server.children;
  server.children = child;
  return pid;
}

/* The worker, and what it has started. */
static void kill_group(struct child *child) {
  child->killed = 1;
  kill(-child->pid, SIGKILL);
  kill(child->pid, SIGKILL); /* where it was not a leader yet */
}

/* The kernel did it, for memory, and nobody else. */
static int is_oom(const struct child *child, int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !child->killed &&
         oom_kills() > child->oom_kills;
}

static void reap(void) {
  struct child **at = &server.children;
  while (*at) {
    struct child *child = *at;
    siginfo_t info = {0};
    int status;
    /* What is left of its group goes while the number still is the group's. */
    if (!waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
        info.si_pid) {
      kill(-child->pid, SIGKILL);
    }
    if (waitpid(child->pid, &status, WNOHANG) != child->pid) {
      at = &child->next;
      continue;
    }
    shm_exit_set(child->control, status, is_oom(child, status));
    shm_control_close(child->control);
    *at = child->next;
    free(child);
  }
}

/* The one that the message is about: a host that did not wait for the reply
** knows the request only. */
static struct child *find(const struct control *message) {
  struct child *child = server.children;
  while (child && (message->pid ? child->pid != message->pid
                                : child->seq != message->seq)) {
    child = child->next;
  }
  return child;
}

/* Kills whose grace is over; the time until the next such, -1 with none. */
static int keep_deadlines(void) {
  int64_t now = clock_ms();
  int64_t next = -1;
  for (struct child *child = server.children; child; child = child->next) {
    if (!child->deadline_ms) continue;
    int64_t left = child->deadline_ms - now;
    if (left <= 0) {
      kill_group(child);
      left = CONTROL_GRACE_MS;
    }
    if (next < 0 || left < next) next = left;
  }
  return (int)next;
}

/* Of more than CONTROL_RETIRED_MAX that have been told to quit, the one that was
** told first is not waited for. */
static void bound_retired(void) {
  struct child *oldest = NULL;
  int count = 0;
  for (struct child *child = server.children; child; child = child->next) {
    if (!child->deadline_ms || child->killed) continue;
    count++;
    if (!oldest || child->deadline_ms <= oldest->deadline_ms) oldest = child;
  }
  if (count > CONTROL_RETIRED_MAX) kill_group(oldest);
}

static void drain_signals(void) {
  struct signalfd_siginfo info;
  while (read(server.signals, &info, sizeof info) > 0) continue;
}

/* The host has gone, or wants nothing more: workers that were told to quit have
** the rest of their grace, the others none. All are reaped, as whoever inherits
** them may not do so; but what cannot be killed is not waited for. */
_Noreturn static void finish(int host_died) {
  for (struct child *child = server.children; child; child = child->next) {
    if (host_died || !child->deadline_ms) kill_group(child);
  }
  int64_t until = clock_ms() + 2 * CONTROL_GRACE_MS;
  for (;;) {
    drain_signals();
    reap();
    if (!server.children || clock_ms() >= until) _exit(0);
    int ms = keep_deadlines();
    struct pollfd one = {.fd = server.signals, .events = POLLIN};
    poll(&one, 1, ms < 0 ? CONTROL_GRACE_MS : ms);
  }
}

/* One message of the host's. */
static void serve_control(void) {
  struct control message;
  int fds[CONTROL_FDS];
  int came = control_recv(CONTROL_FD, &message, fds, NULL);
  if (came == 0) finish(0);
  if (came < 0) return;
  struct child *child = find(&message);
  if (message.type == CONTROL_FORK) {
    pid_t pid = fork_child(message.seq, fds);
    struct control reply = {.type = CONTROL_FORKED,
                            .pid = pid > 0 ? pid : 0,
                            .error = pid > 0 ? 0 : -pid,
                            .seq = message.seq};
    control_send(CONTROL_FD, &reply, NULL, 0, NULL);
  } else if (message.type == CONTROL_KILL && child) {
    kill_group(child);
  } else if (message.type == CONTROL_ALARM && child) {
    kill(child->pid, CONTROL_ALARM_SIGNAL);
  } else if (message.type == CONTROL_RETIRE && child) {
    child->deadline_ms = clock_ms() + CONTROL_GRACE_MS;
    bound_retired();
  }
  for (int i = 0; i < CONTROL_FDS; i++) {
    if (fds[i] >= 0) close(fds[i]);
  }
}

/* Brings the runtime up, once for all workers. What fails is the last line of
** standard error, which the host reads. */
static void start_runtime(void) {
  struct err err = {0};
  if (!pyudf_runtime()->start("", 1, &err)) return;
  char *text = err_format(&err);
  fprintf(stderr, "%s\n", text ? text : "out of memory");
  _exit(1);
}

/* From here on an event on the control socket kills this process, or (0) does
** not. */
static int set_fuse(int on) {
  int flags = fcntl(CONTROL_FD, F_GETFL);
  return flags < 0 || fcntl(CONTROL_FD, F_SETOWN, getpid()) ||
                 fcntl(CONTROL_FD, F_SETSIG, on ? SIGKILL : 0) ||
                 fcntl(CONTROL_FD, F_SETFL,
                       on ? flags | O_ASYNC : flags & ~O_ASYNC)
             ? -1
             : 0;
}

PyObject *forkserver_prepare(PyObject *module, PyObject *none) {
  (void)module;
  (void)none;
  struct control message;
  int fds[CONTROL_FDS];
  if (control_recv(CONTROL_FD, &message, fds, NULL) <= 0) _exit(0);
  server.host = fds[0];
  if (fds[1] >= 0) close(fds[1]);
  /* Blocked before any thread is there: a signalfd gets what no thread takes. */
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  server.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  server.pid = getpid();
  if (server.signals < 0 || set_fuse(1)) {
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  struct pollfd one = {.fd = CONTROL_FD};
  if (poll(&one, 1, 0) > 0) _exit(0); /* it closed before the fuse was set */
  Py_RETURN_NONE;
}

/* All is up: what is printed from here on goes to the host's standard error. */
static int start(void) {
  struct control message = {.type = CONTROL_READY};
  start_runtime();
  prctl(PR_SET_NAME, "pyudf-template");
  if (dup2(STDERR_AFTER_START, 2) < 0 || dup2(STDERR_AFTER_START, 1) < 0) {
    return -1;
  }
  close(STDERR_AFTER_START);
  return set_fuse(0) || control_send(CONTROL_FD, &message, NULL, 0, NULL) ? -1
                                                                          : 0;
}

PyObject *forkserver_run(PyObject *module, PyObject *path) {
  (void)module;
  server.path = PyUnicode_AsUTF8AndSize(path, NULL);
  if (!server.path) return NULL;
  if (start()) return PyErr_SetFromErrno(PyExc_OSError);
  for (;;) {
    struct pollfd fds[3] = {{.fd = CONTROL_FD, .events = POLLIN},
                            {.fd = server.signals, .events = POLLIN},
                            {.fd = server.host, .events = POLLIN}};
    int n = poll(fds, 3, keep_deadlines());
    if (n < 0 && errno != EINTR) _exit(1);
    if (n <= 0) continue;
    if (fds[1].revents) {
      drain_signals();
      reap();
    }
    if (fds[2].revents) finish(1);
    if (fds[0].revents) serve_control();
  }
}
