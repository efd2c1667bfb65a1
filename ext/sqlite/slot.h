/* slot.h - a SQL function as SQLite knows it, and what it stands for
**
** A slot is registered with SQLite under a name and a number of arguments and
** stays until the connection closes; the Python function it stands for comes
** and goes. Owned by the registry. The functions are counted: slots hold them,
** and so do calls under way.
**
** HOW IT WORKS. python_define runs inside a statement, and SQLite neither
** replaces nor deletes a function while one runs. So a function that is defined
** again is put into its slot. What SQLite itself holds to at registration (the
** kind, deterministic, direct_only, innocuous: the slot's shape) cannot change
** that way, but SQLite keeps one function for each preferred encoding and takes
** the one that suits the database best; which encoding means nothing to us. The
** first shape is therefore registered for the encoding that suits least, and two
** more can outdo it. A call in a statement compiled earlier keeps its shape.
** (sqlite3FindFunction and matchQuality, the same in 3.35 to 3.54; tested by
** test_session.c.)
*/
#ifndef PYUDF_SLOT_H
#define PYUDF_SLOT_H

#include "../base/definition.h"
#include "../engine/engine.h"
#include "program.h"
#include "sqlite.h"

struct session;

/* What the calls of a function came to. See metrics.h. */
struct metrics {
  uint64_t calls;
  uint64_t rows; /* that a table function gave; else as calls */
  uint64_t errors;
  uint64_t time_ns;
  uint32_t since; /* calls since the last one that was timed, with it */
  uint32_t skip;  /* calls that are not timed, from here on */
};

/* A function's compiled code, once its engine has said whether it has any that may
** be called here. */
struct code {
  const struct native *native; /* NULL: none */
  const struct engine *engine; /* who said so; NULL: nobody yet */
  uint64_t epoch;              /* of the settings then, */
  uint32_t made;               /* and its definitions */
};

/* A function that a definition made. */
struct function {
  struct function_spec spec;
  struct engine_function id;
  struct program_item *item;
  struct session *session;
  struct metrics metrics;
  uint32_t workers; /* that its last map was spread over; 0: there was none */
  struct code code;
  uint32_t refs;
  uint32_t slots;                /* that stand for it */
  struct function *next, **link; /* in the registry, in order of definition */
};

/* What nargs may be beside a number. */
enum { SLOT_VARARGS = -1, SLOT_TABLE = -2 };
enum { SLOT_ENCODINGS = 3 };

struct shape;

struct slot {
  struct session *session;
  struct function *function; /* NULL: an empty slot */
  struct function *last;     /* dropped, for the statements that run */
  sqlite3_context *seen;     /* the caller that is known to be tracked, */
  uint64_t seen_at;          /* at this count of session.statements */
  uint32_t users;            /* running statements that called it */
  int nargs;                 /* or SLOT_VARARGS, SLOT_TABLE */
  struct shape *shape;       /* of a table function's module; NULL: none yet */
  int replaced;              /* the host's function took the place of a shape */
  int beside; /* there is one of the host's beside them: see foreign.h */
  uint32_t shapes[SLOT_ENCODINGS + 1]; /* by encoding; 0: not registered */
  char *name;
  uint32_t hash; /* of the name; this and next are slots.c's */
  struct slot *next;
};

/* Encodings, from the one that suits a database least to its own. */
typedef const uint8_t *slot_order;
slot_order slot_order_of(sqlite3 *db);

/* A new function with one ref; takes the strings of spec. It stays in
** program_item as long as it lives. */
struct function *function_new(struct session *session,
                              struct program_item *item, uint32_t index,
                              struct function_spec *spec);
void function_ref(struct function *function);
void function_unref(struct function *function);

struct slot *slot_new(struct session *session, const char *name, int nargs);
void slot_free(struct slot *slot);

/* 1 where slot_bind() could give it the shape of this function. */
int slot_can_bind(const struct slot *slot, const struct function_spec *spec,
                  slot_order order);

/* Registers the shape with SQLite, unless it is the one in force. */
int slot_bind(struct slot *slot, const struct function_spec *spec,
              slot_order order, struct err *err);

/* Stands for `function` from now on; NULL empties it. */
void slot_set(struct slot *slot, struct function *function);

/* A running statement begins, or ends, to count as a user. */
void slot_use(struct slot *slot);
void slot_unuse(struct slot *slot);

#endif
