/* registry.h - the functions and the slots of one session
*/
#ifndef PYUDF_REGISTRY_H
#define PYUDF_REGISTRY_H

#include "slot.h"

/* Starts as {0}. */
struct registry {
  struct slot *slots;         /* known to SQLite; each name and number of
                              ** arguments once */
  struct function *functions; /* all that live */
};

void registry_fini(struct registry *registry);

/* See slot_find(). */
struct slot *registry_slot(const struct registry *registry, const char *name,
                           int nargs);

/* Empties all slots of a name. Fails, with the nearest name, where none stands
** for anything. */
int registry_drop(struct registry *registry, const char *name, struct err *err);

/* What a call of an empty slot says. */
int registry_no_function(const struct registry *registry, const char *name,
                         struct err *err);

#endif
