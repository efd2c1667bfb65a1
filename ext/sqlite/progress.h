/* progress.h - the line that says how far a map is
**
** By python_progress, where standard error is a terminal, after a second, some times
** a second. The cursor stays at the line's beginning: what the host writes goes
** over it.
*/
#ifndef PYUDF_PROGRESS_H
#define PYUDF_PROGRESS_H

#include <stdint.h>

enum { PROGRESS_MS = 200 };

struct progress {
  int on, shown;
  uint64_t began_ns, told_ns;
  uint64_t rows; /* done so far */
};

/* Into a zeroed struct. */
void progress_begin(struct progress *progress, int wanted);

/* The slow part of progress_tell(). */
void progress_show(struct progress *progress, const char *name,
                   uint32_t workers);

/* To be called often. `workers` 0: the function runs in this process. */
static inline void progress_tell(struct progress *progress, const char *name,
                                 uint32_t workers) {
  if (progress->on) progress_show(progress, name, workers);
}

/* The line goes. */
void progress_end(struct progress *progress);

#endif
