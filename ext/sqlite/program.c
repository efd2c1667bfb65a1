/* program.c - the definitions that a session has: see program.h */
#include "program.h"

#include <stdlib.h>

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

void program_sweep(struct program *program,
                   void (*forget)(void *arg, uint32_t definition_id),
                   void *arg) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < program->list.count; i++) {
    struct program_item *item = program->items[i];
    if (item->refs) {
      program->items[kept] = item;
      program->list.items[kept++] = item->definition;
    }  else {
      forget(arg, item->definition->id);
      item_free(item);
    }
  }
  program->list.count = kept;
  program->list.last_serial =
      kept ? program->list.items[kept - 1]->serial : 0;
  program->dead = 0;
}
