/* registry.h - the functions and the slots of one session
*/
#ifndef PYUDF_REGISTRY_H
#define PYUDF_REGISTRY_H

#include "slot.h"
#include "slots.h"

/* Starts as {0}. */
struct registry {
  struct slots slots; /* known to SQLite; each name and number of arguments
                      ** once */
  struct function *functions; /* all that live, in order of definition */
  struct function **end;      /* where the next one is hung up; NULL at first */
};

void registry_fini(struct registry *registry);

/* For function_new() and function_unref(). */
void registry_add(struct registry *registry, struct function *function);
void registry_remove(struct registry *registry, struct function *function);

/* Empties all slots of a name. Fails, with the nearest name, where none stands
** for anything. */
int registry_drop(struct registry *registry, const char *name, struct err *err);

/* What a call of an empty slot says. */
int registry_no_function(const struct registry *registry, const char *name,
                         struct err *err);

#endif
