/* program.c - the definitions that a session has: see program.h */
#include "program.h"

#include <stdlib.h>
#include <string.h>

static void item_free(struct program_item *item) {
  definition_free(item->definition);
  free(item);
}

void program_fini(struct program *program) {
  for (uint32_t i = 0; i < program->list.count; i++) {
    item_free(program->items[i]);
  }
  free(program->items);
  free(program->list.items);
}

uint64_t program_next_serial(const struct program *program) {
  return program->last_serial + 1;
}

static int id_taken(const struct program *program, uint32_t id) {
  for (uint32_t i = 0; i < program->list.count; i++) {
    if (program->items[i]->definition->id == id) return 1;
  }
  return 0;
}

uint32_t program_free_id(const struct program *program) {
  uint32_t id = 0;
  while (id_taken(program, id)) id++;
  return id;
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
  program->size = size;
  return 0;
}

struct program_item *program_add(struct program *program,
                                 struct program_item *item) {
  uint32_t at = program->list.count++;
  program->items[at] = item;
  program->list.items[at] = item->definition;
  program->last_serial = item->definition->serial;
  program->list.last_serial = item->definition->serial;
  item->refs = 1;
  return item;
}

void program_ref(struct program_item *item) { item->refs++; }

void program_unref(struct program *program, struct program_item *item) {
  if (--item->refs == 0) program->dead++;
}

static void take_away(struct program *program, uint32_t at) {
  struct engine_program *list = &program->list;
  uint32_t after = --list->count - at;
  memmove(&program->items[at], &program->items[at + 1],
          after * sizeof *program->items);
  memmove(&list->items[at], &list->items[at + 1], after * sizeof *list->items);
  list->last_serial = list->count ? list->items[list->count - 1]->serial : 0;
  program->dead--;
}

void program_sweep(struct program *program,
                   void (*forget)(void *arg, uint32_t definition_id),
                   void *arg) {
  uint32_t i = 0;
  while (i < program->list.count) {
    struct program_item *item = program->items[i];
    if (item->refs) {
      i++;
      continue;
    }
    forget(arg, item->definition->id); /* may add to the list */
    take_away(program, i);
    item_free(item);
  }
}
