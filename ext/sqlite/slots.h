/* slots.h - slots, found by their names
**
** A hash table, chained through the slots themselves: adding one never fails.
** Owns what is in it. ASCII case does not matter, as in SQLite.
*/
#ifndef PYUDF_SLOTS_H
#define PYUDF_SLOTS_H

#include <stdint.h>

struct slot;

/* Starts as {0}. */
struct slots {
  struct slot **chains; /* NULL: `only` is the one chain */
  struct slot *only;
  uint32_t size; /* chains, a power of two */
  uint32_t count;
};

/* Frees the slots too. */
void slots_fini(struct slots *slots);

void slots_add(struct slots *slots, struct slot *slot);

/* Takes it out, where it is in; 1 if it was. */
int slots_take(struct slots *slots, struct slot *slot);

/* NULL where there is none. */
struct slot *slots_find(const struct slots *slots, const char *name, int nargs);

/* One after the other, those of a name or all: `after` is the last one, NULL at
** first. None may be added or taken meanwhile. */
struct slot *slots_named(const struct slots *slots, const char *name,
                         const struct slot *after);
struct slot *slots_next(const struct slots *slots, const struct slot *after);

#endif
