/* map.c - running a function for every row of a batch: see map.h */
#include "map.h"

#include "../base/codec.h"
#include "call.h"

/* The next row's values; -1 where the bytes are none. */
static int row_get(struct codec_reader *reader, uint32_t columns,
                   struct value *values, struct err *err) {
  for (uint32_t i = 0; i < columns; i++) {
    if (codec_get(reader, &values[i])) {
      return err_set(err, ERR_SYSTEM, "a batch that cannot be read");
    }
  }
  return 0;
}

int map_batch(struct runtime_space *space, uint32_t definition_id,
              uint32_t index, const struct batch *in,
              const struct batch_options *options, struct buf *out,
              uint32_t *done, struct err *err) {
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  struct value values[CALL_ARGS_MAX], result;
  size_t began = out->len;
  *done = 0;
  if (in->columns > CALL_ARGS_MAX) {
    return err_set(err, ERR_USAGE, "%u arguments are too many", in->columns);
  }
  while (*done < in->rows && (!*done || out->len - began < BATCH_BYTES)) {
    if (options->stopped && options->stopped(options->arg)) {
      return err_set(err, ERR_INTERRUPT, "interrupted");
    }
    if (row_get(&reader, in->columns, values, err) ||
        call_scalar(space, definition_id, index, values, in->columns, &result,
                    err)) {
      return -1;
    }
    codec_add(out, &result);
    call_release(space);
    if (out->failed) return err_nomem(err);
    ++*done;
  }
  return 0;
}
