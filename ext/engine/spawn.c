/* spawn.c - start a program that the host never sees: see spawn.h
**
** HOW IT WORKS. Two clone() calls that share the host's memory, as vfork()
** does: no page table is copied, however large the host is. The first child
** has no exit signal, so that neither a SIGCHLD handler nor a waitpid(-1)
** notices it; it starts the second, which execs, and ends. The second is then
** an orphan, and init's. Signals are blocked from before the first clone until
** the handlers are gone, as handlers would run on the host's memory.
**
** Between clone() and exec only system calls are made, and all by syscall():
** other threads of the host go on, and may hold any lock; and whoever stands
** before libc's functions (the thread sanitizer, a JVM's libjsig before sigaction)
** would note the child's doings in the host's memory, as the host's. So does what
** stands before clone(): gcc 12's thread sanitizer takes it for a fork, and looks at
** no lock of the host's from then on.
**
** valgrind and qemu's emulation of processes make plain forks of both calls, in
** which memory is copied: what the children write back lies in a shared mapping,
** and so do their stacks.
*/
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024 };

/* What runs in a child that shares our memory. The address sanitizer looks for a
** thread's stack before a function that does not return, and does not find it;
** the thread sanitizer counts functions that are entered and left, and these are
** never left: from then on it would lose the host's locks. */
#define IN_CHILD __attribute__((no_sanitize_address, no_sanitize_thread))

#ifdef __GLIBC__
/* clone() by the name that nobody stands before. */
int __clone(int (*run)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

/* Shared by host and both children. */
struct spawning {
  const struct spawn *spawn;
  int fds
      [SPAWN_FDS]; /* none of them 0 to 4, so that dup2 can't clobber; or -1 */
  char *stack;     /* of the second child */
  volatile pid_t pid; /* of the second child */
  volatile int error; /* errno of what failed */
};

IN_CHILD static void close_from(int first) {
  if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0) return;
  struct rlimit limit;
  int end = 65536;
  if (!syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) &&
      limit.rlim_cur < (rlim_t)end) {
    end = (int)limit.rlim_cur;
  }
  for (int fd = first; fd < end; fd++) syscall(SYS_close, fd);
}

/* The kernel's own struct sigaction, and its set of signals: all zero is
** SIG_DFL, and none blocked. */
IN_CHILD static void reset_signals(void) {
  static const char zero[64];
  enum { SET_SIZE = 8 };
  for (int number = 1; number < NSIG; number++) {
    /* fails for a few: they have none */
    syscall(SYS_rt_sigaction, number, zero, NULL, SET_SIZE);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, zero, NULL, SET_SIZE);
}

/* As _exit(). */
IN_CHILD _Noreturn static void end(int status) {
  for (;;) syscall(SYS_exit_group, status);
}

/* The second child: becomes the program. */
IN_CHILD static int become(void *arg) {
  struct spawning *spawning = arg;
  syscall(SYS_setsid);
  for (int fd = 0; fd < SPAWN_FDS; fd++) {
    if (spawning->fds[fd] < 0) {
      syscall(SYS_close, fd);
    } else if (syscall(SYS_dup3, spawning->fds[fd], fd, 0) < 0) {
      goto failed;
    }
  }
  close_from(SPAWN_FDS);
  reset_signals();
  syscall(SYS_execve, spawning->spawn->path, spawning->spawn->argv,
          spawning->spawn->envp);
failed:
  spawning->error = errno;
  end(127);
}

/* The first child: starts the second and is gone. CLONE_VFORK: it goes on once
** the second has become the program, or has failed. */
IN_CHILD static int start(void *arg) {
  struct spawning *spawning = arg;
  pid_t pid = clone(become, spawning->stack + STACK_SIZE,
                    CLONE_VM | CLONE_VFORK | SIGCHLD, spawning);
  if (pid < 0) {
    spawning->error = errno;
  } else {
    spawning->pid = pid;
  }
  end(0);
}

/* Copies of what becomes 0 to 4, out of the way of dup2. */
static int gather_fds(const struct spawn *spawn, int fds[SPAWN_FDS],
                      struct err *err) {
  for (int i = 0; i < SPAWN_FDS; i++) fds[i] = -1;
  for (int i = 0; i < SPAWN_FDS; i++) {
    int from = spawn->fds[i];
    if (from < 0 && i > 2) continue;
    int fd = from >= 0 ? from : open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return err_system(err, errno, "/dev/null");
    fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FDS);
    int failed = errno;
    if (from < 0) close(fd);
    if (fds[i] < 0) return err_system(err, failed, "descriptors");
  }
  return 0;
}

int spawn_run(const struct spawn *spawn, pid_t *pid, struct err *err) {
  char *stacks = mmap(NULL, 2 * STACK_SIZE + sizeof(struct spawning),
                      PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stacks == MAP_FAILED) return err_nomem(err);
  struct spawning *spawning = (struct spawning *)(stacks + 2 * STACK_SIZE);
  spawning->spawn = spawn;
  spawning->stack = stacks;
  int rc = gather_fds(spawn, spawning->fds, err);
  if (rc) goto done;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pid_t first =
      clone(start, stacks + 2 * STACK_SIZE,
            CLONE_VM | CLONE_VFORK /* and no exit signal */, spawning);
  int failed = errno;
  if (first > 0) {
    /* ECHILD where the host waits for everything with __WALL: it is gone. */
    while (waitpid(first, NULL, __WALL) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (first < 0) {
    rc = err_system(err, failed, "a new process");
  } else if (spawning->error) {
    rc = err_set(err, ERR_SYSTEM, "%s", strerror(spawning->error));
  } else {
    *pid = spawning->pid;
  }
done:
  for (int i = 0; i < SPAWN_FDS; i++) {
    if (spawning->fds[i] >= 0) close(spawning->fds[i]);
  }
  munmap(stacks, 2 * STACK_SIZE + sizeof *spawning);
  return rc;
}

/* 1 where `entry` ("NAME=value") sets `name`. */
static int sets(const char *entry, const char *name) {
  size_t len = strlen(name);
  return !strncmp(entry, name, len) && entry[len] == '=';
}

static int is_basic(const char *entry) {
  return sets(entry, "PATH") || sets(entry, "HOME") || sets(entry, "LANG") ||
         sets(entry, "TMPDIR") || !strncmp(entry, "LC_", 3);
}

char **spawn_environment(int inherit) {
  /* Threads of a library would not survive the fork from the template. */
  static const char *const pools[] = {
      "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1",
      "VECLIB_MAXIMUM_THREADS=1", "NUMEXPR_NUM_THREADS=1"};
  enum { POOLS = sizeof pools / sizeof *pools };
  size_t count = 0;
  while (environ && environ[count]) count++;
  char **envp = malloc((count + POOLS + 1) * sizeof *envp);
  if (!envp) return NULL;
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    if (inherit || is_basic(environ[i])) envp[used++] = environ[i];
  }
  for (int i = 0; i < POOLS; i++) {
    size_t name_len = (size_t)(strchr(pools[i], '=') - pools[i]) + 1;
    size_t at = 0;
    while (at < used && strncmp(envp[at], pools[i], name_len)) at++;
    if (at == used) envp[used++] = (char *)(uintptr_t)pools[i];
  }
  envp[used] = NULL;
  return envp;
}
