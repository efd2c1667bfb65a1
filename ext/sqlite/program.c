/* program.c - the definitions that a session has: see program.h */
#include "program.h"

#include <assert.h>
#include <stdlib.h>

static void item_free(struct program_item *item) {
  definition_free(item->definition);
  free(item);
}

void program_fini(struct program *program) {
  for (uint32_t i = 0; i < program->list.count; i++) {
    if (program->items[i]) item_free(program->items[i]);
  }
  free(program->items);
  free(program->free_ids);
  free(program->list.items);
}

uint64_t program_next_serial(const struct program *program) {
  return program->last_serial + 1;
}

uint32_t program_free_id(const struct program *program) {
  return program->free_count ? program->free_ids[program->free_count - 1]
                             : program->ids;
}

int program_reserve(struct program *program, struct err *err) {
  if (program->list.count < program->size) return 0;
  uint32_t size = program->size * 2 + 8;
  struct program_item **items =
      realloc(program->items, size * sizeof *program->items);
  if (!items) return err_nomem(err);
  program->items = items;
  const struct definition **list =
      realloc(program->list.items, size * sizeof *program->list.items);
  if (!list) return err_nomem(err);
  program->list.items = list;
  uint32_t *ids = realloc(program->free_ids, size * sizeof *ids);
  if (!ids) return err_nomem(err);
  program->free_ids = ids;
  program->size = size;
  return 0;
}

struct program_item *program_add(struct program *program,
                                 struct program_item *item) {
  uint32_t at = program->list.count++;
  assert(item->definition->id == program_free_id(program));
  if (program->free_count) {
    program->free_count--;
  } else {
    program->ids++;
  }
  program->items[at] = item;
  program->list.items[at] = item->definition;
  item->at = at;
  program->last_serial = item->definition->serial;
  program->list.last_serial = item->definition->serial;
  item->refs = 1;
  return item;
}

void program_ref(struct program_item *item) { item->refs++; }

void program_unref(struct program *program, struct program_item *item) {
  if (--item->refs) return;
  item->next = program->dead;
  program->dead = item;
}

/* There is room in free_ids: as many ids as that are never in use. */
static void take_away(struct program *program,
                      const struct program_item *item) {
  struct engine_program *list = &program->list;
  program->free_ids[program->free_count++] = item->definition->id;
  program->items[item->at] = NULL;
  list->items[item->at] = NULL;
  program->gaps++;
  while (list->count && !list->items[list->count - 1]) {
    list->count--;
    program->gaps--;
  }
  list->last_serial = list->count ? list->items[list->count - 1]->serial : 0;
}

/* Closes the gaps. */
static void compact(struct program *program) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < program->list.count; i++) {
    struct program_item *item = program->items[i];
    if (!item) continue;
    item->at = count;
    program->items[count] = item;
    program->list.items[count++] = item->definition;
  }
  program->list.count = count;
  program->gaps = 0;
}

void program_sweep(struct program *program,
                   void (*forget)(void *arg, uint32_t definition_id),
                   void *arg) {
  while (program->dead) {
    struct program_item *item = program->dead;
    program->dead = item->next;
    forget(arg, item->definition->id); /* may add to both lists */
    take_away(program, item);
    item_free(item);
  }
  if (program->gaps > program->list.count / 2) compact(program);
}
