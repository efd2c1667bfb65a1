/* process_rows.c - calls of table functions in the process engine: see process.h
**
** HOW IT WORKS. The host asks for so many rows at a time, twice as many each time;
** the worker ends such a batch early where its rows take long (tables.c). So a slow
** function is not run ahead of the statement, and a fast one seldom waits. One that
** is not known to be fast is asked for a single row at first: the statement may have
** something else for the worker to do before it wants the next.
*/
#include <stdlib.h>

#include "process.h"
#include "stream.h"

enum { ROWS_FIRST = 64, ROWS_MOST = 8192 };

struct process_rows {
  uint32_t number;
  uint32_t start;  /* process.starts when it began: of which worker it is */
  uint32_t credit; /* rows that are asked for next */
  struct stream stream;
};

static struct process_rows *rows_of(struct engine_rows *rows) {
  return (struct process_rows *)rows;
}

/* Its worker is the one that there is. */
static int is_there(const struct process *process,
                    const struct process_rows *rows) {
  return rows->start == process->starts && worker_usable(&process->worker);
}

static uint32_t timeout_of(const struct process *process,
                           const struct engine_function *function) {
  return engine_timeout(&process->engine, function->timeout_ms);
}

static int ask_first(struct process *process,
                     const struct engine_function *function,
                     const struct tablecall *call, struct process_rows *rows,
                     struct err *err) {
  struct value values[WIRE_ROWS_FIELDS + TABLECALL_PARAMETERS] = {
      value_integer(function->definition_id),
      value_integer(function->index),
      value_integer((int64_t)call->used),
      value_integer((int64_t)call->given[0]),
      value_integer((int64_t)call->given[1]),
      value_integer(call->columns)};
  for (uint32_t i = 0; i < call->argc; i++) {
    values[WIRE_ROWS_FIELDS + i] = call->argv[i];
  }
  struct wire_head head = {
      .type = WIRE_ROWS, .a = rows->number, .b = rows->credit};
  return stream_ask(&rows->stream, &head, function->name, values,
                    WIRE_ROWS_FIELDS + call->argc,
                    timeout_of(process, function), err);
}

struct engine_rows *process_rows_open(struct engine *engine,
                                      const struct engine_function *function,
                                      const struct tablecall *call,
                                      uint32_t columns, struct err *err) {
  struct process *process = process_of(engine);
  if (process_begin(process, function, err)) return NULL;
  struct process_rows *rows = calloc(1, sizeof *rows);
  int64_t number = rows ? process_number_take(process) : -1;
  if (number < 0) {
    free(rows);
    err_nomem(err);
    return NULL;
  }
  process->open++;
  rows->number = (uint32_t)number;
  rows->start = process->starts;
  rows->credit = call->quick ? ROWS_FIRST : 1;
  if (!stream_init(&rows->stream, &process->worker, columns, err) &&
      !ask_first(process, function, call, rows, err)) {
    return (struct engine_rows *)rows;
  }
  stream_fini(&rows->stream);
  process->open--;
  process_number_give(process, rows->number);
  free(rows);
  return NULL;
}

static int ask_again(struct process *process,
                     const struct engine_function *function,
                     struct process_rows *rows, struct err *err) {
  if (!is_there(process, rows)) {
    return err_set(err, ERR_CRASH, "the worker that had its rows has ended");
  }
  if (rows->credit < ROWS_MOST) rows->credit *= 2;
  struct wire_head head = {
      .type = WIRE_NEXT, .a = rows->number, .b = rows->credit};
  return stream_ask(&rows->stream, &head, function->name, NULL, 0,
                    timeout_of(process, function), err);
}

int process_rows_next(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_rows *base, const struct value **values,
                      struct err *err) {
  struct process_rows *rows = rows_of(base);
  *values = rows->stream.row.values;
  if (!is_there(process_of(engine), rows)) stream_lose(&rows->stream);
  int got;
  while ((got = stream_next(&rows->stream, err)) == STREAM_ASK) {
    if (ask_again(process_of(engine), function, rows, err)) {
      rows->stream.more = 0;
      return -1;
    }
  }
  return got;
}

int process_rows_close(struct engine *engine,
                       const struct engine_function *function,
                       struct engine_rows *base, struct err *err) {
  struct process *process = process_of(engine);
  struct process_rows *rows = rows_of(base);
  struct value none;
  int rc = 0;
  if (is_there(process, rows)) {
    /* What rows raise that the statement does not want is nobody's. */
    struct err unwanted = {0};
    int got = stream_stop(&rows->stream, &unwanted);
    struct wire_head head = {.type = WIRE_CLOSE, .a = rows->number};
    if (got == STREAM_ASK) {
      rc = process_ask(process, head, function->name, NULL, 0,
                       timeout_of(process, function), &none, err);
      if (!rc) process_drop(process, &none);
    } else if (got < 0 && !is_there(process, rows)) {
      rc = -1;
      if (err) err_take(err, &unwanted);
    }
    err_clear(&unwanted);
  } else {
    stream_lose(&rows->stream);
  }
  if (is_there(process, rows)) process_number_give(process, rows->number);
  process->open--;
  stream_fini(&rows->stream);
  free(rows);
  return rc;
}
