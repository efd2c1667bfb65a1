/* delay.h - how long has a process waited for a processor? */
#ifndef PYUDF_DELAY_H
#define PYUDF_DELAY_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Milliseconds, of its main thread, since it began; 0 where the kernel does not
** say (proc(5), schedstat: built with CONFIG_SCHED_INFO). */
static inline int64_t delay_ms(pid_t pid) {
  char path[64];
  unsigned long long waited_ns = 0;
  snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  if (fscanf(file, "%*u %llu", &waited_ns) != 1) waited_ns = 0;
  fclose(file);
  return (int64_t)(waited_ns / 1000000);
}

#endif
