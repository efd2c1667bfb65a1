/* rowset.h - a set of rows, as python_rows collects it
**
** HOW IT WORKS. Values (codec.h), row by row, each row with the same number of
** them. They lie in memory up to a bound; beyond it they go to a temporary file
** without a name, and what came last stays in memory until it is worth a write.
** Who makes it is alone with it; once a second one has a reference nothing is
** added any more, and any number of threads and readers may look at it.
**
** A forked child may read what there is; it cannot add to a set that has a file,
** as the file is its parent's too.
**
** Its encoding, which travels to workers: ROWSET_HEAD bytes that say how many
** columns and rows, then the values.
*/
#ifndef PYUDF_ROWSET_H
#define PYUDF_ROWSET_H

#include <stdint.h>

#include "err.h"
#include "value.h"

enum {
  ROWSET_HEAD = 16,
  ROWSET_MEMORY = 16 << 20 /* bytes of a set before it goes to a file */
};

struct rowset;

/* An empty one, with one reference, of which at most so many bytes are kept in
** memory. NULL and err set without memory. */
struct rowset *rowset_new(uint32_t columns, uint64_t memory_max,
                          struct err *err);

/* From any thread; the last one frees it. NULL-safe. */
void rowset_ref(struct rowset *rowset);
void rowset_unref(struct rowset *rowset);

/* Adds one value: the next column of the row, or the first of the next row. */
int rowset_add(struct rowset *rowset, const struct value *value,
               struct err *err);

uint32_t rowset_columns(const struct rowset *rowset);
uint64_t rowset_count(const struct rowset *rowset); /* rows */

/* Bytes of the encoding, and a part of it. */
uint64_t rowset_len(const struct rowset *rowset);
int rowset_copy(const struct rowset *rowset, uint64_t from, void *to,
                uint64_t len, struct err *err);

/* One out of the head of an encoding; the rest is to be appended, in pieces of
** any length. */
struct rowset *rowset_from(const uint8_t head[ROWSET_HEAD], uint64_t memory_max,
                           struct err *err);
int rowset_append(struct rowset *rowset, const void *bytes, uint64_t len,
                  struct err *err);

/* Goes through the values from the first on. */
struct rowset_reader {
  struct rowset *rowset; /* with a ref */
  uint64_t at;           /* bytes of the values that were read */
  uint64_t left;         /* values */
  uint8_t *buffer;       /* bytes from..from + len of them */
  uint64_t from, len, size;
};

void rowset_reader_init(struct rowset_reader *reader, struct rowset *rowset);
void rowset_reader_fini(struct rowset_reader *reader);

/* The next value, borrowed until the next call. Returns 1, 0 at the end, -1. */
int rowset_next(struct rowset_reader *reader, struct value *value,
                struct err *err);

#endif
