/* monitor.c - the parent of the soak test's host: see soak.h
**
** Prints all stacks (by gdb, where it is installed) and what each actor was
** about, should one of them not get on.
*/
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"
#include "soak.h"

/* A statement takes seconds at most; under a sanitizer, on a busy machine, some
** more. The host's end takes no statements. */
enum { STUCK_MS = 60000, END_MS = 400000, KILL_EVERY_MS = 700, PIDS_MAX = 512 };

/* 1 where it is a Python with the package: a template or a worker. */
static int is_ours(pid_t pid) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  for (size_t i = 0; i < len; i++) {
    if (!text[i]) text[i] = ' ';
  }
  text[len] = 0;
  return strstr(text, "pyudf") != NULL;
}

/* A worker mostly; now and then the template of many. */
static void kill_one(pid_t host, struct actor *actor) {
  pid_t pids[PIDS_MAX];
  int count = census_below(getpid(), host, pids, PIDS_MAX);
  if (!count) return;
  pid_t pid = pids[roll(actor, (uint64_t)count)];
  if (board->quiet || !is_ours(pid)) return;
  board->kills++;
  board->killed_ms = now_ms();
  kill(pid, SIGKILL);
}

/* The actor that is stuck, or -1. */
static int stuck(void) {
  long long now = now_ms();
  for (int i = 0; i < ACTORS_MAX; i++) {
    long long at = board->alive_ms[i];
    if (at && now - at > STUCK_MS) return i;
  }
  return -1;
}

static void tell(pid_t host) {
  long long now = now_ms();
  for (int i = 0; i < ACTORS_MAX; i++) {
    if (!board->alive_ms[i]) continue;
    printf("# actor %d, since %lld ms: %s\n", i, now - board->alive_ms[i],
           board->what[i]);
  }
  fflush(stdout);
  char pid[16];
  snprintf(pid, sizeof pid, "%d", (int)host);
  pid_t gdb = fork();
  if (!gdb) {
    unsetenv("LD_PRELOAD");
    execlp("gdb", "gdb", "-p", pid, "-batch", "-ex", "thread apply all bt",
           (char *)NULL);
    _exit(127);
  }
  waitpid(gdb, NULL, 0);
}

/* Reaps everybody; 1 and the status once the host is among them. */
static int reap(pid_t host, int *status) {
  int one;
  for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
    if (pid != host) continue;
    *status = one;
    return 1;
  }
  return 0;
}

int monitor(pid_t host) {
  struct actor actor = {.random = options.seed};
  const struct timespec pause = {.tv_nsec = 20000000};
  int status = 0;
  long long began = now_ms(), next_kill = began + KILL_EVERY_MS;
  while (!reap(host, &status)) {
    long long now = now_ms();
    int who = stuck();
    if (who >= 0 || now - began > options.seconds * 1000LL + END_MS) {
      if (who >= 0) {
        ok(0, "nobody is stuck: actor %d is", who);
      } else {
        ok(0, "the host ends in time");
      }
      tell(host);
      kill(host, SIGKILL);
      waitpid(host, &status, 0);
      break;
    }
    if (now >= next_kill) {
      if (options.modes & 1) kill_one(host, &actor);
      next_kill =
          now + KILL_EVERY_MS / 2 + (long long)roll(&actor, KILL_EVERY_MS);
    }
    nanosleep(&pause, NULL);
  }
  tap_count += board->tap_count;
  tap_failed += board->tap_failed;
  ok(WIFEXITED(status) && !WEXITSTATUS(status),
     "the host ended by itself (status %d)", status);
  return tap_done();
}
