/* utf8.c - UTF-8 and code points: see utf8.h */
#include "utf8.h"

#include <string.h>

/* Bytes of ASCII at the front, in whole words but for the end. */
static size_t ascii(const uint8_t *text, size_t len) {
  size_t i = 0;
  for (; len - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, text + i, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) break;
  }
  while (i < len && text[i] < 0x80) i++;
  return i;
}

/* Bytes of the character at the front (len > 0), 0 where there is none. */
static size_t character(const uint8_t *text, size_t len) {
  uint8_t first = text[0];
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (len < size) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  /* Overlong, a surrogate, beyond U+10FFFF. */
  if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) ||
      (first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F)) {
    return 0;
  }
  return size;
}

size_t utf8_count(const uint8_t *text, size_t len) {
  size_t count = 0, i = 0;
  for (;;) {
    size_t run = ascii(text + i, len - i);
    count += run;
    i += run;
    if (i == len) return count;
    size_t size = character(text + i, len - i);
    i += size ? size : 1;
    count++;
  }
}

int utf8_valid(const uint8_t *text, size_t len) {
  size_t i = 0;
  for (;;) {
    i += ascii(text + i, len - i);
    if (i == len) return 1;
    size_t size = character(text + i, len - i);
    if (!size) return 0;
    i += size;
  }
}

void utf8_decode(const uint8_t *text, size_t len, uint32_t *to) {
  for (size_t i = 0; i < len;) {
    const uint8_t *at = text + i;
    size_t size = character(at, len - i);
    switch (size) {
      case 0:
        *to++ = 0xDC00u | *at;
        size = 1;
        break;
      case 1:
        *to++ = *at;
        break;
      case 2:
        *to++ = (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
        break;
      case 3:
        *to++ = (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 |
                (at[2] & 0x3F);
        break;
      default:
        *to++ = (uint32_t)(at[0] & 0x07) << 18 |
                (uint32_t)(at[1] & 0x3F) << 12 | (uint32_t)(at[2] & 0x3F) << 6 |
                (at[3] & 0x3F);
    }
    i += size;
  }
}

static int escaped(uint32_t point) {
  return point >= 0xDC80 && point <= 0xDCFF;
}

size_t utf8_size(const uint32_t *points, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t point = points[i];
    if (point > 0x10FFFF) return SIZE_MAX;
    size += point < 0x80 || escaped(point) ? 1
            : point < 0x800                ? 2
            : point < 0x10000              ? 3
                                           : 4;
  }
  return size;
}

uint8_t *utf8_encode(const uint32_t *points, size_t count, uint8_t *to) {
  for (size_t i = 0; i < count; i++) {
    uint32_t point = points[i];
    if (point < 0x80 || escaped(point)) {
      *to++ = (uint8_t)point;
    } else if (point < 0x800) {
      *to++ = (uint8_t)(0xC0 | point >> 6);
      *to++ = (uint8_t)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      *to++ = (uint8_t)(0xE0 | point >> 12);
      *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
      *to++ = (uint8_t)(0x80 | (point & 0x3F));
    } else {
      *to++ = (uint8_t)(0xF0 | point >> 18);
      *to++ = (uint8_t)(0x80 | (point >> 12 & 0x3F));
      *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3F));
      *to++ = (uint8_t)(0x80 | (point & 0x3F));
    }
  }
  return to;
}
