/*
 * check.c: compares what a record expects with what came, and says where they differ.
 *
 * An expected result that is one line "N values hashing to MD5" is compared by its hash, any other in full; the file's
 * hash-threshold decides nothing.
 */
#include "check.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

enum { CHECK_SHOWN_COUNT = 40, CHECK_SHOWN_LEN = 1000 };

bool check_is_hash(const char *const *expected, size_t count, size_t *values,
                   const char **hash) {
  static const char words[] = " values hashing to ";
  char *end;

  if (count != 1 || !isdigit((unsigned char)**expected)) return false;
  *values = strtoull(*expected, &end, 10);
  if (strncmp(end, words, strlen(words))) return false;
  *hash = end + strlen(words);
  return strlen(*hash) == 32 && strspn(*hash, "0123456789abcdef") == 32;
}

static void check_show(const char *title, const char *const *values,
                       size_t count, size_t first, struct text *why) {
  size_t start =
      first > CHECK_SHOWN_COUNT / 2 ? first - CHECK_SHOWN_COUNT / 2 : 0;

  text_printf(why, "%s (%zu value%s):\n", title, count, count == 1 ? "" : "s");
  if (start > 0) text_append_string(why, "    ...\n");
  for (size_t i = start; i < count && i < start + CHECK_SHOWN_COUNT; i++)
    text_printf(why, "    %.*s%s\n", (int)CHECK_SHOWN_LEN, values[i],
                strlen(values[i]) > CHECK_SHOWN_LEN ? "..." : "");
  if (count > start + CHECK_SHOWN_COUNT) text_append_string(why, "    ...\n");
}

/* 0: equal; otherwise -1, and the difference appended to `why`. */
int check_values(const char *const *expected, size_t expected_count,
                 const char *const *got, size_t got_count, struct text *why) {
  const char *want;
  size_t i, count;
  char hash[33];

  if (check_is_hash(expected, expected_count, &count, &want)) {
    result_hash(got, got_count, hash);
    if (count == got_count && !strcmp(want, hash)) return 0;
    text_printf(why, "wrong hash\nexpected:\n    %s\n", *expected);
    text_printf(why, "got:\n    %zu values hashing to %s\n", got_count, hash);
    check_show("which are", got, got_count, 0, why);
    return -1;
  }
  for (i = 0;
       i < expected_count && i < got_count && !strcmp(expected[i], got[i]); i++)
    ;
  if (i == expected_count && i == got_count) return 0;
  text_printf(why, "wrong result from value %zu on\n", i + 1);
  check_show("expected", expected, expected_count, i, why);
  check_show("got", got, got_count, i, why);
  return -1;
}

/* 0: the extended regex matches somewhere in the message. An empty one matches all. */
int check_regex(const char *regex, const char *message, struct text *why) {
  char problem[200];
  regex_t compiled;
  int rc;

  if (!*regex) return 0;
  rc = regcomp(&compiled, regex, REG_EXTENDED | REG_NOSUB);
  if (rc) {
    regerror(rc, &compiled, problem, sizeof problem);
    text_printf(why, "bad regex: %s: %s\n", regex, problem);
    return -1;
  }
  rc = regexec(&compiled, message, 0, NULL, 0);
  regfree(&compiled);
  if (!rc) return 0;
  text_printf(why,
              "wrong message\nexpected, as a regex:\n    %s\ngot:\n    %s\n",
              regex, message);
  return -1;
}
