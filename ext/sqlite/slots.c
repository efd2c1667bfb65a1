/* slots.c - slots, found by their names: see slots.h */
#include "slots.h"

#include <stdlib.h>

#include "slot.h"

enum { CHAINS_MIN = 64 };

/* FNV-1a over the name in lower case. */
static uint32_t hash_of(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; name++) {
    uint8_t c = (uint8_t)*name;
    hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
  }
  return hash;
}

static uint32_t chain_count(const struct slots *slots) {
  return slots->chains ? slots->size : 1;
}

static struct slot **chain(const struct slots *slots, uint32_t hash) {
  return slots->chains ? &slots->chains[hash & (slots->size - 1)]
                       : (struct slot **)(uintptr_t)&slots->only;
}

static void put(struct slots *slots, struct slot *slot) {
  struct slot **at = chain(slots, slot->hash);
  slot->next = *at;
  *at = slot;
}

/* Without memory the chains just get longer. */
static void grow(struct slots *slots) {
  uint32_t size = slots->chains ? slots->size * 2 : CHAINS_MIN;
  struct slots more = {calloc(size, sizeof *more.chains), NULL, size, 0};
  if (!more.chains) return;
  for (uint32_t i = 0; i < chain_count(slots); i++) {
    struct slot *slot = *chain(slots, i), *next;
    for (; slot; slot = next) {
      next = slot->next;
      put(&more, slot);
    }
  }
  more.count = slots->count;
  free(slots->chains);
  *slots = more;
}

void slots_add(struct slots *slots, struct slot *slot) {
  if (slots->count >= chain_count(slots)) grow(slots);
  slot->hash = hash_of(slot->name);
  put(slots, slot);
  slots->count++;
}

int slots_take(struct slots *slots, struct slot *slot) {
  struct slot **at = chain(slots, slot->hash);
  while (*at && *at != slot) at = &(*at)->next;
  if (!*at) return 0;
  *at = slot->next;
  slots->count--;
  return 1;
}

struct slot *slots_named(const struct slots *slots, const char *name,
                         const struct slot *after) {
  uint32_t hash = hash_of(name);
  struct slot *slot = after ? after->next : *chain(slots, hash);
  while (slot && (slot->hash != hash || sqlite3_stricmp(slot->name, name))) {
    slot = slot->next;
  }
  return slot;
}

struct slot *slots_find(const struct slots *slots, const char *name,
                        int nargs) {
  struct slot *slot = slots_named(slots, name, NULL);
  while (slot && slot->nargs != nargs) slot = slots_named(slots, name, slot);
  return slot;
}

struct slot *slots_next(const struct slots *slots, const struct slot *after) {
  struct slot *slot = after ? after->next : NULL;
  uint32_t i = after ? (after->hash & (chain_count(slots) - 1)) + 1 : 0;
  while (!slot && i < chain_count(slots)) slot = *chain(slots, i++);
  return slot;
}

void slots_fini(struct slots *slots) {
  for (uint32_t i = 0; i < chain_count(slots); i++) {
    struct slot *slot = *chain(slots, i), *next;
    for (; slot; slot = next) {
      next = slot->next;
      slot_free(slot);
    }
  }
  free(slots->chains);
  *slots = (struct slots){0};
}
