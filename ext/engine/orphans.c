/* orphans.c - templates that were told to end: see orphans.h */
#include "orphans.h"

#include <string.h>
#include <sys/wait.h>

enum { LEFT_MAX = 64 };
static pid_t left[LEFT_MAX];

void orphans_reap(void) {
  for (int i = 0; i < LEFT_MAX; i++) {
    if (left[i] && waitpid(left[i], NULL, WNOHANG | __WALL) != 0) left[i] = 0;
  }
}

int orphans_is_child(pid_t pid) {
  siginfo_t info;
  return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
}

void orphans_add(pid_t pid) {
  for (int i = 0; i < LEFT_MAX; i++) {
    if (left[i]) continue;
    left[i] = pid;
    return;
  }
}

void orphans_forget(void) { memset(left, 0, sizeof left); }
