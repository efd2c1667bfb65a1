/* batch.h - rows as bytes
**
** What python_map sends to a worker and gets back, and what python_rows collects:
** values (codec.h), row by row, each row with the same number of them.
*/
#ifndef PYUDF_BATCH_H
#define PYUDF_BATCH_H

#include <stdint.h>

/* Borrowed. */
struct batch {
  const void *data;
  uint64_t len;
  uint32_t columns;
  uint32_t rows;
};

enum {
  BATCH_BYTES = 1024 * 1024, /* of a batch's rows, unless it has only one; */
                             /* of its results, before some may be left */
  BATCH_RESULT_MAX = 1 << 30 /* bytes of its results */
};

/* How a function is to be run for one. */
struct batch_options {
  uint32_t
      concurrency; /* calls of an async function that await at once; 0: 10 */
  uint32_t timeout_ms; /* of one of these calls; 0: none */
  uint32_t retries;    /* of one of these calls that fails */
  uint32_t columns;    /* of the result, as SQL was told; 0: whatever */
  /* 1 once nobody wants the rest any more: looked at between two rows. NULL:
  ** never. */
  int (*stopped)(void *arg);
  void *arg;
};

#endif
