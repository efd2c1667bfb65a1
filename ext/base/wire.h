/* wire.h - messages between a host and one worker
**
** HOW IT WORKS. A message is a head of 24 bytes and a body of values (codec.h)
** that lies in the ring as a whole. Values too long for that are streamed:
** their bytes come after the body, in the values' order, through the ring as
** through a pipe. So are sets of rows, whatever their length, which only the host
** sends: their encoding (rowset.h); where their file cannot be read, half a message
** was sent, and the worker has to go.
**
**   host to worker                                      worker to host
**   WIRE_CALL    a definition, b index, arguments       WIRE_RESULT one value
**   WIRE_EVAL    expression, arguments                  WIRE_RESULT one value
**   WIRE_DEFINE  definition_values()                    WIRE_RESULT a BLOB: the
**                                                         encoded manifest
**   WIRE_FORGET  a definition                           none
**   WIRE_VERSION                                        WIRE_RESULT TEXT
**   WIRE_OPEN    a group; definition, index, windowed, argc   none
**   WIRE_STEP    a group, arguments                     none
**   WIRE_INVERSE a group, arguments                     none
**   WIRE_VALUE   a group                                WIRE_RESULT one value
**   WIRE_FINAL   a group                                WIRE_RESULT one value
**   WIRE_CHECK   a group                                WIRE_RESULT NULL
**   WIRE_PART    a group                                WIRE_RESULT its state
**   WIRE_MERGE   a group, another's state               none
**   WIRE_FREE    a group                                none
**   WIRE_ROWS    a number, b rows; definition, index, used, given (two) and columns
**                of struct tablecall, arguments          rows, WIRE_RESULT 0 or 1
**   WIRE_NEXT    a number, b rows                        the same
**   WIRE_CLOSE   a number                                WIRE_RESULT NULL
**   WIRE_QUIT                                           none: the worker exits
**   WIRE_MAP     a definition, b index; columns, rows,  WIRE_MAPPED rows done,
**                options, a batch                         nanoseconds, values;
**                                                         then, a 1: wire_put_err
**   any of these that fails                             WIRE_ERROR wire_put_err
**
** The first thing that fails for a group is kept, and is the reply to whatever
** asks for one; no later row of the group is run. What has no reply carries the
** seq of the next request that has.
**
** Rows are messages too: WIRE_ROW, a value a column. At most as many come as were
** asked for; 1 says that there are more to be had, 0, as an error, that the number is
** free again.
**
** A reply carries the seq of what it answers. The host copies every length once
** and checks it; a worker that sends nonsense is a dead worker.
*/
#ifndef PYUDF_WIRE_H
#define PYUDF_WIRE_H

#include <stdint.h>

#include "codec.h"
#include "err.h"
#include "ring.h"
#include "value.h"

enum wire_type {
  WIRE_CALL = 1,
  WIRE_EVAL = 2,
  WIRE_DEFINE = 3,
  WIRE_FORGET = 4,
  WIRE_VERSION = 5,
  WIRE_QUIT = 6,
  WIRE_OPEN = 7,
  WIRE_STEP = 8,
  WIRE_INVERSE = 9,
  WIRE_VALUE = 10,
  WIRE_FINAL = 11,
  WIRE_CHECK = 12,
  WIRE_FREE = 13,
  WIRE_PART = 14,
  WIRE_MERGE = 15,
  WIRE_RESULT = 16,
  WIRE_ERROR = 17,
  WIRE_ROWS = 18,
  WIRE_NEXT = 19,
  WIRE_CLOSE = 20,
  WIRE_ROW = 21,
  WIRE_MAP = 32,
  WIRE_MAPPED = 33
};

enum { WIRE_ROWS_FIELDS = 6 }; /* before the arguments */

struct wire_head {
  uint32_t type; /* enum wire_type */
  uint32_t len;  /* bytes of the body, a multiple of 8 */
  uint64_t seq;  /* of the request; a reply repeats it */
  uint32_t a;    /* by type, see above */
  uint32_t b;
};

/* One side's end of both rings. */
struct wire {
  struct ring out;
  struct ring in;
  struct ring_wait wait;
  uint32_t
      body_len; /* of the message that wire_recv() gave, until wire_done() */
};

/* Sends head (its len is filled in) and values, and their streams. The bytes
** are copied before it returns. */
int wire_send(struct wire *wire, const struct wire_head *head,
              const struct value *values, uint32_t count, struct err *err);

/* The same for what nobody waits for: the reader need not see it before some
** more has come. */
int wire_post(struct wire *wire, const struct wire_head *head,
              const struct value *values, uint32_t count, struct err *err);

/* What was posted is the reader's to see. */
void wire_flush(struct wire *wire);

/* Waits for the next message. The reader's values point into the ring and live
** until wire_done(). */
int wire_recv(struct wire *wire, struct wire_head *head,
              struct codec_reader *reader, struct err *err);
void wire_done(struct wire *wire);

/* The next len bytes of a stream, after wire_done(); to NULL they are dropped. */
int wire_read(struct wire *wire, void *to, uint64_t len, struct err *err);

/* Before the batch's bytes. */
enum { WIRE_MAP_FIELDS = 6 };
enum { WIRE_MAPPED_FIELDS = 2 };

/* 1 where that many bytes and a message around them can be sent without a wait. */
int wire_has_room(struct wire *wire, uint64_t len);

/* An error as a message's values, and back. */
enum { WIRE_ERR_FIELDS = 6 };
void wire_put_err(const struct err *from, struct value values[WIRE_ERR_FIELDS]);
int wire_get_err(struct codec_reader *reader, struct err *to);

#endif
