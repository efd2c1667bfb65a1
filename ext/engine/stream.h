/* stream.h - rows that come from a worker
**
** A request whose reply is in rows: WIRE_ROW messages, and then how it ended. Owned
** by whoever asks; one at a time has rows on their way from a worker.
**
** HOW IT WORKS. The rows are read from the ring one by one, while the worker makes
** the next ones. Whoever wants something else of the worker meanwhile has the
** stream settled first (worker.h): what is still to come goes into a stash.
*/
#ifndef PYUDF_ENGINE_STREAM_H
#define PYUDF_ENGINE_STREAM_H

#include "../base/buf.h"
#include "worker.h"

/* A row: a value a column. */
struct stream_row {
  struct value *values;
  void **owned;     /* bytes that were streamed, by column; for host.free */
  struct buf bytes; /* the other bytes, where they do not lie in the ring */
  int in_ring;
  int owning; /* some of `owned` are */
};

struct stream {
  struct worker *worker;
  const struct engine_host *host; /* the worker's, which may be gone before */
  uint32_t columns;
  uint32_t asked;  /* rows of the request under way, at most */
  uint32_t credit; /* of these it may still give */
  int coming;      /* a request's rows are still on their way */
  int more;        /* the last request has ended, and there are more rows */
  struct stream_row row;
  struct buf stash; /* rows that were settled, */
  size_t stash_at;  /* of which so many bytes were read */
  struct err err;   /* how settling ended, told after the stash */
};

/* Into a zeroed struct, which has to stay where it is; for stream_fini(). */
int stream_init(struct stream *stream, struct worker *worker, uint32_t columns,
                struct err *err);
void stream_fini(struct stream *stream);

/* Sends a request whose reply is in rows, as worker_send() does. */
int stream_ask(struct stream *stream, struct wire_head *head, const char *name,
               const struct value *values, uint32_t count, uint32_t timeout_ms,
               struct err *err);

/* The worker that it comes from is gone, another may be in its place: what was
** settled is left. */
void stream_lose(struct stream *stream);

enum { STREAM_END = 0, STREAM_ROW = 1, STREAM_ASK = 2 };

/* The next row, in row.values until the next call; STREAM_ASK: the request's rows
** are at an end, and there are more to be asked for. -1: the error, and the end. */
int stream_next(struct stream *stream, struct err *err);

/* Nobody wants the rows: has the worker end the request. Returns STREAM_ASK where
** what they come from is still there, STREAM_END, or -1. */
int stream_stop(struct stream *stream, struct err *err);

#endif
