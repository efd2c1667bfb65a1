/* runtime.h - what the runtime offers to C
**
** The runtime is the extension module _runtime.abi3.so (ext/python/), the one
** part that knows Python.h. The thread engine finds this table by
** dlsym("pyudf_runtime"); the worker loop, which lives in the runtime, calls
** the same functions.
**
** CONTRACT. Every function but `start`, `attach` and `detach` wants the GIL:
** the caller is between attach() and detach(). None of them leaves a Python
** exception set. Arguments are borrowed. A result whose VALUE_HELD flag is set
** points into an object that the space keeps until release() or the next call.
*/
#ifndef PYUDF_RUNTIME_H
#define PYUDF_RUNTIME_H

#include <stdint.h>

#include "batch.h"
#include "buf.h"
#include "definition.h"
#include "err.h"
#include "tablecall.h"
#include "native.h"
#include "value.h"

enum { RUNTIME_ABI = 7 }; /* grows with every change to this file */

enum runtime_raise {
  RUNTIME_RAISE_NOTHING = 0,
  RUNTIME_RAISE_INTERRUPT = 1, /* KeyboardInterrupt */
  RUNTIME_RAISE_TIMEOUT = 2    /* TimeoutError */
};

/* The Python side of one session: its modules and its functions. */
struct runtime_space;

/* One group of an aggregate function: its state. */
struct runtime_group;

/* One call of a table function: what its rows come from. */
struct runtime_rows;

struct runtime {
  uint32_t abi;
  uint32_t size; /* sizeof(struct runtime) */

  /* Once a process, Python being initialised: imports the package pyudf from
  ** the directory `package_parent`, whatever else of that name is about.
  ** `owned` is 1 where Python is ours: standard output and input are then led
  ** away from the host's. Takes the GIL itself and gives it back. */
  int (*start)(const char *package_parent, int owned, struct err *err);

  /* Takes the GIL for this host thread. The first time a thread that Python
  ** does not know comes by, a thread state is made and pinned to it, for the
  ** thread's life. Nests. */
  void (*attach)(void);
  void (*detach)(void);

  /* A session's namespace. `path`: entries for the front of sys.path, NULL for
  ** none. NULL and err set on failure. */
  struct runtime_space *(*space_new)(const char *path, struct err *err);
  void (*space_free)(struct runtime_space *space);

  /* Makes a definition: appends its manifest to `manifest`. Where
  ** definition->expect is set, the functions come in that order, or it fails.
  ** An id that is taken is replaced. */
  int (*define)(struct runtime_space *space,
                const struct definition *definition, struct buf *manifest,
                struct err *err);
  void (*forget)(struct runtime_space *space, uint32_t definition_id);

  /* Calls a scalar function. */
  int (*call)(struct runtime_space *space, uint32_t definition_id,
              uint32_t index, const struct value *argv, uint32_t argc,
              struct value *result, struct err *err);

  /* Evaluates an expression, the arguments being a0, a1, ... */
  int (*eval)(struct runtime_space *space, const char *expression,
              const struct value *argv, uint32_t argc, struct value *result,
              struct err *err);

  /* "CPython 3.11.7 (/usr/bin/python3.11)": new text held by the space. */
  int (*version)(struct runtime_space *space, struct value *result,
                 struct err *err);

  /* A new group of an aggregate function. `windowed` 1: rows may leave it, and it
  ** may have values before its last. `argc`: arguments of a call. NULL and err set on failure. It outlives
  ** its definition. */
  struct runtime_group *(*group_new)(struct runtime_space *space,
                                     uint32_t definition_id, uint32_t index,
                                     int windowed, uint32_t argc,
                                     struct err *err);

  /* A row comes, or (inverse 1) the one that came first leaves. */
  int (*group_step)(struct runtime_space *space, struct runtime_group *group,
                    const struct value *argv, uint32_t argc, int inverse,
                    struct err *err);

  /* Its value now, or (last 1) at its end: only group_free() may follow. */
  int (*group_value)(struct runtime_space *space, struct runtime_group *group,
                     int last, struct value *result, struct err *err);

  /* Its state as a BLOB, for group_merge() in this or another process: nothing
  ** but group_free() may follow. */
  int (*group_part)(struct runtime_space *space, struct runtime_group *group,
                    struct value *result, struct err *err);

  /* Adds the rows of another group of the function's: one whose state this is. */
  int (*group_merge)(struct runtime_space *space, struct runtime_group *group,
                     const struct value *part, struct err *err);

  /* NULL-safe. */
  void (*group_free)(struct runtime_group *group);

  /* Calls a table function. NULL and err set on failure. It outlives its
  ** definition. */
  struct runtime_rows *(*rows_new)(struct runtime_space *space,
                                   uint32_t definition_id, uint32_t index,
                                   const struct tablecall *call,
                                   struct err *err);

  /* The next row, one value a column, held until the next call for these rows;
  ** what is not used comes as NULL. Returns 1, 0 at the end, or -1; after both there
  ** is no other. */
  int (*rows_next)(struct runtime_space *space, struct runtime_rows *rows,
                   struct value *values, struct err *err);

  /* Ends it: a generator that is not at its end is closed. An exception that this
  ** raises is -1. NULL-safe. */
  int (*rows_free)(struct runtime_space *space, struct runtime_rows *rows,
                   struct err *err);

  /* Runs a function for every row of a batch. Appends to `out`, row by row, the
  ** values of its columns (of a table function's: first how many rows, as an
  ** INTEGER, then these). *done: rows whose values are there, counted while it
  ** runs: others look at it meanwhile. On failure that is
  ** the number of the row that failed; 0 of a batch function, of which all did.
  ** With BATCH_BYTES of values it may end early, with *done < rows, and 0; where
  ** options->stopped() says so too, with -1 and ERR_INTERRUPT. */
  int (*map)(struct runtime_space *space, uint32_t definition_id,
             uint32_t index, const struct batch *in,
             const struct batch_options *options, struct buf *out,
             uint32_t *done, struct err *err);

  /* The compiled code of a function that is FUNCTION_NATIVE, to be called without
  ** the GIL; NULL where that goes through Python alone. Lives as long as the
  ** definition is neither forgotten nor made again, and the space is there. */
  const struct native *(*native)(struct runtime_space *space,
                                 uint32_t definition_id, uint32_t index);

  /* 1 where an exception may be raised in the thread that Python knows as
  ** `thread` (Linux: its pthread_t); 0: to be tried again. May leave the GIL
  ** meanwhile. */
  int (*may_raise)(unsigned long thread);

  /* Has one raised there, at its next instruction; RUNTIME_RAISE_NOTHING takes
  ** one back that was not raised yet. Runs no Python. */
  void (*raise)(unsigned long thread, enum runtime_raise what);

  /* Lets go of what a VALUE_HELD result points into. */
  void (*release)(struct runtime_space *space);
};

/* The one symbol that _runtime.abi3.so exports beside PyInit__runtime. */
const struct runtime *pyudf_runtime(void);

#endif
