/* worker.h - one worker process, seen from the host
**
** Owns what host and worker share: the memory, and the file its Python stack
** goes to when it crashes. Borrows the template that forked it. Sends
** requests and receives replies; knows nothing of definitions.
*/
#ifndef PYUDF_ENGINE_WORKER_H
#define PYUDF_ENGINE_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "../base/delay.h"
#include "../base/err.h"
#include "../base/shm.h"
#include "../base/wire.h"
#include "engine.h"
#include "template.h"
#include "workers.h"

struct worker {
  const struct engine_host *host;
  struct template *template;
  struct shm shm;
  struct wire wire;
  int crash_fd;
  pid_t pid;               /* 0: there is none */
  char peer[24];           /* "worker 4711" */
  uint32_t epoch;          /* forks_epoch() of the process it belongs to */
  uint32_t ended;          /* how often it was found to have */
  uint64_t seq;            /* of the last request */
  uint64_t max_len;        /* the limit that the worker was told last */
  uint32_t timeout_ms;     /* for the request under way; 0: none */
  int64_t until_ms;        /* its deadline, 0 until somebody has to wait */
  int posted;              /* messages without a reply came before it */
  uint32_t read;           /* what the worker had read at the last look */
  uint32_t rows;           /* and done of its batch */
  enum shm_alarm alarm;    /* what its call was told to end for */
  int64_t grace_ms;        /* when the worker is killed for not ending it, */
  struct delay delay;      /* as it was told to end */
  uint32_t sent_at;        /* where the request lies in the ring */
  uint32_t looks;          /* that its wait has had at the world */
  uint32_t unseen;         /* of these found it dead, and nobody said so */
  const char *name;        /* what the request under way calls, borrowed */
  struct engine_map *maps; /* batches under way, in order: maps.c */
  uint32_t map_count;
  uint64_t stop_seq; /* of one that is not wanted any more; 0: none */
  int64_t stop_ms;   /* when the row it is at is to end; 0: not yet seen */
  int stopping;      /* nobody wants the rest of its rows */
  /* Reads what is left of the reply under way, before anything else is asked of
  ** the worker: set while a reply comes in rows. -1: the worker is gone. */
  int (*settle)(void *arg, struct err *err);
  void *settle_arg;
  struct workers_place place;
};

/* Starts a worker into a zeroed struct, which has to stay where it is: one that
** the session had `restarts` before. The template has to outlive it. */
int worker_open(struct worker *worker, const struct engine_host *host,
                struct template *template, uint32_t restarts, struct err *err);

/* Lets it quit by itself, within a grace; the struct is zero after. */
void worker_close(struct worker *worker);

/* The same, and waits until it has ended. */
void worker_close_wait(struct worker *worker);

/* Ends it at once; the struct is zero after. */
void worker_kill(struct worker *worker);

/* 1 where there is a worker and it is this process's own. */
int worker_usable(const struct worker *worker);

/* Sends a request (its seq is filled in) that calls `name` (borrowed until the
** reply), and may take timeout_ms (0: for ever): it then gets TimeoutError, and SIGKILL after a
** grace. On failure the worker is gone, and err says how. */
int worker_send(struct worker *worker, struct wire_head *head, const char *name,
                const struct value *values, uint32_t count, uint32_t timeout_ms,
                struct err *err);

/* The same for a batch of so many rows: several of them may be under way, and
** nothing else. */
int worker_send_map(struct worker *worker, struct wire_head *head,
                    const char *name, const struct value *values,
                    uint32_t count, uint32_t rows, uint32_t timeout_ms,
                    struct err *err);

/* The same for a message that has no reply. It need not be on its way yet. */
int worker_post(struct worker *worker, struct wire_head *head, const char *name,
                const struct value *values, uint32_t count, uint32_t timeout_ms,
                struct err *err);

/* 1 where rows were posted that nothing has waited for yet. */
int worker_has_posted(const struct worker *worker);

/* How often the worker has said that a group failed: one of them all. */
static inline uint32_t worker_broken(struct worker *worker) {
  return shm_broken_get(worker->shm.control);
}

/* What was posted is on its way. */
void worker_flush(struct worker *worker);

/* Waits for the reply to the last request: a value that is VALUE_HELD until
** worker_done(), or VALUE_OWNED. An error of the function's is -1 with the
** worker alive; of the worker's, -1 with the worker gone. */
int worker_reply(struct worker *worker, struct value *result, struct err *err);

/* The next message of a reply that comes in rows. Returns 1 for a row: so many
** values, in the ring until worker_done(), the bytes of those that are VALUE_STREAMED
** to be read after it; 0 for the end, with the reply; -1. */
int worker_row(struct worker *worker, struct value *values, uint32_t count,
               struct value *reply, struct err *err);

/* Reads the bytes of a value that is VALUE_STREAMED: it is then VALUE_OWNED. */
int worker_read_value(struct worker *worker, struct value *value,
                      struct err *err);

/* The rows of the reply under way are not wanted: the worker is told to end it, and
** gets GeneratorExit where it does not soon. */
void worker_stop(struct worker *worker);

/* The call raised: what we had it raise is told as what it is, with the place;
** `why` is cleared. Returns -1. */
int worker_failed(const struct worker *worker, struct err *why,
                  struct err *err);

/* A batch is back: what the wait for it knew is no use for the next. */
void worker_answered(struct worker *worker);

/* What it sent is not what the protocol has, as `what` says: it is killed. */
int worker_broke(struct worker *worker, const char *what, struct err *err);

static inline void worker_done(struct worker *worker) {
  if (worker->pid) wire_done(&worker->wire);
}

/* ---- for each other: worker.c, worker_life.c ---- */

/* ring_wait.check: looks at the worker's end, the interrupt, the deadline. */
int worker_check(void *arg, struct err *err);

/* What the host's settings say to it. */
void worker_tell_limits(struct worker *worker);

#endif
