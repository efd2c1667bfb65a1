/* server.h - what a worker works with: its end of the wire, and a request's arguments
**
** Values that lie in a message become Python objects straight from the ring;
** those that are streamed are read into the object they become (BLOB), into a
** buffer (TEXT) or into a set of rows of the worker's own, once the message has
** been read.
**
** A function may fork: its child must not answer in the worker's place.
*/
#ifndef PYUDF_SERVER_H
#define PYUDF_SERVER_H

#include "../base/runtime.h"
#include "../base/shm.h"
#include "../base/wire.h"
#include "call.h"
#include "py.h"

enum { SERVER_ARGS_MAX = 1024 };

struct server_group;
struct server_table;

struct server {
  const struct runtime *runtime;
  struct runtime_space *space;
  struct err space_err; /* why there is no space: the answer to every request */
  struct shm shm;
  struct wire wire;
  PyThreadState *saved;        /* while asleep */
  uint64_t seq;                /* of the request under way */
  enum shm_alarm alarm;        /* what was raised since it began */
  struct server_group *groups; /* by number: groups.c */
  uint32_t group_count;
  struct server_table *tables; /* by number: tables.c */
  uint32_t table_count;
};

/* The arguments of one request. */
struct arguments {
  uint32_t count;
  PyObject *slots[2]; /* ours to use, before the first */
  PyObject *args[SERVER_ARGS_MAX];
  uint64_t pending[SERVER_ARGS_MAX]; /* length of one that is streamed */
  uint8_t types[SERVER_ARGS_MAX];    /* its type; VALUE_NULL: not streamed */
};

/* How many values are left in the message. */
uint32_t server_count(const struct codec_reader *reader);

/* All of the message's remaining values and their streams, as objects. `callable`
** NULL: as python_eval has them. Where err is set already, or for a failure, the
** rest is still read, so that the next message is found. */
int arguments_receive(struct server *server, struct codec_reader *reader,
                      const struct callable *callable,
                      struct arguments *arguments, struct err *err);
void arguments_fini(struct arguments *arguments);

/* Reads a stream; to NULL it is dropped. */
void server_read_stream(struct server *server, void *to, uint64_t len);

/* A streamed TEXT as a new NUL-terminated string (malloc). */
char *server_read_text(struct server *server, uint64_t len, struct err *err);

/* An exception while arguments were converted. */
int server_failed(struct server *server, const struct callable *callable,
                  struct err *err);

/* Where the host had an exception raised: the error is told as what it is. */
void server_name_alarm(const struct server *server, struct err *err);

/* What SQLite does not take is an error: -1. */
int server_check(const struct server *server, const struct value *value,
                 struct err *err);

/* The result, or what went wrong (rc -1); in a child that a function has forked,
** its end. */
void server_reply(struct server *server, uint64_t seq, int rc,
                  const struct value *result, struct err *err);

/* In such a child, where there is no reply: its end. */
void server_end_child(int rc, struct err *err);

/* The host's end of the rings is broken or gone: nobody is left to tell. */
_Noreturn void server_give_up(void);

/* Before the first request: a child will know that it is one. */
void server_watch_forks(int crash_log);

#endif
