/*
 * label.c: the labels of a file's queries. All results under one label must be the same, told by their MD5.
 */
#include "label.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static struct label *label_slot(struct label *slots, size_t capacity,
                                const char *name) {
  uint64_t h = 14695981039346656037u;
  size_t i;

  for (const char *p = name; *p; p++)
    h = (h ^ (unsigned char)*p) * 1099511628211u;
  for (i = (size_t)h & (capacity - 1);
       slots[i].name && strcmp(slots[i].name, name);
       i = (i + 1) & (capacity - 1))
    ;
  return &slots[i];
}

static void label_grow(struct label_table *table) {
  size_t capacity = table->capacity ? table->capacity * 2 : 64;
  struct label *slots = text_allocate(NULL, capacity * sizeof *slots);

  memset(slots, 0, capacity * sizeof *slots);
  for (size_t i = 0; i < table->capacity; i++)
    if (table->slots[i].name)
      *label_slot(slots, capacity, table->slots[i].name) = table->slots[i];
  free(table->slots);
  table->slots = slots;
  table->capacity = capacity;
}

/* NULL: the label is new or has the same hash. Otherwise what it stood for first. The name must outlive the table. */
const struct label *label_check(struct label_table *table, const char *name,
                                const char *hash, size_t line) {
  struct label *slot;

  if (table->count * 2 >= table->capacity) label_grow(table);
  slot = label_slot(table->slots, table->capacity, name);
  if (slot->name) return strcmp(slot->hash, hash) ? slot : NULL;
  slot->name = name;
  slot->line = line;
  memcpy(slot->hash, hash, sizeof slot->hash);
  table->count++;
  return NULL;
}

void label_table_fini(struct label_table *table) {
  free(table->slots);
  memset(table, 0, sizeof *table);
}
