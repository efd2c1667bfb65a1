/* memlog.c - what another process has to say, in a memory file of bounded size:
** see memlog.h */
#include "memlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memfile.h"

int memlog_open(const char *name, struct err *err) {
  if (memfile_check(MEMLOG_MAX, err)) return -1;
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && !ftruncate(fd, MEMLOG_MAX) &&
      !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
    return fd;
  }
  err_system(err, errno, "shared memory: a memory file");
  if (fd >= 0) close(fd);
  return -1;
}

/* Writer and reader share one position, as their descriptors are copies. */
size_t memlog_tail(int fd, char *text, size_t size) {
  off_t end = lseek(fd, 0, SEEK_CUR);
  if (end < 0) end = 0;
  if (end > MEMLOG_MAX) end = MEMLOG_MAX;
  off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
  ssize_t len = pread(fd, text, (size_t)(end - from), from);
  if (len < 0) len = 0;
  text[len] = 0;
  return (size_t)len;
}

/* The line that begins with `start`, cut out of the text; NULL where there is
** none. */
static char *find_line(char *text, const char *start) {
  char *line = strstr(text, start);
  if (line) line[strcspn(line, "\n")] = 0;
  return line;
}

char *memlog_words(int fd) {
  char text[4096];
  size_t len = memlog_tail(fd, text, sizeof text);
  while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ')) len--;
  if (!len) return NULL;
  text[len] = 0;
  char *last = strrchr(text, '\n');
  last = last ? last + 1 : text;
  char *fatal = find_line(text, "Fatal Python error: ");
  /* Where a module fails: the package has said which (_worker.py). */
  char *module = find_line(text, "it did not get past importing ");
  const char *home = fatal && !module ? getenv("PYTHONHOME") : NULL;
  const char *why = fatal ? fatal : last == module ? "" : last;
  char *words;
  return asprintf(&words, "%s%s%s%s%s%s", module ? module : "",
                  module && *why ? ": " : "", why,
                  home ? " (PYTHONHOME is " : "", home ? home : "",
                  home ? ")" : "") < 0
             ? NULL
             : words;
}
