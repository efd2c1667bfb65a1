/* registry.c - the functions and the slots of one session: see registry.h */
#include "registry.h"

#include <stdlib.h>

#include "nearest.h"

void registry_fini(struct registry *registry) {
  while (registry->slots) {
    struct slot *slot = registry->slots;
    registry->slots = slot->next;
    slot_free(slot);
  }
}

struct slot *registry_slot(const struct registry *registry, const char *name,
                           int nargs) {
  return slot_find(registry->slots, name, nargs);
}

int registry_drop(struct registry *registry, const char *name,
                  struct err *err) {
  int dropped = 0;
  for (struct slot *slot = registry->slots; slot; slot = slot->next) {
    if (!slot->function || sqlite3_stricmp(slot->name, name)) continue;
    slot_set(slot, NULL);
    dropped = 1;
  }
  return dropped ? 0 : registry_no_function(registry, name, err);
}

int registry_no_function(const struct registry *registry, const char *name,
                         struct err *err) {
  struct nearest nearest = {.wanted = name};
  for (struct slot *slot = registry->slots; slot; slot = slot->next) {
    if (slot->function) nearest_offer(&nearest, slot->name);
  }
  char *hint = nearest_hint(&nearest);
  err_set(err, ERR_USAGE, "no such python function: %.255s%s", name,
          hint ? hint : "");
  free(hint);
  return -1;
}
