/* deal.h - the rows of a query, dealt in batches to a crew
**
** A part of mapping.c's: which rows go to whom, and when. Takes the rows from the
** query, and gives jobs back with what became of them.
*/
#ifndef PYUDF_DEAL_H
#define PYUDF_DEAL_H

#include "../engine/crew.h"
#include "inner.h"
#include "job.h"
#include "mapping.h"
#include "progress.h"

struct deal {
  struct session *session;
  struct function *function;
  const struct mapping_options *options;
  struct inner *inner;
  enum engine_mode mode;
  uint32_t argc, columns; /* of the function's rows and of its results */
  struct crew crew;
  struct job *jobs;      /* NULL: not started */
  uint32_t size;         /* of `jobs` */
  uint32_t count;        /* of those that are not free */
  uint64_t next, oldest; /* numbers: of the next job, of the first one left */
  uint64_t failed;       /* number of the first that failed; 0: none */
  uint64_t row_ns;       /* that a row takes; 0: not known yet */
  uint64_t waited_ns, since_ns; /* for workers, since the last one joined in */
  struct progress progress;
};

/* Members and window, where the first row is wanted. deal_fini() after it, failed
** or not. */
int deal_start(struct deal *deal, struct err *err);

/* Stops all that is on its way. In a forked child (`forked` 1) that is not ours. */
void deal_fini(struct deal *deal, int forked);

/* Sees to those that work, and waits for a job to go on with: one that has rows
** ready, is complete, or has failed. NULL at the end of the query. */
struct job *deal_next(struct deal *deal);

/* All that was ready of it was given. */
void deal_used_up(struct deal *deal, struct job *job);

/* For python_errors. */
void deal_log(struct deal *deal, const struct err *err);

#endif
