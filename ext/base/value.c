/* value.c - one SQL value, borrowed: see value.h */
#include "value.h"

#include <stdlib.h>
#include <string.h>

struct value value_text(const char *text) {
  return text ? value_bytes(VALUE_TEXT, text, strlen(text)) : value_null();
}

char *value_strdup(const struct value *value) {
  if (value->type != VALUE_TEXT) return NULL;
  char *copy = malloc(value->len + 1);
  if (!copy) return NULL;
  if (value->len) memcpy(copy, value->data, value->len);
  copy[value->len] = 0;
  return copy;
}
