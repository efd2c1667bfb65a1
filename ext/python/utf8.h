/* utf8.h - UTF-8 and code points
**
** As CPython's surrogateescape has it: a byte that is no UTF-8 is one code point,
** U+DC80 to U+DCFF, and goes back as that byte. No Python in here.
*/
#ifndef PYUDF_UTF8_H
#define PYUDF_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Code points in the text. */
size_t utf8_count(const uint8_t *text, size_t len);

/* 1 where all of it is UTF-8. */
int utf8_valid(const uint8_t *text, size_t len);

/* Writes the utf8_count() code points of the text. */
void utf8_decode(const uint8_t *text, size_t len, uint32_t *to);

/* Bytes of the text that the code points are; SIZE_MAX where one is none. */
size_t utf8_size(const uint32_t *points, size_t count);

/* Writes these bytes; returns the one after them. */
uint8_t *utf8_encode(const uint32_t *points, size_t count, uint8_t *to);

#endif
