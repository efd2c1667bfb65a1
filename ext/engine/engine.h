/* engine.h - what runs functions for a session
**
** The interface between the SQLite side and the two engines. The thread engine
** (thread.c) calls the runtime in the host process; the process engine
** (process.c) has a worker do it. Neither knows SQLite; what they need of it
** comes as callbacks in struct engine_host.
**
** An engine belongs to one session and is entered by one thread at a time
** (SQLite's connection mutex sees to it), but not always by the same thread.
** It may be entered again from inside a call.
*/
#ifndef PYUDF_ENGINE_H
#define PYUDF_ENGINE_H

#include <stdint.h>

#include "../base/batch.h"
#include "../base/buf.h"
#include "../base/definition.h"
#include "../base/err.h"
#include "../base/tablecall.h"
#include "../base/native.h"
#include "../base/value.h"

enum engine_mode { ENGINE_PROCESS = 0, ENGINE_THREAD = 1 };
enum { ENGINE_MODES = 2 };

/* The session's definitions that are to be made again in a fresh worker or in
** the other engine, in order of `serial`. The session owns list and items. */
struct engine_program {
  const struct definition **items; /* NULL: a gap; the last one is none */
  uint32_t count;
  uint64_t
      last_serial; /* of the newest item, 0 with none: one compare a call */
};

/* Settings that the engines look at. The session owns the strings and may
** change them between calls; it then adds 1 to `epoch`, and the engine starts
** anew (worker and definitions) at the next call. The numbers need no epoch. */
struct engine_settings {
  uint64_t epoch;
  const char *executable; /* path of the Python */
  const char *path;       /* entries for the front of sys.path, ':' between */
  const char *preload;    /* modules to import before forking, ',' between */
  int system_env;         /* 1: workers inherit the environment */
  uint32_t spin_us;       /* spin so long before sleeping */
  uint32_t memory_limit_mib; /* a worker may map so much; 0: any */
  uint32_t max_calls;        /* a worker is replaced after so many; 0: never */
  uint32_t timeout_ms; /* longest call, 0: any; a function's own goes first */
  uint32_t workers;    /* that a parallel aggregate is spread over */
};

/* What an engine gets from its session; all of it outlives the engine. */
struct engine_host {
  void *arg;
  const struct engine_program *program;
  const struct engine_settings *settings;
  const char *package_parent;   /* directory that holds the package pyudf */
  uint64_t max_len;             /* longest TEXT or BLOB; checked before alloc */
  void *(*alloc)(uint64_t len); /* for VALUE_OWNED results */
  void (*free)(void *data);
  int (*interrupted)(void *arg); /* 1 once sqlite3_interrupt() was called */
  /* The same, to be asked from any thread; NULL where only the calling thread
  ** can know: then a function in this process is not interrupted. */
  int (*interrupted_anywhere)(void *arg);
};

struct engine;

/* The engines of a session that share its work: pool.h. */
struct pool;

/* A function as an engine knows it. */
struct engine_function {
  uint32_t definition_id;
  uint32_t index;      /* in the definition's manifest */
  uint32_t timeout_ms; /* of its own; 0: the settings' */
  const char *name;    /* to be shown */
};

/* A group of an aggregate function, as an engine keeps it. */
struct engine_group;

/* A call of a table function, as an engine keeps it. */
struct engine_rows;
enum engine_map_state {
  ENGINE_MAP_NEW = 0,
  ENGINE_MAP_SENT = 1,   /* the engine has it: hands off */
  ENGINE_MAP_DONE = 2,   /* `done` rows of it, not always all: runtime.h */
  ENGINE_MAP_FAILED = 3, /* of its first `done` rows there are values */
  ENGINE_MAP_BACK = 4    /* it was not begun: its worker died of another's */
};

/* A batch that a function is mapped over. Who sends it fills in the first part;
** it stays where it is, and its bytes, until it is back. */
struct engine_map {
  struct batch in;
  struct batch_options options; /* `stopped` is the engine's */
  uint32_t columns;             /* of the result */
  int table; /* 1: of a table function: any number of rows for each */
  enum engine_map_state state;
  uint32_t done;
  int lost; /* 1: it failed as the worker did not end it: of which row is not known */
  struct buf out;   /* the values are appended: see runtime.h */
  uint64_t time_ns; /* that it took */
  struct err err;
  struct engine_map *next; /* the engine's */
};

struct engine_ops {
  void (*close)(struct engine *engine);
  int (*define)(struct engine *engine, const struct definition *definition,
                struct manifest **manifest, struct err *err);
  void (*forget)(struct engine *engine, uint32_t definition_id);
  int (*call)(struct engine *engine, const struct engine_function *function,
              const struct value *argv, uint32_t argc, struct value *result,
              struct err *err);
  int (*eval)(struct engine *engine, const char *expression,
              const struct value *argv, uint32_t argc, struct value *result,
              struct err *err);
  int (*version)(struct engine *engine, struct value *result, struct err *err);
  struct engine_group *(*group_new)(struct engine *engine,
                                    const struct engine_function *function,
                                    int windowed, uint32_t argc,
                                    struct err *err);
  int (*group_step)(struct engine *engine,
                    const struct engine_function *function,
                    struct engine_group *group, const struct value *argv,
                    uint32_t argc, int inverse, struct err *err);
  int (*group_value)(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_group *group, int last, struct value *result,
                     struct err *err);
  int (*group_part)(struct engine *engine,
                    const struct engine_function *function,
                    struct engine_group *group, struct value *result,
                    struct err *err);
  int (*group_merge)(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_group *group, const struct value *part,
                     struct err *err);
  void (*group_free)(struct engine *engine,
                     const struct engine_function *function,
                     struct engine_group *group);
  struct engine_rows *(*rows_open)(struct engine *engine,
                                   const struct engine_function *function,
                                   const struct tablecall *call,
                                   uint32_t columns, struct err *err);
  int (*rows_next)(struct engine *engine,
                   const struct engine_function *function,
                   struct engine_rows *rows, const struct value **values,
                   struct err *err);
  int (*rows_close)(struct engine *engine,
                    const struct engine_function *function,
                    struct engine_rows *rows, struct err *err);
  void (*map_send)(struct engine *engine,
                   const struct engine_function *function,
                   struct engine_map *map);
  int (*map_has_room)(struct engine *engine, uint64_t len);
  void (*map_stop)(struct engine *engine, const struct engine_map *map);
  int (*native)(struct engine *engine, const struct engine_function *function,
                const struct native **native); /* NULL: there is none */
  void (*release)(struct engine *engine);
  void (*statement_end)(struct engine *engine);
};

/* The head of every engine. */
struct engine {
  const struct engine_ops *ops;
  const struct engine_host *host;
  uint32_t natives; /* calls under way of code that engine_native() gave */
  uint32_t made;    /* definitions so far: with each, that code may go */
};

/* Milliseconds that a call may take, 0 for any: a function's own, or what the
** settings say. */
static inline uint32_t engine_timeout(const struct engine *engine,
                                      uint32_t own_ms) {
  return own_ms ? own_ms : engine->host->settings->timeout_ms;
}

/* A new engine; starts nothing yet: Python or a worker comes up at the first
** use. Fails for no memory only. */
int engine_open(enum engine_mode mode, const struct engine_host *host,
                struct engine **engine, struct err *err);

/* An engine for groups alone, those of functions that are FUNCTION_PARALLEL: it
** deals a group's rows to several workers, the pool's members, or in the host to
** several states. The pool outlives it. */
int engine_open_parallel(struct pool *pool, struct engine **engine,
                         struct err *err);

/* Ends what it started. NULL-safe. */
static inline void engine_close(struct engine *engine) {
  if (engine) engine->ops->close(engine);
}

/* Makes a definition that is not (yet) in the program, after those that are.
** *manifest is new, for manifest_free(). */
static inline int engine_define(struct engine *engine,
                                const struct definition *definition,
                                struct manifest **manifest, struct err *err) {
  return engine->ops->define(engine, definition, manifest, err);
}

/* The definition left the program and nothing calls it any more; its id may be
** used again. */
static inline void engine_forget(struct engine *engine,
                                 uint32_t definition_id) {
  engine->ops->forget(engine, definition_id);
}

/* Calls a scalar function that is in the program. The result is borrowed until
** engine_release() where VALUE_HELD is set, the caller's where VALUE_OWNED is. */
static inline int engine_call(struct engine *engine,
                              const struct engine_function *function,
                              const struct value *argv, uint32_t argc,
                              struct value *result, struct err *err) {
  return engine->ops->call(engine, function, argv, argc, result, err);
}

static inline int engine_eval(struct engine *engine, const char *expression,
                              const struct value *argv, uint32_t argc,
                              struct value *result, struct err *err) {
  return engine->ops->eval(engine, expression, argv, argc, result, err);
}

/* "CPython 3.11.7 (/usr/bin/python3.11)" as TEXT. */
static inline int engine_version(struct engine *engine, struct value *result,
                                 struct err *err) {
  return engine->ops->version(engine, result, err);
}

/* A new group of an aggregate function that is in the program. `windowed` 1: rows
** may leave it, and it may have values before its last; its calls have `argc` arguments. For engine_group_free(),
** while the engine is open. The calls below get the same function. */
static inline struct engine_group *engine_group_new(
    struct engine *engine, const struct engine_function *function, int windowed,
    uint32_t argc, struct err *err) {
  return engine->ops->group_new(engine, function, windowed, argc, err);
}

/* A row comes, or (inverse 1) the one that came first leaves. An error of this
** row's may come at a later call for the group; no row is run after it. */
static inline int engine_group_step(struct engine *engine,
                                    const struct engine_function *function,
                                    struct engine_group *group,
                                    const struct value *argv, uint32_t argc,
                                    int inverse, struct err *err) {
  return engine->ops->group_step(engine, function, group, argv, argc, inverse,
                                 err);
}

/* The group's value now, or (last 1) at its end; the result as of
** engine_call(). */
static inline int engine_group_value(struct engine *engine,
                                     const struct engine_function *function,
                                     struct engine_group *group, int last,
                                     struct value *result, struct err *err) {
  return engine->ops->group_value(engine, function, group, last, result, err);
}

/* The state of a group that has had its last row, as a BLOB for
** engine_group_merge() with an engine of the same session. */
static inline int engine_group_part(struct engine *engine,
                                    const struct engine_function *function,
                                    struct engine_group *group,
                                    struct value *result, struct err *err) {
  return engine->ops->group_part(engine, function, group, result, err);
}

/* Adds such a state. An error may come at a later call for the group. */
static inline int engine_group_merge(struct engine *engine,
                                     const struct engine_function *function,
                                     struct engine_group *group,
                                     const struct value *part,
                                     struct err *err) {
  return engine->ops->group_merge(engine, function, group, part, err);
}

/* NULL-safe. */
static inline void engine_group_free(struct engine *engine,
                                     const struct engine_function *function,
                                     struct engine_group *group) {
  if (group) engine->ops->group_free(engine, function, group);
}

/* Calls a table function that is in the program and has so many columns. For
** engine_rows_close(), while the engine is open; the calls below get the same
** function. An error of the call's may come with its first row. */
static inline struct engine_rows *engine_rows_open(
    struct engine *engine, const struct engine_function *function,
    const struct tablecall *call, uint32_t columns, struct err *err) {
  return engine->ops->rows_open(engine, function, call, columns, err);
}

/* The next row: 1, and *values are its columns', borrowed until the next call for
** these rows; 0 at the end; -1. Nothing comes after these two. */
static inline int engine_rows_next(struct engine *engine,
                                   const struct engine_function *function,
                                   struct engine_rows *rows,
                                   const struct value **values,
                                   struct err *err) {
  return engine->ops->rows_next(engine, function, rows, values, err);
}

/* Ends the call: a generator that is not at its end is closed now. What that
** raises is -1. NULL-safe. */
static inline int engine_rows_close(struct engine *engine,
                                    const struct engine_function *function,
                                    struct engine_rows *rows, struct err *err) {
  return rows ? engine->ops->rows_close(engine, function, rows, err) : 0;
}

/* Begins to run a scalar or table function for a batch. In process mode it comes
** back later (engine_map_wait()), unless it cannot be sent; in thread mode at once.
** Several may be on their way, in an engine too: they are run in order, and any
** other use of the engine waits for them. */
static inline void engine_map_send(struct engine *engine,
                                   const struct engine_function *function,
                                   struct engine_map *map) {
  engine->ops->map_send(engine, function, map);
}

/* 1 where a batch of that length can be sent beside those on their way without a
** wait. */
static inline int engine_map_has_room(struct engine *engine, uint64_t len) {
  return engine->ops->map_has_room(engine, len);
}

/* A batch on its way is not wanted any more: it comes back soon, with an error. */
static inline void engine_map_stop(struct engine *engine,
                                   const struct engine_map *map) {
  engine->ops->map_stop(engine, map);
}

enum { ENGINE_MAP_WAIT_MAX = 128 };

/* Waits until a batch that one of these engines has is back, for at most most_ms.
** Each has one on its way; they are of one mode. */
void engine_map_wait(struct engine *const *engines, uint32_t count,
                     uint32_t most_ms);

/* The compiled code of a function that is FUNCTION_NATIVE, which the caller may
** call by itself (native.h), with `natives` one more meanwhile, as long as the
** function is in the program, and settings->epoch and `made` stay; NULL where it is to use
** engine_call(). Returns 0 where that cannot be said now. After a call of it. */
static inline int engine_native(struct engine *engine,
                                const struct engine_function *function,
                                const struct native **native) {
  return engine->ops->native ? engine->ops->native(engine, function, native)
                             : 0;
}

/* Lets go of a VALUE_HELD result: to be called once it has been copied, before
** anything else is asked of the engine. */
static inline void engine_release(struct engine *engine) {
  engine->ops->release(engine);
}

/* A statement that called functions has ended: what was kept from row to row
** (the GIL) is given back. */
static inline void engine_statement_end(struct engine *engine) {
  engine->ops->statement_end(engine);
}

#endif
