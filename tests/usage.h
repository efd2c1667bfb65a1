/* usage.h - what a process has, for tests of what it gains
*/
#ifndef PYUDF_TESTS_USAGE_H
#define PYUDF_TESTS_USAGE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct usage {
  long bytes; /* in use, as its malloc says: the test's to ask for */
  long rss;   /* private pages, in bytes */
  long fds, maps, threads;
};

/* Of a folder. */
static inline long usage_entries(const char *path) {
  DIR *folder = opendir(path);
  long count = 0;
  while (folder && readdir(folder)) count++;
  if (folder) closedir(folder);
  return count;
}

/* All but the bytes. */
static inline void usage_get(long pid, struct usage *usage) {
  char path[100], line[512];
  *usage = (struct usage){0};
  snprintf(path, sizeof path, "/proc/%ld/fd", pid);
  usage->fds = usage_entries(path);
  snprintf(path, sizeof path, "/proc/%ld/task", pid);
  usage->threads = usage_entries(path);
  snprintf(path, sizeof path, "/proc/%ld/maps", pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    usage->maps += strchr(line, '\n') != NULL;
  }
  if (file) fclose(file);
  snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
  file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    if (!strncmp(line, "Private_", 8)) {
      usage->rss += atol(strchr(line, ':') + 1) * 1024;
    }
  }
  if (file) fclose(file);
}

#endif
