/* template.c - the process that workers are forked from, seen from the host:
** see template.h. The other end is ext/python/forkserver.c. */
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/control.h"
#include "../base/memlog.h"
#include "forks.h"
#include "orphans.h"
#include "spawn.h"

enum {
  START_MS = 60 * 1000, /* Python and the preloads must be up by then */
  FORK_MS = 10 * 1000,
  SEND_S =
      2, /* it reads at once; with hundreds of messages unread it may not */
  SLICE_MS = 20
};

struct template {
  struct template *next;
  char *key;            /* everything that makes two templates differ */
  uint32_t refs;        /* under list_lock */
  uint32_t epoch;       /* forks_epoch() of the process that started it */
  pthread_mutex_t lock; /* one request at a time; held while it starts */
  int control;          /* -1 until started */
  int pidfd;            /* -1 until started, and where the kernel has none */
  pid_t pid;
  int child;           /* 1: the host is init, or a subreaper */
  uint32_t forks;      /* seq of the last CONTROL_FORK */
  uint32_t unanswered; /* how many were interrupted, and are still to come */
  atomic_int failed;   /* 1: died or never came up; nobody gets it any more */
};

static struct forks_lock list_lock = FORKS_LOCK_INIT;
static struct template *list;

/* In a forked child the parent's templates are not ours. */
static void list_enter(void) {
  if (forks_lock_enter(&list_lock)) {
    list = NULL;
    orphans_forget();
  }
  orphans_reap();
}

static char *key_new(const struct engine_host *host) {
  const struct engine_settings *settings = host->settings;
  struct buf key = {0};
  buf_printf(&key, "%d\n%s\n%s\n%s\n%s", settings->system_env,
             settings->executable, host->package_parent, settings->path,
             settings->preload);
  return buf_take(&key);
}

/* 1 once the other end is closed. */
static int hung_up(int control) {
  struct pollfd one = {.fd = control};
  return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR));
}

/* The template is not trusted either: what is no message of the wanted type is
** an error, and descriptors that nobody asked for are closed. */
static int receive(int control, enum control_type wanted,
                   struct control *message, struct err *err) {
  int fds[CONTROL_FDS];
  struct err why = {0};
  int came = control_recv(control, message, fds, &why);
  for (int i = 0; i < CONTROL_FDS; i++) {
    if (fds[i] >= 0) close(fds[i]);
  }
  err_clear(&why);
  if (!came && hung_up(control)) return 0;
  if (came > 0 && message->type == wanted) return 1;
  return err_set(err, ERR_CRASH, "broke the protocol");
}

/* Waits for a message of the template's, at most `ms`, looking for an interrupt
** of the host's. Returns 1, 0 where the template is gone, or -1. */
static int await(int control, enum control_type wanted, struct control *message,
                 int64_t ms, const struct engine_host *host, struct err *err) {
  int64_t until = clock_ms() + ms;
  for (;;) {
    struct pollfd one = {.fd = control, .events = POLLIN};
    int n = poll(&one, 1, SLICE_MS);
    if (n > 0) return receive(control, wanted, message, err);
    if (n < 0 && errno != EINTR) return err_system(err, errno, "poll");
    if (host->interrupted(host->arg)) {
      return err_set(err, ERR_INTERRUPT, "interrupted");
    }
    if (clock_ms() >= until) {
      return err_set(err, ERR_TIMEOUT, "did not answer in %d s",
                     (int)(ms / 1000));
    }
  }
}

/* SIGKILL, for one that is stuck or talks nonsense; its workers die with it. It
** is no child of ours, so that its number may be another process's by now:
** only a pidfd is sure. Without, it is taken for its own as long as its end of
** the socket is open. */
static void kill_template(const struct template *template, int control) {
  if (template->pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, template->pidfd, SIGKILL, NULL, 0);
  } else if (!hung_up(control)) {
    kill(template->pid, SIGKILL);
  }
}

static int spawn_python(const struct engine_host *host, int control, int log,
                        pid_t *pid, struct err *err) {
  const struct engine_settings *settings = host->settings;
  char boot[PATH_MAX];
  snprintf(boot, sizeof boot, "%s/pyudf/_boot.py", host->package_parent);
  const char *argv[] = {settings->executable, boot,
                        host->package_parent, settings->path,
                        settings->preload,    NULL};
  char **envp = spawn_environment(settings->system_env);
  if (!envp) return err_nomem(err);
  int err_fd = fcntl(STDERR_FILENO, F_GETFD) < 0 ? -1 : STDERR_FILENO;
  int null = err_fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  struct spawn spawn = {
      .path = settings->executable,
      .argv = (char *const *)(uintptr_t)argv,
      .envp = envp,
      /* 0, 1, 2: nothing, and the log until it is up; 4: what 2 then becomes */
      .fds = {-1, log, log, control, err_fd < 0 ? null : err_fd},
  };
  int rc = spawn_run(&spawn, pid, err);
  if (null >= 0) close(null);
  free(envp);
  return rc;
}

/* Tells the template who its host is, so that it sees the host end even where a
** forked child of the host's holds the socket open. */
static int greet(int control, struct err *err) {
  int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  int fds[CONTROL_FDS] = {pidfd, pidfd};
  struct control hello = {.type = CONTROL_READY, .pid = getpid()};
  int rc = control_send(control, &hello, fds, pidfd < 0 ? 0 : CONTROL_FDS, err);
  if (pidfd >= 0) close(pidfd);
  return rc;
}

static int start(struct template *template, const struct engine_host *host,
                 struct err *err) {
  int pair[2] = {-1, -1};
  int rc = -1;
  struct err why = {0};
  int log = memlog_open("pyudf-start", &why);
  if (log < 0) goto done;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
    err_system(&why, errno, "socketpair");
    goto done;
  }
  struct timeval send = {.tv_sec = SEND_S};
  setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &send, sizeof send);
  if (spawn_python(host, pair[1], log, &template->pid, &why)) goto done;
  template->child = orphans_is_child(template->pid);
  template->pidfd = (int)syscall(SYS_pidfd_open, template->pid, 0);
  close(pair[1]);
  pair[1] = -1;
  struct control message;
  if (greet(pair[0], &why))
    err_clear(&why); /* gone already: the log says why */
  if (await(pair[0], CONTROL_READY, &message, START_MS, host, &why) > 0) {
    template->control = pair[0];
    pair[0] = -1;
    rc = 0;
  } else {
    kill_template(template, pair[0]); /* it may be no Python, and stay */
  }
  if (rc && !why.code) {
    char *words = memlog_words(log);
    err_set(&why, ERR_SYSTEM, "%s", words ? words : "it ended at its start");
    free(words);
    char said[8192];
    size_t len = memlog_tail(log, said, sizeof said);
    if (len) err_set_traceback(&why, said, len);
  }
done:
  if (rc && why.code == ERR_INTERRUPT) {
    err_take(err, &why);
  } else if (rc) {
    /* What `receive` and `await` say of it. */
    int it = why.code == ERR_CRASH || why.code == ERR_TIMEOUT;
    err_set(err, ERR_SYSTEM, "python_executable %s: %s%s%s",
            host->settings->executable, it ? "it " : "",
            why.text ? why.text : "out of memory", it ? " at its start" : "");
    if (err && why.traceback) {
      err_set_traceback(err, why.traceback, strlen(why.traceback));
    }
  }
  err_clear(&why);
  for (int i = 0; i < 2; i++) {
    if (pair[i] >= 0) close(pair[i]);
  }
  if (log >= 0) close(log);
  return rc;
}

/* shutdown(): a forked child of the host's may have the socket, too. */
static void template_free(struct template *template) {
  if (template->control >= 0) {
    shutdown(template->control, SHUT_RDWR);
    close(template->control);
  }
  if (template->pidfd >= 0) {
    /* One that was stopped could not end. */
    syscall(SYS_pidfd_send_signal, template->pidfd, SIGCONT, NULL, 0);
    close(template->pidfd);
  }
  pthread_mutex_destroy(&template->lock);
  free(template->key);
  free(template);
}

/* The list's template of that key with one more reference, or a new one. Gives
** key up. */
static struct template *list_get(char *key) {
  list_enter();
  struct template *template = list;
  while (template && (template->failed || strcmp(template->key, key) != 0)) {
    template = template->next;
  }
  if (template) {
    free(key);
  } else if ((template = calloc(1, sizeof *template))) {
    template->key = key;
    template->control = -1;
    template->pidfd = -1;
    template->epoch = forks_epoch();
    pthread_mutex_init(&template->lock, NULL);
    template->next = list;
    list = template;
  } else {
    free(key);
  }
  if (template) template->refs++;
  forks_lock_leave(&list_lock);
  return template;
}

/* Others may start it, or wait for its answer; each of them for a bounded time. */
static int lock_it(struct template *template, const struct engine_host *host,
                   struct err *err) {
  for (;;) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += SLICE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (!pthread_mutex_timedlock(&template->lock, &until)) {
      return 0;
    }
    if (host->interrupted(host->arg)) {
      return err_set(err, ERR_INTERRUPT, "interrupted");
    }
  }
}

/* The listed one, or a new one: it is started, and *started is then 1. *out may
** be one that has died, or that another thread could not start. */
static int get_once(const struct engine_host *host, struct template **out,
                    int *started, struct err *err) {
  char *key = key_new(host);
  struct template *template = key ? list_get(key) : NULL;
  if (!template) return err_nomem(err);
  int rc = lock_it(template, host, err);
  if (!rc) {
    *started = template->control < 0 && !template->failed;
    if (*started) rc = start(template, host, err);
    if (rc) template->failed = 1;
    pthread_mutex_unlock(&template->lock);
  }
  if (rc) template_put(template);
  *out = rc ? NULL : template;
  return rc;
}

/* Why another's start failed is the other's to hear: it may have been
** interrupted. Ends with a start of our own at the latest: what was found dead
** is never listed again. */
int template_get(const struct engine_host *host, struct template **out,
                 struct err *err) {
  for (;;) {
    int started = 0;
    if (get_once(host, out, &started, err)) return -1;
    if (started || template_alive(*out)) return 0;
    template_put(*out);
  }
}

void template_put(struct template *template) {
  if (!template) return;
  if (template->epoch != forks_epoch()) return; /* the parent's */
  list_enter();
  int last = --template->refs == 0;
  if (last) {
    struct template **at = &list;
    while (*at != template) at = &(*at)->next;
    *at = template->next;
    if (template->child) orphans_add(template->pid);
  }
  forks_lock_leave(&list_lock);
  if (last) template_free(template);
}

void template_fail(struct template *template) {
  template->failed = 1;
  kill_template(template, template->control);
}

/* A message goes whole: there is no need of the lock, which whoever waits for a
** worker holds. Fails where the template is dead, and then so is the worker; or
** where it does not read any more. */
static void tell(struct template *template, const struct control *message) {
  if (control_send(template->control, message, NULL, 0, NULL)) {
    template_fail(template);
  }
}

/* 1 and the reply to `request`. Replies to earlier ones, which were interrupted,
** come first. */
static int await_forked(struct template *template,
                        const struct engine_host *host,
                        const struct control *request, struct control *reply,
                        struct err *err) {
  for (;;) {
    int came =
        await(template->control, CONTROL_FORKED, reply, FORK_MS, host, err);
    if (came < 0 && err->code == ERR_INTERRUPT) {
      struct control unwanted = {.type = CONTROL_KILL, .seq = request->seq};
      template->unanswered++;
      tell(template, &unwanted);
    }
    if (came <= 0 || reply->seq == request->seq) return came;
    if (!template->unanswered)
      return err_set(err, ERR_CRASH, "broke the protocol");
    template->unanswered--;
  }
}

/* The same under the lock, and nothing but a worker or an error number comes of
** it. */
static int ask_fork(struct template *template, const struct engine_host *host,
                    const int fds[CONTROL_FDS], struct control *reply,
                    struct err *err) {
  struct control request = {.type = CONTROL_FORK, .seq = ++template->forks};
  if (control_send(template->control, &request, fds, CONTROL_FDS, NULL)) {
    return 0;
  }
  int came = await_forked(template, host, &request, reply, err);
  if (came > 0 && reply->pid <= 0 && (reply->pid || reply->error <= 0)) {
    return err_set(err, ERR_CRASH, "broke the protocol");
  }
  return came;
}

int template_fork(struct template *template, const struct engine_host *host,
                  int shm_fd, int crash_fd, pid_t *pid, struct err *err) {
  int fds[CONTROL_FDS];
  fds[CONTROL_FD_SHM] = shm_fd;
  fds[CONTROL_FD_CRASH] = crash_fd;
  struct control reply = {0};
  struct err why = {0};
  if (lock_it(template, host, err)) return -1;
  int came = ask_fork(template, host, fds, &reply, &why);
  if (came <= 0 && why.code != ERR_INTERRUPT) {
    template->failed = 1;
    kill_template(template, template->control);
  }
  pthread_mutex_unlock(&template->lock);
  if (came > 0 && reply.pid) {
    *pid = reply.pid;
    return 0;
  }
  if (came > 0) {
    err_system(err, reply.error, "starting a worker");
  } else if (why.code == ERR_INTERRUPT) {
    err_take(err, &why);
  } else {
    err_set(err, ERR_CRASH, "the process that starts workers %s",
            why.text ? why.text : "died");
  }
  err_clear(&why);
  return -1;
}

void template_kill(struct template *template, pid_t pid) {
  tell(template, &(struct control){.type = CONTROL_KILL, .pid = pid});
}

void template_alarm(struct template *template, pid_t pid) {
  tell(template, &(struct control){.type = CONTROL_ALARM, .pid = pid});
}

void template_retire(struct template *template, pid_t pid) {
  tell(template, &(struct control){.type = CONTROL_RETIRE, .pid = pid});
}

struct delay template_delay(const struct template *template) {
  return delay_get(template->pid);
}

int template_alive(struct template *template) {
  if (template->epoch != forks_epoch()) return 0; /* the parent's */
  /* Its end of the socket may be open in a process that it started. */
  struct pollfd fds[] = {{.fd = template->control},
                         {.fd = template->pidfd, .events = POLLIN}};
  if (poll(fds, 2, 0) > 0) template->failed = 1;
  return !template->failed;
}
