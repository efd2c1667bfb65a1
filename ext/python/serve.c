/* serve.c - the worker's loop: requests in, replies out: see serve.h. The other
** end is ext/engine/worker.c; wire.h says what is spoken.
**
** The GIL is held but for sleeping, so that the functions' own threads can run
** then.
*/
#include "serve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compiled.h"
#include "groups.h"
#include "maps.h"
#include "server.h"
#include "tables.h"

/* For serve_alarm(); NULL until the worker serves. */
static struct server *serving;

static void sleep_enter(void *arg) {
  ((struct server *)arg)->saved = PyEval_SaveThread();
}

static void sleep_leave(void *arg) {
  PyEval_RestoreThread(((struct server *)arg)->saved);
}

/* A compiled function gets numbers, or fails: no objects are made. */
static int call_compiled(struct server *server, struct codec_reader *reader,
                         const struct callable *callable, uint32_t argc,
                         struct value *result, struct err *err) {
  struct value values[CALL_ARGS_MAX];
  uint64_t streamed = 0;
  for (uint32_t i = 0; i < argc; i++) {
    if (codec_get(reader, &values[i])) server_give_up();
    if (values[i].flags & VALUE_STREAMED) streamed += values[i].len;
  }
  wire_done(&server->wire);
  server_read_stream(server, NULL, streamed);
  return compiled_call(server->space, callable, values, argc, result, err);
}

static void serve_call(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct value result;
  struct err err = {0};
  uint32_t argc = server_count(reader);
  struct callable *callable =
      call_find(server->space, head->a, head->b, argc, &err);
  int rc;
  if (callable && callable->native) {
    rc = call_compiled(server, reader, callable, argc, &result, &err);
  } else {
    rc = arguments_receive(server, reader, callable, &arguments, &err);
    if (!rc) {
      rc = call_vector(server->space, callable, arguments.args, argc, &result,
                       &err);
    }
  }
  server_reply(server, head->seq, rc, &result, &err);
  if (!rc && (result.flags & VALUE_HELD))
    server->runtime->release(server->space);
}

/* The expression travels as the first argument. */
static void serve_eval(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct value result;
  struct err err = {0};
  int rc = arguments_receive(server, reader, NULL, &arguments, &err);
  if (!rc) {
    if (!arguments.count) server_give_up();
    PyObject *args = PyTuple_New((Py_ssize_t)arguments.count - 1);
    for (uint32_t i = 1; args && i < arguments.count; i++) {
      Py_INCREF(arguments.args[i]);
      PyTuple_SetItem(args, (Py_ssize_t)i - 1, arguments.args[i]);
    }
    const char *text = PyUnicode_AsUTF8AndSize(arguments.args[0], NULL);
    rc = args && text ? call_eval(server->space, text, args, &result, &err)
                      : server_failed(server, NULL, &err);
    Py_XDECREF(args);
    arguments_fini(&arguments);
  }
  server_reply(server, head->seq, rc, &result, &err);
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
    if (codec_get(reader, &values[i])) server_give_up();
    if (values[i].flags & VALUE_STREAMED) continue;
    texts[i] = value_strdup(&values[i]);
    values[i].data = values[i].type == VALUE_TEXT ? texts[i] : values[i].data;
  }
  wire_done(&server->wire);
  for (int i = 0; i < DEFINITION_FIELDS; i++) {
    if (!(values[i].flags & VALUE_STREAMED)) continue;
    texts[i] = server_read_text(server, values[i].len, err);
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
  server_reply(server, head->seq, rc, &result, &err);
  definition_free(definition);
  buf_fini(&manifest);
}

static void serve_version(struct server *server, const struct wire_head *head) {
  struct value result;
  struct err err = {0};
  int rc = server->runtime->version(server->space, &result, &err);
  server_reply(server, head->seq, rc, &result, &err);
  if (!rc) server->runtime->release(server->space);
}

/* Without a space (python_path is wrong, say) every request fails alike. */
static void refuse(struct server *server, const struct wire_head *head,
                   struct codec_reader *reader) {
  struct value value;
  uint64_t drop = 0;
  while (reader->at < reader->end && !codec_get_argument(reader, &value)) {
    if (value.flags & VALUE_STREAMED) drop += value.len;
  }
  wire_done(&server->wire);
  server_read_stream(server, NULL, drop);
  if (head->type == WIRE_FORGET || groups_has_no_reply(head->type)) return;
  struct value values[WIRE_ERR_FIELDS];
  struct wire_head answer = {.type = WIRE_ERROR, .seq = head->seq};
  wire_put_err(&server->space_err, values);
  if (wire_send(&server->wire, &answer, values, WIRE_ERR_FIELDS, NULL)) {
    server_give_up();
  }
}

static void serve_one(struct server *server) {
  struct wire_head head;
  struct codec_reader reader;
  server->wire.wait.spin_us = shm_spin_us_get(server->shm.control);
  if (wire_recv(&server->wire, &head, &reader, NULL)) server_give_up();
  server->seq = head.seq;
  server->alarm = SHM_ALARM_NONE;
  if (head.type == WIRE_QUIT) {
    groups_free(server);
    tables_free(server);
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
    case WIRE_MAP:
      maps_serve(server, &head, &reader);
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
      server_end_child(0, NULL);
      break;
    case WIRE_VERSION:
      wire_done(&server->wire);
      serve_version(server, &head);
      break;
    default:
      if (groups_serve(server, &head, &reader) &&
          tables_serve(server, &head, &reader)) {
        server_give_up();
      }
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
  if (shm_open_fd(shm_fd, &server.shm, NULL)) server_give_up();
  close(shm_fd);
  shm_rings(&server.shm, SHM_WORKER, &server.wire.out, &server.wire.in);
  server.wire.wait = (struct ring_wait){
      .arg = &server, .sleep_enter = sleep_enter, .sleep_leave = sleep_leave};
  server.space = server.runtime->space_new(path, &server.space_err);
  limit_memory(shm_memory_limit_get(server.shm.control));
  serving = &server;
  server_watch_forks(crash_fd);
  for (;;) serve_one(&server);
}

PyObject *serve_alarm(PyObject *module, PyObject *none) {
  (void)module;
  (void)none;
  enum shm_alarm alarm = serving
                             ? shm_alarm_get(serving->shm.control, serving->seq)
                             : SHM_ALARM_NONE;
  if (serving) serving->alarm = alarm;
  switch (alarm) {
    case SHM_ALARM_TIMEOUT:
      PyErr_SetString(PyExc_TimeoutError, "the call took too long");
      return NULL;
    case SHM_ALARM_INTERRUPT:
      PyErr_SetNone(PyExc_KeyboardInterrupt);
      return NULL;
    case SHM_ALARM_STOP:
      PyErr_SetNone(PyExc_GeneratorExit);
      return NULL;
    default:
      Py_RETURN_NONE;
  }
}
