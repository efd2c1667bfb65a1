/* registry.c - the functions and the slots of one session: see registry.h */
#include "registry.h"

#include <stdlib.h>

#include "nearest.h"

void registry_fini(struct registry *registry) { slots_fini(&registry->slots); }

void registry_add(struct registry *registry, struct function *function) {
  if (!registry->end) registry->end = &registry->functions;
  function->link = registry->end;
  *function->link = function;
  registry->end = &function->next;
}

void registry_remove(struct registry *registry, struct function *function) {
  *function->link = function->next;
  if (function->next) {
    function->next->link = function->link;
  } else {
    registry->end = function->link;
  }
}

int registry_drop(struct registry *registry, const char *name,
                  struct err *err) {
  int dropped = 0;
  struct slot *slot = NULL;
  while ((slot = slots_named(&registry->slots, name, slot))) {
    if (!slot->function) continue;
    slot_set(slot, NULL);
    dropped = 1;
  }
  return dropped ? 0 : registry_no_function(registry, name, err);
}

int registry_no_function(const struct registry *registry, const char *name,
                         struct err *err) {
  struct nearest nearest = {.wanted = name};
  struct slot *slot = NULL;
  while ((slot = slots_next(&registry->slots, slot))) {
    if (slot->function) nearest_offer(&nearest, slot->name);
  }
  char *hint = nearest_hint(&nearest);
  err_set(err, ERR_USAGE, "no such python function: %.255s%s", name,
          hint ? hint : "");
  free(hint);
  return -1;
}
