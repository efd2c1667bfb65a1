/* rows.c - the rows of a virtual table, made all at once: see rows.h */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

void rows_add(struct rows *rows, struct value value) {
  if (rows->failed) return;
  if (rows->count == rows->size) {
    uint32_t size = rows->size * 2 + 64;
    struct value *values = realloc(rows->values, size * sizeof *values);
    if (!values) {
      rows->failed = 1;
      return;
    }
    rows->values = values;
    rows->size = size;
  }
  if (value_is_bytes(&value)) {
    void *copy = malloc(value.len + 1);
    if (!copy) {
      rows->failed = 1;
      return;
    }
    if (value.len) memcpy(copy, value.data, value.len);
    value.data = copy;
  }
  rows->values[rows->count++] = value;
}

uint32_t rows_count(const struct rows *rows) {
  return rows->count / rows->columns;
}

const struct value *rows_get(const struct rows *rows, uint32_t row,
                             uint32_t column) {
  return &rows->values[row * rows->columns + column];
}

void rows_clear(struct rows *rows) {
  for (uint32_t i = 0; i < rows->count; i++) {
    if (value_is_bytes(&rows->values[i])) {
      free((void *)(uintptr_t)rows->values[i].data);
    }
  }
  free(rows->values);
  *rows = (struct rows){.columns = rows->columns};
}
