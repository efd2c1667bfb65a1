/* map.c - running a function for every row of a batch: see map.h */
#include "map.h"

#include <stdlib.h>
#include <string.h>

#include "../base/codec.h"
#include "awaits.h"
#include "call.h"
#include "columnar.h"
#include "compiled.h"
#include "error.h"
#include "rows.h"

/* A table function's rows for one of the query's. */
enum { MAP_ROWS_MAX = 64 << 20 };

/* A scalar function, and how its arguments are converted: its definition may be
** made anew while it runs. */
struct scalar {
  PyObject *function;
  int skip_null;
  uint8_t codes[CALL_ARGS_MAX];
};

/* The next row as objects; 1 where it is skipped, as it has a NULL. args[i] up to
** *count are the caller's, whatever comes. */
static int row_get(const struct scalar *scalar, struct codec_reader *reader,
                   uint32_t columns, PyObject **args, uint32_t *count) {
  int skip = 0;
  for (*count = 0; *count < columns; ++*count) {
    struct value value;
    if (codec_get(reader, &value)) {
      PyErr_SetString(PyExc_SystemError, "a batch that cannot be read");
      return -1;
    }
    args[*count] = convert_in(&value, (enum convert_code)scalar->codes[*count]);
    if (!args[*count]) return -1;
    skip |= scalar->skip_null && value.type == VALUE_NULL;
  }
  return skip;
}

/* Runs the next row and appends its value; 0, or -1 with a Python exception set. */
static int row_run(const struct scalar *scalar, struct codec_reader *reader,
                   uint32_t columns, struct buf *out) {
  PyObject *stack[1 + CALL_ARGS_MAX];
  PyObject **args = stack + 1;
  struct value value = value_null();
  struct held held = {0};
  uint32_t count;
  int rc = row_get(scalar, reader, columns, args, &count);
  if (!rc) {
    PyObject *object = PyObject_Vectorcall(
        scalar->function, args, columns | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    rc = object ? convert_out(object, &value, &held) : -1;
  }
  for (uint32_t i = 0; i < count; i++) Py_DECREF(args[i]);
  if (rc >= 0) codec_add(out, &value);
  held_release(&held);
  return rc < 0 ? -1 : 0;
}

/* 1 where no other row is to be begun: all are done, or what they gave is enough for
** a reply. -1 and err where nobody wants the rest. */
static int is_over(const struct batch *in, const struct batch_options *options,
                   const struct buf *out, size_t began, uint32_t done,
                   struct err *err) {
  if (out->failed) return err_nomem(err);
  if (done == in->rows || (done && out->len - began >= BATCH_BYTES)) return 1;
  if (options->stopped && options->stopped(options->arg)) {
    return err_set(err, ERR_INTERRUPT, "interrupted");
  }
  return 0;
}

static int map_scalar(struct runtime_space *space,
                      const struct callable *callable, const struct batch *in,
                      const struct batch_options *options, struct buf *out,
                      uint32_t *done, struct err *err) {
  size_t began = out->len;
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  struct scalar scalar = {.function = callable->function,
                          .skip_null = callable->skip_null};
  int rc = 0;
  memcpy(scalar.codes, callable->codes, sizeof scalar.codes);
  Py_INCREF(scalar.function);
  call_release(space);
  while (!(rc = is_over(in, options, out, began, *done, err))) {
    if (row_run(&scalar, &reader, in->columns, out)) {
      rc = error_take(space->session, scalar.function, err);
      break;
    }
    ++*done;
  }
  Py_DECREF(scalar.function);
  return rc < 0 ? -1 : 0;
}

/* The next row's values; -1 where the bytes are none. */
static int values_get(struct codec_reader *reader, uint32_t columns,
                      struct value *values, struct err *err) {
  for (uint32_t i = 0; i < columns; i++) {
    if (codec_get(reader, &values[i])) {
      return err_set(err, ERR_SYSTEM, "a batch that cannot be read");
    }
  }
  return 0;
}

static int map_native(struct runtime_space *space,
                      const struct callable *callable, const struct batch *in,
                      const struct batch_options *options, struct buf *out,
                      uint32_t *done, struct err *err) {
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  struct value values[CALL_ARGS_MAX], result;
  size_t began = out->len;
  int rc;
  while (!(rc = is_over(in, options, out, began, *done, err))) {
    if (values_get(&reader, in->columns, values, err) ||
        compiled_call(space, callable, values, in->columns, &result, err)) {
      return -1;
    }
    codec_add(out, &result);
    call_release(space);
    ++*done;
  }
  return rc < 0 ? -1 : 0;
}

/* All rows of one call: their number goes before them. */
static int rows_put(struct runtime_space *space, struct runtime_rows *rows,
                    struct value *values, const struct batch_options *options,
                    struct buf *out, struct err *err) {
  size_t at = out->len;
  struct value count = value_integer(0);
  int got;
  codec_add(out, &count);
  while ((got = rows_next(space, rows, values, err)) > 0 && !out->failed) {
    for (uint32_t i = 0; i < rows_columns(rows); i++) {
      codec_add(out, &values[i]);
    }
    count.integer++;
    if (out->failed) break;
    if (out->len - at > MAP_ROWS_MAX) {
      got = err_set(err, ERR_TOOBIG,
                    "gives more than %d MiB of rows for one row of the query, "
                    "which python_map collects: call it in FROM",
                    MAP_ROWS_MAX >> 20);
      break;
    }
    if (options->stopped && options->stopped(options->arg)) {
      got = err_set(err, ERR_INTERRUPT, "interrupted");
      break;
    }
  }
  if (got < 0 || out->failed) {
    out->len = at; /* rows of a call that did not end are none */
    return got < 0 ? -1 : err_nomem(err);
  }
  codec_put((uint8_t *)out->data + at, &count);
  return 0;
}

static int map_rows(struct runtime_space *space, uint32_t definition_id,
                    uint32_t index, uint32_t columns, const struct batch *in,
                    const struct batch_options *options, struct buf *out,
                    uint32_t *done, struct err *err) {
  struct codec_reader reader = {in->data, (const uint8_t *)in->data + in->len};
  struct value argv[CALL_ARGS_MAX];
  struct tablecall call = {.argv = argv,
                           .argc = in->columns,
                           .columns = columns,
                           .used = UINT64_MAX};
  struct value *values = calloc(columns, sizeof *values);
  size_t began = out->len;
  int rc = values ? 0 : err_nomem(err);
  for (uint32_t i = 0; i < in->columns; i++) tablecall_give(&call, i);
  while (!rc && !(rc = is_over(in, options, out, began, *done, err))) {
    struct runtime_rows *rows = NULL;
    struct err late = {0};
    rc = values_get(&reader, in->columns, argv, err);
    if (!rc) rows = rows_new(space, definition_id, index, &call, err);
    if (!rc && !rows) rc = -1;
    if (!rc) rc = rows_put(space, rows, values, options, out, err);
    if (rows_free(space, rows, &late) && !rc) {
      rc = -1;
      if (err) err_take(err, &late);
    }
    err_clear(&late);
    if (!rc) ++*done;
  }
  free(values);
  return rc < 0 ? -1 : 0;
}

int map_batch(struct runtime_space *space, uint32_t definition_id,
              uint32_t index, const struct batch *in,
              const struct batch_options *options, struct buf *out,
              uint32_t *done, struct err *err) {
  *done = 0;
  const struct callable *callable =
      call_find(space, definition_id, index, in->columns, err);
  if (!callable) return -1;
  uint32_t columns = callable->table      ? table_columns(callable->table)
                     : callable->columnar ? columnar_width(callable->columnar)
                                          : 1;
  if (rows_check(columns, options->columns, err)) return -1;
  if (callable->columnar) {
    return columnar_map(space, callable, in, out, done, err);
  }
  if (callable->awaits) {
    return awaits_map(space, callable, in, options, out, done, err);
  }
  if (callable->table) {
    return map_rows(space, definition_id, index, table_columns(callable->table),
                    in, options, out, done, err);
  }
  return (callable->native ? map_native : map_scalar)(space, callable, in,
                                                      options, out, done, err);
}
