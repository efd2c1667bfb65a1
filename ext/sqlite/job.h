/* job.h - one batch of a mapping: its rows, and what became of them
**
** Rows go through it in order: those that were `given` to the reader of the mapping,
** those that are `ready` to be, and the rest, which are to be run. Where a row fails,
** or values become many, a batch comes back before its end and its rest is sent
** once more.
*/
#ifndef PYUDF_JOB_H
#define PYUDF_JOB_H

#include "../base/codec.h"
#include "../engine/engine.h"

enum job_state {
  JOB_FREE = 0,
  JOB_TO_SEND, /* the rest of it */
  JOB_SENT,    /* out of our hands */
  JOB_PAUSED,  /* the rest waits until what is ready was given */
  JOB_FAILED,  /* the row after those that are ready did: map.err */
  JOB_COMPLETE /* all rows are ready */
};

struct job {
  struct engine_map map; /* .in: the rest; .out: values of what is ready */
  enum job_state state;
  uint64_t number; /* in the order of the rows */
  uint32_t rows, ready, given;
  uint32_t tries; /* 1: its worker died once */
  struct buf keys, in;
  size_t keys_at, in_at, out_at; /* of the next to be given, run, given */
};

/* Room for so many rows of numbers, so that it need not grow step by step. */
void job_reserve(struct job *job, uint32_t rows, uint32_t argc,
                 uint32_t columns);

/* Takes the next row of the query. -1 without memory. */
int job_add(struct job *job, const struct value *key, const struct value *argv,
            uint32_t argc);

/* Its rest is filled into job->map.in. */
void job_aim(struct job *job, uint32_t argc);

/* So many more rows are ready. */
void job_advance(struct job *job, uint32_t rows, uint32_t argc);

/* A row that failed gets NULLs: of a table function's, one row of them. */
int job_add_nulls(struct job *job);

/* " at key 17", " at keys 17 to 20": the next `rows` rows after those that are
** ready. Appended. */
void job_name_keys(const struct job *job, uint32_t rows, struct buf *to);

/* Makes it JOB_FREE; its memory stays for the next, as far as it is no more than
** usual. */
void job_clear(struct job *job);
void job_fini(struct job *job);

#endif
