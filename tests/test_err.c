/* test_err.c - errors keep their first cause, and are cut at their limits */
#include <stdlib.h>
#include <string.h>

#include "../ext/base/err.h"
#include "tap.h"

static void format_is(const struct err *err, const char *wanted) {
  char *text = err_format(err);
  if (!ok(text && !strcmp(text, wanted), "%s", wanted)) printf("# %s\n", text);
  free(text);
}

/* The message a user sees is not the one of the design. */
static void test_format(void) {
  struct err err = {0};
  err_set_exception(&err, ERR_PYTHON, "ValueError", "bad input", 9,
                    "/home/me/slug.py", 12, NULL, 0);
  format_is(&err, "ValueError: bad input (slug.py:12)");
  err_clear(&err);
  err_set_exception(&err, ERR_PYTHON, "KeyError", NULL, 0, NULL, 0, NULL, 0);
  format_is(&err, "KeyError");
  err_clear(&err);
  err_nomem(&err);
  format_is(&err, "out of memory");
  err_clear(&err);
  err_set(&err, ERR_CRASH, "worker %d was killed", 5);
  err_set(&err, ERR_SYSTEM, "later");
  ok(err.code == ERR_CRASH, "the first cause stays");
  format_is(&err, "worker 5 was killed");
  err_clear(&err);
  ok(!err.code && !err.text, "and is gone once cleared");
}

/* A message of 100 MB goes to SQLite, or is cut inside a character. */
static void test_cut(void) {
  size_t len = 1000000;
  char *big = malloc(len);
  for (size_t i = 0; i < len; i++) big[i] = i % 2 ? (char)0xa9 : (char)0xc3;
  big[1] = 'x';
  big[2] = 0;
  struct err err = {0};
  err_set_exception(&err, ERR_PYTHON, "E", big, len, NULL, 0, big, len);
  size_t text_len = strlen(err.text);
  ok(text_len < ERR_TEXT_MAX && text_len > ERR_TEXT_MAX - 16,
     "a long text is cut at its limit: %zu", text_len);
  ok(!strcmp(err.text + text_len - 3, "...") &&
         err.text[text_len - 4] == (char)0xa9,
     "after a whole character");
  ok(err.text[2] == ' ', "a NUL becomes a space");
  size_t traceback_len = strlen(err.traceback);
  ok(traceback_len <= ERR_TRACEBACK_MAX && strstr(err.traceback, "\n  ...\n"),
     "a long traceback loses its middle: %zu", traceback_len);
  err_clear(&err);
  free(big);
}

/* A host that takes messages for UTF-8 fails over them: Python's sqlite3 raises
** UnicodeDecodeError in place of the error. */
static void test_not_utf8(void) {
  static const struct {
    const char *text, *mended;
  } texts[] = {{"a\xff\xfe!", "a?\?!"},
               {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
               {"\x80\x80", "??"},
               {"\xc0\x80", "??"},
               {"\xed\xa0\x80", "???"},
               {"\xe0\x80\x80", "???"},
               {"\xf4\x90\x80\x80", "????"},
               {"\xf0\x9f\x98", "???"},
               {"\xe2\x82", "??"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct err err = {0}, raised = {0};
    const char *text = texts[i].text, *mended = texts[i].mended;
    err_set(&err, ERR_SYSTEM, "%s", text);
    err_set_exception(&raised, ERR_PYTHON, text, text, strlen(text), text, 1,
                      text, strlen(text));
    ok(!strcmp(err.text, mended) && !strcmp(raised.text, mended) &&
           !strcmp(raised.type, mended) && !strcmp(raised.file, mended) &&
           !strcmp(raised.traceback, mended),
       "what is no UTF-8 becomes question marks: %s", mended);
    err_clear(&err);
    err_clear(&raised);
  }
}

int main(void) {
  test_format();
  test_cut();
  test_not_utf8();
  ok(!strcmp(err_code_name(ERR_CRASH), "crash") &&
         !strcmp(err_code_name((enum err_code)99), "unknown"),
     "codes have names");
  return tap_done();
}
