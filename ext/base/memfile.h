/* memfile.h - may a memory file be as large as that? */
#ifndef PYUDF_MEMFILE_H
#define PYUDF_MEMFILE_H

#include <stddef.h>
#include <sys/resource.h>

#include "err.h"

/* A limit on files' sizes (ulimit -f) is one on memory files, too: who goes beyond
** it gets SIGXFSZ, and that would be the host. */
static inline int memfile_check(size_t size, struct err *err) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= size) return 0;
  return err_set(err, ERR_SYSTEM,
                 "shared memory: files are limited to %llu bytes (ulimit -f), "
                 "and %zu are needed",
                 (unsigned long long)limit.rlim_cur, size);
}

#endif
