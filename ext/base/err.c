/* err.c - what went wrong, said once: see err.h */
#include "err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char cut_mark[] = "...";

/* The end of the longest prefix of at most `max` bytes that does not cut a
** UTF-8 sequence in two. */
static size_t utf8_prefix(const char *text, size_t len, size_t max) {
  if (len <= max) return len;
  while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80) max--;
  return max;
}

/* Bytes of the UTF-8 sequence that text begins with, 0 where it is none. */
static size_t utf8_sequence(const unsigned char *text, size_t len) {
  unsigned char c = text[0];
  if (c < 0x80) return 1;
  size_t want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || want > len) return 0;
  for (size_t i = 1; i < want; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  /* Too long for what it says, a surrogate, or over U+10FFFF. */
  if ((c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F) ||
      (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F)) {
    return 0;
  }
  return want;
}

/* An error message is a C string and UTF-8 for every reader, whatever a program
** printed or a worker sent: NUL bytes become spaces, bytes that are no UTF-8
** question marks. */
static void mend(char *text, size_t len) {
  for (size_t i = 0, n; i < len; i += n ? n : 1) {
    n = utf8_sequence((const unsigned char *)text + i, len - i);
    if (!n) text[i] = '?';
    if (!text[i]) text[i] = ' ';
  }
}

/* A new string of at most max bytes; NULL for NULL. */
static char *copy_cut(const char *text, size_t len, size_t max) {
  if (!text) return NULL;
  size_t keep = utf8_prefix(text, len, max - sizeof cut_mark);
  char *copy = malloc(keep + sizeof cut_mark);
  if (!copy) return NULL;
  memcpy(copy, text, keep);
  mend(copy, keep);
  if (keep < len) {
    memcpy(copy + keep, cut_mark, sizeof cut_mark);
  } else {
    copy[keep] = 0;
  }
  return copy;
}

/* As copy_cut, but the middle is left out: a traceback's first and last lines
** say most. */
static char *copy_without_middle(const char *text, size_t len, size_t max) {
  static const char gap[] = "\n  ...\n";
  if (!text || len <= max) return copy_cut(text, len, max + sizeof cut_mark);
  size_t head = utf8_prefix(text, len, max / 2);
  const char *tail = text + len - (max / 2 - sizeof gap);
  while (tail < text + len && ((unsigned char)*tail & 0xC0) == 0x80) tail++;
  size_t tail_len = (size_t)(text + len - tail);
  char *copy = malloc(head + sizeof gap + tail_len);
  if (!copy) return NULL;
  memcpy(copy, text, head);
  memcpy(copy + head, gap, sizeof gap - 1);
  memcpy(copy + head + sizeof gap - 1, tail, tail_len);
  copy[head + sizeof gap - 1 + tail_len] = 0;
  mend(copy, head + sizeof gap - 1 + tail_len);
  return copy;
}

int err_set(struct err *err, enum err_code code, const char *format, ...) {
  if (!err || err->code) return -1;
  err->code = code;
  va_list args;
  va_start(args, format);
  char *text = NULL;
  if (vasprintf(&text, format, args) < 0) text = NULL;
  va_end(args);
  if (text && strlen(text) > ERR_TEXT_MAX) {
    err->text = copy_cut(text, strlen(text), ERR_TEXT_MAX);
    free(text);
  } else {
    if (text) mend(text, strlen(text));
    err->text = text;
  }
  return -1;
}

int err_nomem(struct err *err) {
  if (err && !err->code) err->code = ERR_NOMEM;
  return -1;
}

int err_system(struct err *err, int errnum, const char *what) {
  return err_set(err, ERR_SYSTEM, "%s: %s", what, strerror(errnum));
}

int err_set_exception(struct err *err, enum err_code code, const char *type,
                      const char *text, size_t text_len, const char *file,
                      int line, const char *traceback, size_t traceback_len) {
  if (!err || err->code) return -1;
  err->code = code;
  err->line = line;
  err->type = type ? copy_cut(type, strlen(type), 256) : NULL;
  err->text = copy_cut(text ? text : "", text ? text_len : 0, ERR_TEXT_MAX);
  err->file = file ? copy_cut(file, strlen(file), 4096) : NULL;
  err->traceback =
      copy_without_middle(traceback, traceback_len, ERR_TRACEBACK_MAX);
  return -1;
}

void err_set_traceback(struct err *err, const char *text, size_t len) {
  free(err->traceback);
  err->traceback = copy_without_middle(text, len, ERR_TRACEBACK_MAX);
}

void err_take(struct err *to, struct err *from) {
  err_clear(to);
  *to = *from;
  *from = (struct err){0};
}

void err_clear(struct err *err) {
  if (!err) return;
  free(err->type);
  free(err->text);
  free(err->file);
  free(err->traceback);
  *err = (struct err){0};
}

char *err_format(const struct err *err) {
  const char *text = err->text ? err->text : "";
  if (err->code == ERR_NOMEM && !*text && !err->type) text = "out of memory";
  const char *base = err->file ? strrchr(err->file, '/') : NULL;
  base = base ? base + 1 : err->file;
  char *message = NULL;
  int n;
  if (err->type && base && err->line > 0) {
    n = asprintf(&message, "%s%s%s (%s:%d)", err->type, *text ? ": " : "", text,
                 base, err->line);
  } else if (err->type) {
    n = asprintf(&message, "%s%s%s", err->type, *text ? ": " : "", text);
  } else {
    n = asprintf(&message, "%s", text);
  }
  return n < 0 ? NULL : message;
}

const char *err_code_name(enum err_code code) {
  static const char *const names[] = {"none",   "python",    "usage",   "nomem",
                                      "toobig", "interrupt", "timeout", "crash",
                                      "system", "nomem"};
  size_t i = (size_t)code;
  return i < sizeof names / sizeof *names ? names[i] : "unknown";
}
