/* plan.h - a change of the registry, all or nothing
**
** What python_define, python_import and python_reload made goes into a plan; all
** that can fail happens before plan_commit(), which cannot. Until then code of the
** user's may run that defines and drops by itself, on the same connection: a plan
** therefore owns its new slots until SQLite knows them.
*/
#ifndef PYUDF_PLAN_H
#define PYUDF_PLAN_H

#include "../base/buf.h"
#include "registry.h"

/* A slot and what it will stand for. */
struct plan_entry {
  struct slot *slot;         /* the registry's or the plan's */
  struct function *function; /* with a ref */
};

struct plan {
  struct session *session;
  slot_order order;
  struct plan_entry *entries;
  uint32_t count;
  uint32_t size;
  struct slots slots;             /* new ones, until plan_bind() */
  int looked;                     /* foreign_mark() was called */
  struct program_item **replaced; /* reloaded definitions */
  uint32_t replaced_count;
};

void plan_init(struct plan *plan, struct session *session);

/* Frees it, and the slots that were not registered. */
void plan_fini(struct plan *plan);

/* Puts a definition's functions in; takes their strings out of the manifest.
** `replaces`, if not NULL, is the definition that this one is of anew: then only
** what still is the old one's, or was not in it, is put in. */
int plan_add(struct plan *plan, struct program_item *item,
             struct manifest *manifest, struct program_item *replaces,
             struct err *err);

/* Registers with SQLite what has to be. */
int plan_bind(struct plan *plan, struct err *err);

/* Swaps: from here on calls go to the new functions. */
void plan_commit(struct plan *plan);

/* The names of the functions, once each, with ',' between, in quotes where a call
** wants them. After plan_bind(). */
void plan_names(const struct plan *plan, struct buf *names);

#endif
