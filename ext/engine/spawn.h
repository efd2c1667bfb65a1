/* spawn.h - start a program that the host never sees
**
** The new process is no child of the host's: its SIGCHLD handler and its
** waitpid(-1) never meet it. It has a session of its own, default signal
** handlers, an empty signal mask, and none of the host's descriptors.
*/
#ifndef PYUDF_SPAWN_H
#define PYUDF_SPAWN_H

#include <sys/types.h>

#include "../base/err.h"

enum {
  SPAWN_FDS = 5 /* descriptors 0 to 4 of the new process; the rest is closed */
};

struct spawn {
  const char *path;   /* the program; no search along PATH */
  char *const *argv;  /* NULL-terminated */
  char *const *envp;  /* NULL-terminated */
  int fds[SPAWN_FDS]; /* what becomes 0 to 4; -1: /dev/null for 0 to 2, else
                        ** closed. Borrowed */
};

/* Returns once the program runs, or -1 and err set where it could not be
** started: the text says why, but not what was started. */
int spawn_run(const struct spawn *spawn, pid_t *pid, struct err *err);

/* A new environment for such a process: the host's where inherit is 1, else
** only PATH, HOME, LANG, LC_* and TMPDIR; with OPENBLAS_NUM_THREADS and its
** like kept at 1, unless set. To be freed with free(). NULL without memory. */
char **spawn_environment(int inherit);

#endif
