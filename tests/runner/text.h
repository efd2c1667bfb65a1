/* text.h: growable byte strings; see text.c. */
#ifndef SQLTEST_TEXT_H
#define SQLTEST_TEXT_H

#include <stddef.h>

/* Always NUL-terminated once anything was appended or cleared; all zero is a valid empty text. */
struct text {
  char *data;
  size_t len; /* bytes, without the final NUL */
  size_t capacity;
};

void *text_allocate(void *old, size_t len);

void text_fini(struct text *text);
void text_clear(struct text *text);
void text_append(struct text *text, const char *data, size_t len);
void text_append_string(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *text_get(const struct text *text);

#endif
