/* serve.c - the worker's loop: requests in, replies out: see serve.h. The other
** end is ext/engine/worker.c; wire.h says what is spoken.
**
** HOW IT WORKS. Values that lie in a message become Python objects straight
** from the ring; those that are streamed are read into the object they become
** (BLOB) or into a buffer (TEXT), once the message has been read. The GIL is
** held but for sleeping, so that the functions' own threads can run then.
** A function may fork: its child must not answer in the worker's place.
*/
#include "serve.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../base/runtime.h"
#include "../base/shm.h"
#include "../base/wire.h"
#include "call.h"
#include "error.h"
#include "py.h"

enum { ARGS_MAX = 1024 };

struct server {
  const struct runtime *runtime;
  struct runtime_space *space;
  struct err space_err; /* why there is no space: the answer to every request */
  struct shm shm;
  struct wire wire;
  PyThreadState *saved; /* while asleep */
  uint64_t seq;         /* of the request under way */
};

/* For serve_alarm(); NULL until the worker serves. */
static struct server *serving;

/* A child that a function has forked. */
static int forked;
static int crash_log = -1;

/* Runs in the child. The log is about the worker: the child's own last words go to
** standard error. Unless the function has closed it, and the number is another
** file's now: that has no seals. */
static void fork_child(void) {
  forked = 1;
  if (fcntl(crash_log, F_GET_SEALS) > 0) dup2(STDERR_FILENO, crash_log);
}

/* The child has come back from the call: that was all that it had to do. */
_Noreturn static void end_child(int rc, struct err *err) {
  char *what = rc ? err_format(err) : NULL;
  if (what) {
    fprintf(stderr, "pyudf: process %d, forked by a function: %s\n",
            (int)getpid(), what);
  }
  _exit(rc ? 1 : 0);
}

/* The arguments of one request. */
struct arguments {
  uint32_t count;
  PyObject *slots[ARGS_MAX + 1]; /* slots[0] is vectorcall's */
  uint64_t pending[ARGS_MAX];    /* length of one that is streamed */
  uint8_t types[ARGS_MAX];       /* its type; VALUE_NULL: not streamed */
};

/* The host's end of the rings is broken or gone: nobody is left to tell. */
_Noreturn static void give_up(void) { _exit(1); }

static void sleep_enter(void *arg) {
  ((struct server *)arg)->saved = PyEval_SaveThread();
}

static void sleep_leave(void *arg) {
  PyEval_RestoreThread(((struct server *)arg)->saved);
}

static void reply_error(struct server *server, uint64_t seq, struct err *err) {
  struct value values[WIRE_ERR_FIELDS];
  struct wire_head head = {.type = WIRE_ERROR, .seq = seq};
  wire_put_err(err, values);
  if (wire_send(&server->wire, &head, values, WIRE_ERR_FIELDS, NULL)) give_up();
  err_clear(err);
}

/* The result, or what went wrong (rc -1). */
static void reply(struct server *server, uint64_t seq, int rc,
                  const struct value *result, struct err *err) {
  if (forked) end_child(rc, err);
  if (!rc && value_is_bytes(result) &&
      result->len > shm_max_len_get(server->shm.control)) {
    rc = err_set(err, ERR_TOOBIG,
                 "a result of %llu bytes is over SQLite's limit",
                 (unsigned long long)result->len);
  }
  if (rc) {
    reply_error(server, seq, err);
    return;
  }
  struct wire_head head = {.type = WIRE_RESULT, .seq = seq};
  if (wire_send(&server->wire, &head, result, 1, NULL)) give_up();
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

/* An exception while arguments were converted. */
static int failed(struct server *server, const struct callable *callable,
                  struct err *err) {
  return error_take(server->space->session,
                    callable ? callable->function : NULL, err);
}

static void read_stream(struct server *server, void *to, uint64_t len) {
  if (wire_read(&server->wire, to, len, NULL)) give_up();
}

/* A streamed TEXT as a new NUL-terminated string (malloc). */
static char *read_text(struct server *server, uint64_t len, struct err *err) {
  char *text = malloc(len + 1);
  read_stream(server, text, len);
  if (!text) {
    err_nomem(err);
    return NULL;
  }
  text[len] = 0;
  return text;
}

/* A streamed argument as an object; NULL and err set. `callable` NULL: eval's. */
static PyObject *read_object(struct server *server,
                             const struct callable *callable, uint32_t i,
                             enum value_type type, uint64_t len,
                             struct err *err) {
  if (type == VALUE_BLOB) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    read_stream(server, bytes ? PyBytes_AsString(bytes) : NULL, len);
    PyObject *object = argument_bytes(callable, i, bytes);
    if (!object) failed(server, callable, err);
    return object;
  }
  char *text = read_text(server, len, err);
  if (!text) return NULL;
  struct value value = value_bytes(type, text, len);
  PyObject *object = argument(callable, i, &value);
  if (!object) failed(server, callable, err);
  free(text);
  return object;
}

static void arguments_fini(struct arguments *arguments) {
  for (uint32_t i = 0; i < arguments->count; i++) {
    Py_XDECREF(arguments->slots[i + 1]);
  }
}

/* All of the message's remaining values and their streams. After a failure the
** rest is still read, so that the next message is found. */
static int receive(struct server *server, struct codec_reader *reader,
                   const struct callable *callable, struct arguments *arguments,
                   struct err *err) {
  uint32_t count = 0;
  int rc = err->code ? -1 : 0;
  while (reader->at < reader->end) {
    struct value value;
    if (count == ARGS_MAX || codec_get(reader, &value)) give_up();
    int streamed = (value.flags & VALUE_STREAMED) != 0;
    arguments->types[count] = streamed ? (uint8_t)value.type : VALUE_NULL;
    arguments->pending[count] = value.len;
    PyObject *object = NULL;
    if (!streamed && !rc) {
      object = argument(callable, count, &value);
      if (!object) rc = failed(server, callable, err);
    }
    arguments->slots[++count] = object;
  }
  arguments->count = count;
  wire_done(&server->wire);
  for (uint32_t i = 0; i < count; i++) {
    if (arguments->types[i] == VALUE_NULL) continue;
    if (rc) {
      read_stream(server, NULL, arguments->pending[i]);
      continue;
    }
    arguments->slots[i + 1] =
        read_object(server, callable, i, (enum value_type)arguments->types[i],
                    arguments->pending[i], err);
    if (!arguments->slots[i + 1]) rc = -1;
  }
  if (rc) arguments_fini(arguments);
  return rc;
}

static void serve_call(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct value result;
  struct err err = {0};
  /* A value is CODEC_HEAD bytes at least. */
  uint32_t argc = 0;
  struct codec_reader counter = *reader;
  struct value value;
  while (counter.at < counter.end && !codec_get(&counter, &value)) argc++;
  struct callable *callable =
      call_find(server->space, head->a, head->b, argc, &err);
  int rc = receive(server, reader, callable, &arguments, &err);
  if (!rc) {
    rc = call_vector(server->space, callable, arguments.slots + 1, argc,
                     &result, &err);
  }
  reply(server, head->seq, rc, &result, &err);
  if (!rc && (result.flags & VALUE_HELD))
    server->runtime->release(server->space);
}

/* The expression travels as the first argument. */
static void serve_eval(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct value result;
  struct err err = {0};
  int rc = receive(server, reader, NULL, &arguments, &err);
  if (!rc) {
    if (!arguments.count) give_up();
    PyObject *args = PyTuple_New((Py_ssize_t)arguments.count - 1);
    for (uint32_t i = 1; args && i < arguments.count; i++) {
      Py_INCREF(arguments.slots[i + 1]);
      PyTuple_SetItem(args, (Py_ssize_t)i - 1, arguments.slots[i + 1]);
    }
    const char *text = PyUnicode_AsUTF8AndSize(arguments.slots[1], NULL);
    rc = args && text ? call_eval(server->space, text, args, &result, &err)
                      : failed(server, NULL, &err);
    Py_XDECREF(args);
    arguments_fini(&arguments);
  }
  reply(server, head->seq, rc, &result, &err);
  if (!rc && (result.flags & VALUE_HELD))
    server->runtime->release(server->space);
}

/* The fields as strings of their own: source may be long, and streamed. */
static struct definition *read_definition(struct server *server,
                                          struct codec_reader *reader,
                                          struct err *err) {
  struct value values[DEFINITION_FIELDS];
  char *texts[DEFINITION_FIELDS] = {0};
  for (int i = 0; i < DEFINITION_FIELDS; i++) {
    if (codec_get(reader, &values[i])) give_up();
    if (values[i].flags & VALUE_STREAMED) continue;
    texts[i] = value_strdup(&values[i]);
    values[i].data = values[i].type == VALUE_TEXT ? texts[i] : values[i].data;
  }
  wire_done(&server->wire);
  for (int i = 0; i < DEFINITION_FIELDS; i++) {
    if (!(values[i].flags & VALUE_STREAMED)) continue;
    texts[i] = read_text(server, values[i].len, err);
    values[i] = value_text(texts[i]);
  }
  struct definition *definition =
      err->code ? NULL : definition_from_values(values, err);
  for (int i = 0; i < DEFINITION_FIELDS; i++) free(texts[i]);
  return definition;
}

static void serve_define(struct server *server, const struct wire_head *head,
                         struct codec_reader *reader) {
  struct err err = {0};
  struct buf manifest = {0};
  struct definition *definition = read_definition(server, reader, &err);
  int rc = definition ? server->runtime->define(server->space, definition,
                                                &manifest, &err)
                      : -1;
  if (!rc && manifest.failed) rc = err_nomem(&err);
  struct value result = value_bytes(VALUE_BLOB, manifest.data, manifest.len);
  reply(server, head->seq, rc, &result, &err);
  definition_free(definition);
  buf_fini(&manifest);
}

static void serve_version(struct server *server, const struct wire_head *head) {
  struct value result;
  struct err err = {0};
  int rc = server->runtime->version(server->space, &result, &err);
  reply(server, head->seq, rc, &result, &err);
  if (!rc) server->runtime->release(server->space);
}

/* Without a space (python_path is wrong, say) every request fails alike. */
static void refuse(struct server *server, const struct wire_head *head,
                   struct codec_reader *reader) {
  struct value value;
  uint64_t drop = 0;
  while (reader->at < reader->end && !codec_get(reader, &value)) {
    if (value.flags & VALUE_STREAMED) drop += value.len;
  }
  wire_done(&server->wire);
  read_stream(server, NULL, drop);
  if (head->type == WIRE_FORGET) return;
  struct value values[WIRE_ERR_FIELDS];
  struct wire_head answer = {.type = WIRE_ERROR, .seq = head->seq};
  wire_put_err(&server->space_err, values);
  if (wire_send(&server->wire, &answer, values, WIRE_ERR_FIELDS, NULL)) {
    give_up();
  }
}

static void serve_one(struct server *server) {
  struct wire_head head;
  struct codec_reader reader;
  server->wire.wait.spin_us = shm_spin_us_get(server->shm.control);
  if (wire_recv(&server->wire, &head, &reader, NULL)) give_up();
  server->seq = head.seq;
  if (head.type == WIRE_QUIT) {
    if (server->space) server->runtime->space_free(server->space);
    _exit(0);
  }
  if (!server->space) {
    refuse(server, &head, &reader);
    return;
  }
  switch (head.type) {
    case WIRE_CALL:
      serve_call(server, &head, &reader);
      break;
    case WIRE_EVAL:
      serve_eval(server, &head, &reader);
      break;
    case WIRE_DEFINE:
      serve_define(server, &head, &reader);
      break;
    case WIRE_FORGET:
      wire_done(&server->wire);
      server->runtime->forget(server->space, head.a);
      break;
    case WIRE_VERSION:
      wire_done(&server->wire);
      serve_version(server, &head);
      break;
    default:
      give_up();
  }
}

/* What has to be done in Python in a fresh worker. */
static void after_fork(int crash_fd) {
  PyObject *module = PyImport_ImportModule("pyudf._worker");
  PyObject *done =
      module ? PyObject_CallMethod(module, "after_fork", "i", crash_fd) : NULL;
  if (!done) PyErr_Print();
  Py_XDECREF(done);
  Py_XDECREF(module);
}

/* Beyond it Python raises MemoryError, where it can. */
static void limit_memory(uint32_t mib) {
  struct rlimit limit = {(rlim_t)mib << 20, (rlim_t)mib << 20};
  if (mib) setrlimit(RLIMIT_AS, &limit);
}

_Noreturn void serve_run(int shm_fd, int crash_fd, const char *path) {
  struct server server = {.runtime = pyudf_runtime()};
  after_fork(crash_fd);
  if (shm_open_fd(shm_fd, &server.shm, NULL)) give_up();
  close(shm_fd);
  shm_rings(&server.shm, SHM_WORKER, &server.wire.out, &server.wire.in);
  server.wire.wait = (struct ring_wait){
      .arg = &server, .sleep_enter = sleep_enter, .sleep_leave = sleep_leave};
  server.space = server.runtime->space_new(path, &server.space_err);
  limit_memory(shm_memory_limit_get(server.shm.control));
  serving = &server;
  crash_log = crash_fd;
  pthread_atfork(NULL, NULL, fork_child);
  for (;;) serve_one(&server);
}

PyObject *serve_alarm(PyObject *module, PyObject *none) {
  (void)module;
  (void)none;
  switch (serving ? shm_alarm_get(serving->shm.control, serving->seq)
                  : SHM_ALARM_NONE) {
    case SHM_ALARM_TIMEOUT:
      PyErr_SetString(PyExc_TimeoutError, "the call took too long");
      return NULL;
    case SHM_ALARM_INTERRUPT:
      PyErr_SetNone(PyExc_KeyboardInterrupt);
      return NULL;
    default:
      Py_RETURN_NONE;
  }
}
