/* server.c - what a worker works with: its end of the wire, and a request's arguments: see server.h */
#include "server.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "pyrows.h"

enum { ROWS_PIECE = 32 * 1024 /* read at a time */ };

/* A child that a function has forked. */
static int forked;
static int child_log = -1;

/* Runs in the child. The log is about the worker: the child's own last words go to
** standard error. Unless the function has closed it, and the number is another
** file's now: that has no seals. */
static void fork_child(void) {
  forked = 1;
  if (fcntl(child_log, F_GET_SEALS) > 0) dup2(STDERR_FILENO, child_log);
}

/* The child has come back from the call: that was all that it had to do. */
void server_end_child(int rc, struct err *err) {
  if (!forked) return;
  char *what = rc ? err_format(err) : NULL;
  if (what) {
    fprintf(stderr, "pyudf: process %d, forked by a function: %s\n",
            (int)getpid(), what);
  }
  _exit(rc ? 1 : 0);
}

void server_watch_forks(int crash_log) {
  child_log = crash_log;
  pthread_atfork(NULL, NULL, fork_child);
}

void server_give_up(void) { _exit(1); }

static void reply_error(struct server *server, uint64_t seq, struct err *err) {
  struct value values[WIRE_ERR_FIELDS];
  struct wire_head head = {.type = WIRE_ERROR, .seq = seq};
  wire_put_err(err, values);
  if (wire_send(&server->wire, &head, values, WIRE_ERR_FIELDS, NULL))
    server_give_up();
  err_clear(err);
}

void server_name_alarm(const struct server *server, struct err *err) {
  if (!server->alarm) return;
  err->code = server->alarm == SHM_ALARM_TIMEOUT ? ERR_TIMEOUT : ERR_INTERRUPT;
}

int server_check(const struct server *server, const struct value *value,
                 struct err *err) {
  if (!value_is_bytes(value) ||
      value->len <= shm_max_len_get(server->shm.control)) {
    return 0;
  }
  return err_set(err, ERR_TOOBIG,
                 "a result of %llu bytes is over SQLite's limit",
                 (unsigned long long)value->len);
}

void server_reply(struct server *server, uint64_t seq, int rc,
                  const struct value *result, struct err *err) {
  server_end_child(rc, err);
  if (!rc) rc = server_check(server, result, err);
  if (rc) {
    if (err->code == ERR_PYTHON) server_name_alarm(server, err);
    reply_error(server, seq, err);
    return;
  }
  struct wire_head head = {.type = WIRE_RESULT, .seq = seq};
  if (wire_send(&server->wire, &head, result, 1, NULL)) server_give_up();
}

/* Argument i as an object; `callable` NULL: eval's. NULL with an exception. */
static PyObject *argument(const struct callable *callable, uint32_t i,
                          const struct value *value) {
  return callable ? call_argument(callable, i, value)
                  : convert_in(value, CONVERT_DEFAULT);
}

/* The same for a BLOB that is a bytes object already (taken, may be NULL). */
static PyObject *argument_bytes(const struct callable *callable, uint32_t i,
                                PyObject *bytes) {
  if (!bytes || !callable || callable->codes[i] != CONVERT_MEMORYVIEW) {
    return bytes;
  }
  PyObject *view = PyMemoryView_FromObject(bytes);
  Py_DECREF(bytes);
  return view;
}

int server_failed(struct server *server, const struct callable *callable,
                  struct err *err) {
  return error_take(server->space->session,
                    callable ? callable->function : NULL, err);
}

void server_read_stream(struct server *server, void *to, uint64_t len) {
  if (wire_read(&server->wire, to, len, NULL)) server_give_up();
}

char *server_read_text(struct server *server, uint64_t len, struct err *err) {
  char *text = malloc(len + 1);
  server_read_stream(server, text, len);
  if (!text) {
    err_nomem(err);
    return NULL;
  }
  text[len] = 0;
  return text;
}

/* A set of rows: its values are kept as they come. */
static PyObject *read_rows(struct server *server,
                           const struct callable *callable, uint64_t len,
                           struct err *err) {
  uint8_t bytes[ROWS_PIECE];
  if (len < ROWSET_HEAD) server_give_up();
  server_read_stream(server, bytes, ROWSET_HEAD);
  len -= ROWSET_HEAD;
  struct rowset *rowset = rowset_from(bytes, ROWSET_MEMORY, err);
  int rc = rowset ? 0 : -1;
  while (len) {
    uint64_t piece = len < sizeof bytes ? len : sizeof bytes;
    server_read_stream(server, rc ? NULL : bytes, piece);
    if (!rc) rc = rowset_append(rowset, bytes, piece, err);
    len -= piece;
  }
  PyObject *object = NULL;
  if (!rc) {
    object = pyrows_new(rowset);
    if (!object) server_failed(server, callable, err);
  }
  rowset_unref(rowset);
  return object;
}

/* A streamed argument as an object; NULL and err set. `callable` NULL: eval's. */
static PyObject *read_object(struct server *server,
                             const struct callable *callable, uint32_t i,
                             enum value_type type, uint64_t len,
                             struct err *err) {
  if (type == VALUE_BLOB) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    server_read_stream(server, bytes ? PyBytes_AsString(bytes) : NULL, len);
    PyObject *object = argument_bytes(callable, i, bytes);
    if (!object) server_failed(server, callable, err);
    return object;
  }
  if (type == VALUE_ROWS) return read_rows(server, callable, len, err);
  char *text = server_read_text(server, len, err);
  if (!text) return NULL;
  struct value value = value_bytes(type, text, len);
  PyObject *object = argument(callable, i, &value);
  if (!object) server_failed(server, callable, err);
  free(text);
  return object;
}

uint32_t server_count(const struct codec_reader *reader) {
  struct codec_reader counter = *reader;
  struct value value;
  uint32_t count = 0;
  while (counter.at < counter.end && !codec_get_argument(&counter, &value)) {
    count++;
  }
  return count;
}

void arguments_fini(struct arguments *arguments) {
  for (uint32_t i = 0; i < arguments->count; i++) {
    Py_XDECREF(arguments->args[i]);
  }
}

int arguments_receive(struct server *server, struct codec_reader *reader,
                      const struct callable *callable,
                      struct arguments *arguments, struct err *err) {
  uint32_t count = 0;
  int rc = err->code ? -1 : 0;
  while (reader->at < reader->end) {
    struct value value;
    if (count == SERVER_ARGS_MAX || codec_get_argument(reader, &value)) {
      server_give_up();
    }
    int streamed = (value.flags & VALUE_STREAMED) != 0;
    arguments->types[count] = streamed ? (uint8_t)value.type : VALUE_NULL;
    arguments->pending[count] = value.len;
    PyObject *object = NULL;
    if (!streamed && !rc) {
      object = argument(callable, count, &value);
      if (!object) rc = server_failed(server, callable, err);
    }
    arguments->args[count++] = object;
  }
  arguments->count = count;
  wire_done(&server->wire);
  for (uint32_t i = 0; i < count; i++) {
    if (arguments->types[i] == VALUE_NULL) continue;
    if (rc) {
      server_read_stream(server, NULL, arguments->pending[i]);
      continue;
    }
    arguments->args[i] =
        read_object(server, callable, i, (enum value_type)arguments->types[i],
                    arguments->pending[i], err);
    if (!arguments->args[i]) rc = -1;
  }
  if (rc) arguments_fini(arguments);
  return rc;
}
