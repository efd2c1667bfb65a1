/* delay.h - has a process had a processor? */
#ifndef PYUDF_DELAY_H
#define PYUDF_DELAY_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* Of a process's main thread. All 0 where the kernel does not say (proc(5),
** schedstat: built with CONFIG_SCHED_INFO). */
struct delay {
  int64_t ran_ms;    /* on a processor, since it began */
  int64_t waited_ms; /* for one, without the wait that it is in now */
  int wants;         /* 1: it runs, or waits for a processor */
};

static inline struct delay delay_get(pid_t pid) {
  struct delay delay = {0};
  unsigned long long ran_ns = 0, waited_ns = 0;
  char path[64], text[256] = "";
  snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
  FILE *file = fopen(path, "re");
  if (file && fscanf(file, "%llu %llu", &ran_ns, &waited_ns) == 2) {
    delay.ran_ms = (int64_t)(ran_ns / 1000000);
    delay.waited_ms = (int64_t)(waited_ns / 1000000);
  }
  if (file) fclose(file);
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  file = fopen(path, "re");
  if (file && fgets(text, sizeof text, file)) {
    const char *state = strrchr(text, ')'); /* behind the name */
    delay.wants = state && state[1] && state[2] == 'R';
  }
  if (file) fclose(file);
  return delay;
}

#endif
