/* oom.c - has the kernel run out of memory?: see oom.h
**
** A kill counts before its signal is sent (seen in Linux 4.19 to 6.18), and in
** the victim's cgroup whether the cgroup's memory ran out or the machine's.
*/
#include "oom.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number behind "oom_kill " at the start of a line; 0, or -1 without. */
static int read_count(const char *path, uint64_t *count) {
  char line[256];
  FILE *file = fopen(path, "re");
  int rc = -1;
  while (file && rc && fgets(line, sizeof line, file)) {
    if (strncmp(line, "oom_kill ", 9) != 0) continue;
    *count = strtoull(line + 9, NULL, 10);
    rc = 0;
  }
  if (file) fclose(file);
  return rc;
}

/* The count of one line of /proc/self/cgroup: "0::/path" or "4:memory:/path". A
** container may see the path of the host that it is in, and its own group as the
** root of the mount. */
static int read_group(const char *line, uint64_t *count) {
  char path[PATH_MAX];
  const char *group = strrchr(line, ':');
  const char *mount, *file;
  if (!strncmp(line, "0::", 3)) {
    mount = "/sys/fs/cgroup";
    file = "memory.events";
  } else if (strstr(line, ":memory:")) {
    mount = "/sys/fs/cgroup/memory";
    file = "memory.oom_control";
  } else {
    return -1;
  }
  snprintf(path, sizeof path, "%s%s/%s", mount, group + 1, file);
  if (!read_count(path, count)) return 0;
  snprintf(path, sizeof path, "%s/%s", mount, file);
  return read_count(path, count);
}

uint64_t oom_kills(void) {
  char line[PATH_MAX];
  uint64_t count = 0;
  int rc = -1;
  FILE *groups = fopen("/proc/self/cgroup", "re");
  while (groups && rc && fgets(line, sizeof line, groups)) {
    line[strcspn(line, "\n")] = 0;
    rc = read_group(line, &count);
  }
  if (groups) fclose(groups);
  if (rc) read_count("/proc/vmstat", &count);
  return count;
}

void oom_volunteer(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t len = write(fd, "1000", 4);
  (void)len;
  close(fd);
}
