/* census.c - what a process has: see soak.h */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

enum { PROCESSES_MAX = 4096 };

/* Entries of a directory whose names have `part` in them. */
static int entries(const char *path, const char *part) {
  DIR *directory = opendir(path);
  int count = 0;
  if (!directory) return -1;
  for (struct dirent *entry; (entry = readdir(directory));) {
    count += entry->d_name[0] != '.' && strstr(entry->d_name, part) != NULL;
  }
  closedir(directory);
  return count;
}

static int mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4200];
  int count = 0;
  while (maps && fgets(line, sizeof line, maps)) {
    count += strstr(line, "memfd:") != NULL;
  }
  if (maps) fclose(maps);
  return count;
}

void census_take(struct census *census) {
  census->descriptors = entries("/proc/self/fd", "");
  census->threads = entries("/proc/self/task", "");
  census->mappings = mappings();
  census->shm = entries("/dev/shm", "pyudf");
}

long census_rss_kib(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  long kib = -1;
  while (status && fgets(line, sizeof line, status)) {
    if (!strncmp(line, "VmRSS:", 6)) kib = atol(line + 6);
  }
  if (status) fclose(status);
  return kib;
}

struct process {
  pid_t pid, parent;
  int below;
};

static int list(struct process *all) {
  DIR *directory = opendir("/proc");
  int count = 0;
  if (!directory) return 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char path[300], line[512];
    int pid = atoi(entry->d_name);
    if (pid <= 0 || count == PROCESSES_MAX) continue;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *stat = fopen(path, "r");
    if (!stat) continue;
    const char *name = fgets(line, sizeof line, stat);
    const char *end = name ? strrchr(line, ')') : NULL;
    fclose(stat);
    if (end && end[2] != 'Z') {
      all[count++] = (struct process){.pid = pid, .parent = atoi(end + 4)};
    }
  }
  closedir(directory);
  return count;
}

int census_below(pid_t root, pid_t but, pid_t *pids, int max) {
  struct process *all = calloc(PROCESSES_MAX, sizeof *all);
  int count = all ? list(all) : 0, found = 0;
  for (int more = 1; more;) {
    more = 0;
    for (int i = 0; i < count; i++) {
      if (all[i].below || all[i].pid == but) continue;
      int is = all[i].parent == root;
      for (int k = 0; k < count && !is; k++) {
        is = all[k].below && all[k].pid == all[i].parent;
      }
      if (!is) continue;
      all[i].below = more = 1;
      if (found < max) pids[found++] = all[i].pid;
    }
  }
  free(all);
  return found;
}
