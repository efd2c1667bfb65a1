/* thread_rows.c - the thread engine: calls of table functions; see thread.h */
#include <stdlib.h>

#include "thread.h"

/* A call of a table function: the runtime's, and its row. */
struct thread_rows {
  struct runtime_rows *rows;
  struct value values[];
};

static struct thread_rows *rows_of(struct engine_rows *rows) {
  return (struct thread_rows *)rows;
}

struct engine_rows *thread_rows_open(struct engine *engine,
                                     const struct engine_function *function,
                                     const struct tablecall *call,
                                     uint32_t columns, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct value none = value_null();
  struct thread_rows *rows =
      malloc(sizeof *rows + columns * sizeof(struct value));
  if (!rows) {
    err_nomem(err);
    return NULL;
  }
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc != -2) {
    if (!rc) {
      rc =
          replay_check(&thread->replay, engine->host->program,
                       function->definition_id, thread_make_again, thread, err);
    }
    if (!rc) {
      rows->rows = thread->runtime->rows_new(
          thread->space, function->definition_id, function->index, call, err);
      if (rows->rows) {
        thread->open++;
      } else {
        rc = -1;
      }
    }
    rc = thread_finish(thread, rc, &none, err);
  }
  if (!rc) return (struct engine_rows *)rows;
  free(rows);
  return NULL;
}

/* The row's bytes are held by the runtime, whoever has the GIL. */
int thread_rows_next(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_rows *base, const struct value **values,
                     struct err *err) {
  struct thread *thread = thread_of(engine);
  struct thread_rows *rows = rows_of(base);
  struct value none = value_null();
  int got = 0;
  int rc =
      thread_begin(thread, engine_timeout(engine, function->timeout_ms), err);
  if (rc == -2) return -1;
  if (!rc) {
    got = thread->runtime->rows_next(thread->space, rows->rows, rows->values,
                                     err);
    rc = got < 0 ? -1 : 0;
  }
  *values = rows->values;
  return thread_finish(thread, rc, &none, err) ? -1 : got;
}

int thread_rows_close(struct engine *engine,
                      const struct engine_function *function,
                      struct engine_rows *base, struct err *err) {
  struct thread *thread = thread_of(engine);
  struct thread_rows *rows = rows_of(base);
  struct value none = value_null();
  uint32_t timeout_ms = engine_timeout(engine, function->timeout_ms);
  int rc = -1;
  thread->open--;
  if (!thread_enter(thread, err)) {
    if (!thread->calls++) watch_begin(&thread->watch, timeout_ms);
    rc = thread->runtime->rows_free(thread->space, rows->rows, err);
    rc = thread_finish(thread, rc, &none, err);
  }
  free(rows);
  return rc;
}
