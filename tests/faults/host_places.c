/* host_places.c - hosts in strange places: kernels that refuse, other users, no
** environment, no directory
**
** Where it can work it does; else the error says what is refused.
*/
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "host.h"

static void live(void) {
  sqlite3 *witness = witness_open(), *db = open_db();
  works(db);
  if (!strcmp(mode, "process"))
    matches(db, "SELECT python_eval('os.abort()')", "killed by SIGABRT$");
  works(db);
  close_db(db);
  witness_close(witness);
}

/* ---- what the kernel refuses ---- */

/* From here on, the system call `number` fails with `error`, where the bits of
** `mask` in its first argument are `wanted`. */
static void refuse(int number, int error, unsigned mask, unsigned wanted) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               offsetof(struct seccomp_data, args[0])),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
    skip("the kernel has no seccomp filters");
}

/* The error of the first call, and that the connection closes. */
static void says(const char *pattern) {
  sqlite3 *db = open_db();
  matches(db, "SELECT python_eval('1')", pattern);
  matches(db, "SELECT python_eval('1')", pattern);
  close_db(db);
}

static void no_memfd(int error, const char *text) {
  refuse(SYS_memfd_create, error, 0, 0);
  if (!strcmp(mode, "thread")) {
    live();
  } else {
    char pattern[100];
    snprintf(pattern, sizeof pattern, "shared memory: .*%s$", text);
    says(pattern);
  }
}

static void memfd_not_permitted(void) {
  no_memfd(EPERM, "Operation not permitted");
}

static void memfd_not_there(void) {
  no_memfd(ENOSYS, "Function not implemented");
}

static void no_clone(void) {
  refuse(SYS_clone, EPERM, 0, 0);
  says("python_executable .*: a new process: Operation not permitted$");
}

/* With the host's memory: that is how a template starts. Python's own fork has
** none of these bits. */
static void no_fork(void) {
  refuse(SYS_clone, EAGAIN, CLONE_VM, 0);
  refuse(SYS_clone3, ENOSYS, 0, 0);
  says("starting a worker: Resource temporarily unavailable$");
}

static void no_exec(void) {
  refuse(SYS_execve, EPERM, 0, 0);
  says("python_executable .*: Operation not permitted$");
}

static void no_pidfd(void) {
  refuse(SYS_pidfd_open, ENOSYS, 0, 0);
  live();
}

static void no_close_range(void) {
  refuse(SYS_close_range, ENOSYS, 0, 0);
  live();
}

/* ---- other mounts ---- */

static void private_mounts(void) {
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
    skip("no namespace of mounts can be had");
}

static void tiny_dev_shm(void) {
  private_mounts();
  if (mount("none", "/dev/shm", "tmpfs", 0, "size=1m"))
    skip("/dev/shm cannot be mounted");
  live();
  int fd = open("/dev/shm/full", O_WRONLY | O_CREAT, 0600);
  static const char some[65536];
  while (write(fd, some, sizeof some) > 0) continue;
  ok(errno == ENOSPC, "it is full");
  close(fd);
  live();
}

static void no_dev_shm(void) {
  private_mounts();
  if (mount("/proc", "/dev/shm", NULL, MS_BIND, NULL))
    skip("/dev/shm cannot be taken away");
  ok(open("/dev/shm/pyudf", O_WRONLY | O_CREAT, 0600) < 0, "it is of no use");
  live();
}

static void no_dev(void) {
  private_mounts();
  if (mount("none", "/dev", "tmpfs", MS_RDONLY, "size=4k"))
    skip("/dev cannot be covered");
  says("python_executable .*: /dev/null: No such file or directory$");
}

static void no_proc(void) {
  private_mounts();
  if (mount("none", "/proc", "tmpfs", MS_RDONLY, "size=4k"))
    skip("/proc cannot be covered");
  live();
  umount2("/proc", MNT_DETACH);
}

static void read_only_root(void) {
  private_mounts();
  if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
    skip("the root cannot be made read-only");
  ok(open("/pyudf-writes", O_WRONLY | O_CREAT, 0600) < 0, "nothing is written");
  live();
}

/* ---- other users, other environments ---- */

static void another_user(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    become_another_user();
    setenv("HOME", "/nonexistent", 1);
    live();
    fflush(stdout);
    _exit(tap_failed != 0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  ok(status == 0, "it ends well: %#x", (unsigned)status);
}

static void no_home(void) {
  unsetenv("HOME");
  setenv("TMPDIR", "/nonexistent", 1);
  live();
}

static void no_directory(void) {
  char *place = in_folder("gone");
  ok(!mkdir(place, 0755) && !chdir(place) && !rmdir(place),
     "the working directory is no more");
  live();
  ok(!chdir("/"), "back");
}

/* Without anything: what is built in finds Python. */
static void no_environment(void) {
  char *empty[] = {NULL};
  char *python[] = {NULL, NULL};
  const char *path = getenv("PYUDF_PYTHON");
  if (!*stage) {
    static char entry[4200];
    snprintf(entry, sizeof entry, "PYUDF_PYTHON=%s", path ? path : "");
    python[0] = entry;
    again("empty", path ? python : empty);
  }
  unsetenv("PYUDF_PYTHON");
  live();
}

static void environ_is_null(void) {
  char **before = environ;
  char *path = getenv("PYUDF_PYTHON");
  path = path ? strdup(path) : NULL;
  environ = NULL;
  live();
  environ = before;
  free(path);
}

static void no_path(void) {
  unsetenv("PATH");
  live();
}

static void wrong_python_home(void) {
  setenv("PYTHONHOME", "/nonexistent", 1);
  says(
      "^error 1: python_eval: python_executable .*Fatal Python error: .*"
      "\\(PYTHONHOME is /nonexistent\\)$");
  unsetenv("PYTHONHOME");
  live();
}

static void wrong_python_path(void) {
  setenv("PYTHONPATH", "/nonexistent:/dev/null:\n", 1);
  live();
}

static void wrong_python_utf8(void) {
  setenv("PYTHONUTF8", "nonsense", 1);
  says("Fatal Python error: .*PYTHONUTF8");
  unsetenv("PYTHONUTF8");
  live();
}

/* ---- locales ---- */

/* A Turkish one, where the system has it or its sources: i is not I's small
** letter there, and 1.5 is 1,5. */
static const char *turkish(void) {
  static char path[400];
  if (setlocale(LC_ALL, "tr_TR.UTF-8")) return "tr_TR.UTF-8";
  snprintf(path, sizeof path,
           "localedef -i tr_TR -f UTF-8 '%s' >/dev/null 2>&1",
           in_folder("tr_TR.UTF-8"));
  if (system(path)) skip("there is no tr_TR.UTF-8");
  setenv("LOCPATH", folder, 1);
  return setlocale(LC_ALL, "tr_TR.UTF-8") ? "tr_TR.UTF-8" : NULL;
}

static void turkish_locale(void) {
  const char *locale = turkish();
  if (!locale) skip("tr_TR.UTF-8 cannot be used");
  setenv("LC_ALL", locale, 1);
  sqlite3 *db = open_db();
  ask(db, !strcmp(mode, "thread") ? "PRAGMA PYTHON_EXECUTION_MODE=THREAD"
                                  : "PRAGMA PYTHON_EXECUTION_MODE=PROCESS");
  is(db, "SELECT python_eval('1.5')", "1.5");
  is(db, "SELECT python_define('FILIP', 'lambda x: x + 1.25')", "FILIP");
  is(db, "SELECT filip(1.5) || FILIP(0.25)", "2.751.5");
  is(db, "SELECT * FROM pragma_PYTHON_TIMEOUT", "0");
  close_db(db);
  live();
  ok(!strcmp(setlocale(LC_ALL, NULL), locale), "the locale is what it was");
  setlocale(LC_ALL, "C");
}

static void a_locale_of_the_host(void) {
  if (!setlocale(LC_ALL, "C.UTF-8")) skip("there is no C.UTF-8");
  live();
  ok(!strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") ||
         !strcmp(setlocale(LC_ALL, NULL), "C.utf8"),
     "the locale is what it was");
}

static const struct host hosts[] = {
    {"memfd_create is not permitted", "the statement: no shared memory",
     NOTHING, memfd_not_permitted, 0, COLD | NOT_SANITIZED},
    {"memfd_create is not there", "the statement: no shared memory", NOTHING,
     memfd_not_there, 0, COLD | NOT_SANITIZED},
    {"clone is refused", "the statement: no template",
     "the statement: no Python to ask", no_clone, 0, COLD | NOT_SANITIZED},
    {"fork is refused", "the statement: no worker", NULL, no_fork, 0,
     COLD | NOT_SANITIZED},
    {"execve is refused", "the statement: no template",
     "the statement: no Python to ask", no_exec, 0, COLD | NOT_SANITIZED},
    {"pidfd_open is not there", NOTHING, NOTHING, no_pidfd, 0,
     COLD | NOT_SANITIZED},
    {"close_range is not there", NOTHING, NOTHING, no_close_range, 0,
     COLD | NOT_SANITIZED},
    {"/dev/shm of 1 MiB, and full", NOTHING, NOTHING, tiny_dev_shm, 0, 0},
    {"no /dev/shm", NOTHING, NOTHING, no_dev_shm, 0, COLD},
    {"no /dev", "the statement: no /dev/null", "the statement: no /dev/null",
     no_dev, 0, COLD},
    {"no /proc", NOTHING, NOTHING, no_proc, 0, COLD | NOT_SANITIZED},
    {"a read-only root", NOTHING, NOTHING, read_only_root, 0, COLD},
    {"another user", NOTHING, NOTHING, another_user, 0, COLD},
    {"no HOME, TMPDIR nonsense", NOTHING, NOTHING, no_home, 0, COLD},
    {"the working directory is deleted", NOTHING, NOTHING, no_directory, 0,
     COLD},
    {"an empty environment", NOTHING, NOTHING, no_environment, 0,
     COLD | NOT_SANITIZED},
    {"no environment", NOTHING, NOTHING, environ_is_null, 0,
     COLD | NOT_SANITIZED},
    {"no PATH", NOTHING, NOTHING, no_path, 0, COLD},
    {"PYTHONHOME is nonsense", "the statement: no Python",
     "the statement: no Python", wrong_python_home, 0, COLD},
    {"PYTHONPATH is nonsense", NOTHING, NOTHING, wrong_python_path, 0, COLD},
    {"PYTHONUTF8 is nonsense", "the statement: no Python",
     "the statement: no Python", wrong_python_utf8, 0, COLD},
    {"a Turkish locale", NOTHING, NOTHING, turkish_locale, 0, COLD},
    {"a locale of the host's", NOTHING, NOTHING, a_locale_of_the_host, 0, COLD},
};

HOSTS_MAIN(hosts)
