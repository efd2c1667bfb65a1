/*
 * text.c: growable byte strings, and the allocator of the runner.
 *
 * A test runner that is out of memory cannot say anything useful about the tests: text_allocate ends the process, and
 * nobody else has to check.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *text_allocate(void *old, size_t len) {
  void *data = realloc(old, len ? len : 1);

  if (!data) {
    fputs("sqltest: out of memory\n", stderr);
    exit(2);
  }
  return data;
}

static void text_reserve(struct text *text, size_t more) {
  size_t need = text->len + more + 1;

  if (need <= text->capacity) return;
  if (need < text->capacity * 2) need = text->capacity * 2;
  if (need < 64) need = 64;
  text->data = text_allocate(text->data, need);
  text->capacity = need;
}

void text_fini(struct text *text) {
  free(text->data);
  memset(text, 0, sizeof *text);
}

void text_clear(struct text *text) {
  text->len = 0;
  text_reserve(text, 0);
  text->data[0] = 0;
}

void text_append(struct text *text, const char *data, size_t len) {
  text_reserve(text, len);
  if (len) memcpy(text->data + text->len, data, len);
  text->len += len;
  text->data[text->len] = 0;
}

void text_append_string(struct text *text, const char *string) {
  text_append(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...) {
  va_list args;
  int len;

  va_start(args, format);
  len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len < 0) return;
  text_reserve(text, (size_t)len);
  va_start(args, format);
  vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
  va_end(args);
  text->len += (size_t)len;
}

const char *text_get(const struct text *text) {
  return text->data ? text->data : "";
}
