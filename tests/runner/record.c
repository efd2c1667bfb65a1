/*
 * record.c: the grammar of test files: that of SQLite's sqllogictest, and what pyudf's own tests need beside it.
 *
 *   statement ok                    the SQL, which may be several statements, must succeed
 *   statement error [REGEX]         it must fail, with a message that the extended regex matches; the regex may also
 *                                   stand below the SQL, after a line ----
 *   statement count N               it must succeed and change N rows
 *   query TYPES [SORT [LABEL]]      one statement; TYPES has T, I or R for each column, SORT is nosort, rowsort or
 *                                   valuesort; after a line ---- follow the values, one a line, or
 *                                   "N values hashing to MD5"
 *   hash-threshold N                accepted; which form an expected result has is seen from the result itself
 *   halt                            the rest of the file is not run
 *   reopen                          closes and opens the connection
 *
 * An empty line ends a record. Lines before its first one: skipif NAME and onlyif NAME (may be followed by anything),
 * connection NAME. A line that starts with # is a comment, but not where it is an expected value or part of a string
 * literal in the SQL (Python code has such lines). What is skipped is not looked at closely: it may be in a dialect
 * that is not ours. Everything else that is not known is an error.
 */
#include "record.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Cuts the next token off; empty at the end of the line. */
static char *record_token(char **cursor) {
  char *start = *cursor, *end;

  while (isspace((unsigned char)*start)) start++;
  for (end = start; *end && !isspace((unsigned char)*end); end++)
    ;
  *cursor = *end ? end + 1 : end;
  *end = 0;
  return start;
}

/* What is left of the line, without white space around it. */
static char *record_rest(char *cursor) {
  char *end;

  while (isspace((unsigned char)*cursor)) cursor++;
  for (end = cursor + strlen(cursor);
       end > cursor && isspace((unsigned char)end[-1]); end--)
    ;
  *end = 0;
  return cursor;
}

static int record_end(char *cursor, struct text *error) {
  const char *rest = record_rest(cursor);

  if (!*rest || *rest == '#') return 0;
  text_printf(error, "unexpected \"%s\"\n", rest);
  return -1;
}

static int record_number(char *cursor, const char *what, struct record *record,
                         struct text *error) {
  const char *token = record_token(&cursor);
  char *end;

  record->number = strtoll(token, &end, 10);
  if (!isdigit((unsigned char)*token) || *end) {
    text_printf(error, "%s needs a number, not \"%s\"\n", what, token);
    return -1;
  }
  return record_end(cursor, error);
}

static int record_statement_head(char *cursor, struct record *record,
                                 struct text *error) {
  const char *expect = record_token(&cursor);

  if (!strcmp(expect, "ok")) {
    record->kind = RECORD_STATEMENT_OK;
    return record_end(cursor, error);
  }
  if (!strcmp(expect, "error")) {
    record->kind = RECORD_STATEMENT_ERROR;
    text_append_string(&record->regex, record_rest(cursor));
    return 0;
  }
  if (!strcmp(expect, "count")) {
    record->kind = RECORD_STATEMENT_COUNT;
    return record_number(cursor, "statement count", record, error);
  }
  text_printf(error, "a statement is ok, error or count, not \"%s\"\n", expect);
  return -1;
}

static int record_query_head(char *cursor, struct record *record,
                             struct text *error) {
  static const char *const sorts[] = {"nosort", "rowsort", "valuesort"};
  const char *sort, *label;
  size_t i;

  record->kind = RECORD_QUERY;
  record->types = record_token(&cursor);
  if (!*record->types || record->types[strspn(record->types, "TIR")]) {
    text_printf(error, "the types of a query are T, I and R, not \"%s\"\n",
                record->types);
    return -1;
  }
  if (*record_rest(cursor) == '#') return 0;
  sort = record_token(&cursor);
  for (i = 0; *sort && i < 3 && strcmp(sort, sorts[i]); i++)
    ;
  if (i == 3) {
    text_printf(error,
                "a sort mode is nosort, rowsort or valuesort, not \"%s\"\n",
                sort);
    return -1;
  }
  record->sort = *sort ? (enum record_sort)i : RECORD_NOSORT;
  if (*record_rest(cursor) == '#') return 0;
  label = record_token(&cursor);
  record->label = *label ? label : NULL;
  return record_end(cursor, error);
}

static int record_head(char *cursor, struct record *record,
                       struct text *error) {
  if (!strcmp(record->word, "statement"))
    return record_statement_head(cursor, record, error);
  if (!strcmp(record->word, "query"))
    return record_query_head(cursor, record, error);
  if (!strcmp(record->word, "hash-threshold")) {
    record->kind = RECORD_HASH_THRESHOLD;
    return record_number(cursor, record->word, record, error);
  }
  if (!strcmp(record->word, "halt") || !strcmp(record->word, "reopen")) {
    record->kind = *record->word == 'h' ? RECORD_HALT : RECORD_REOPEN;
    return record_end(cursor, error);
  }
  text_printf(error, "unknown record \"%s\"\n", record->word);
  return -1;
}

/* The first line of a record that is skipped: only the label of a query counts. */
static void record_skipped_head(char *cursor, struct record *record) {
  struct text ignored = {0};

  if (record_head(cursor, record, &ignored)) record->kind = RECORD_OTHER;
  text_fini(&ignored);
}

static void record_expect(struct record *record, const char *line) {
  if (record->expected_count == record->expected_capacity) {
    record->expected_capacity =
        record->expected_capacity ? record->expected_capacity * 2 : 64;
    record->expected = text_allocate(
        record->expected, record->expected_capacity * sizeof *record->expected);
  }
  record->expected[record->expected_count++] = line;
}

/* The SQL, and what stands after ----. Returns whether there was a ----. */
static bool record_body(struct script *script, struct record *record) {
  bool quoted = false, results = false;

  while (script_next(script) && script->line_len > 0) {
    if (results) {
      record_expect(record, script->line);
    } else if (!strcmp(script->line, "----")) {
      results = true;
    } else if (*script->line != '#' || quoted) {
      if (record->sql.len > 0) text_append(&record->sql, "\n", 1);
      text_append(&record->sql, script->line, script->line_len);
      for (const char *p = script->line; (p = strchr(p, '\'')); p++)
        quoted = !quoted;
    }
  }
  return results;
}

static int record_check_body(struct record *record, bool results,
                             struct text *error) {
  const char *wrong = NULL;

  switch (record->kind) {
    case RECORD_QUERY:
      wrong = !results ? "a query without ---- and results" : NULL;
      break;
    case RECORD_STATEMENT_ERROR:
      if (results && (record->regex.len > 0 || record->expected_count == 0))
        wrong = record->regex.len > 0 ? "two regexes" : "---- without a regex";
      for (size_t i = 0; i < record->expected_count; i++)
        text_printf(&record->regex, "%s%s", i ? "\n" : "", record->expected[i]);
      break;
    case RECORD_STATEMENT_OK:
    case RECORD_STATEMENT_COUNT:
      wrong = results ? "a statement has no results: use query" : NULL;
      break;
    default:
      wrong =
          record->sql.len > 0 || results ? "an empty line is missing" : NULL;
      break;
  }
  if (!wrong && record->kind <= RECORD_QUERY && record->sql.len == 0)
    wrong = "no SQL";
  if (!wrong) return 0;
  text_printf(error, "%s\n", wrong);
  return -1;
}

/* skipif, onlyif, connection: 1 if the line was one of them. */
static int record_prefix(char *cursor, struct record *record,
                         const struct record_names *names, struct text *error) {
  const char *name;
  bool is_us = false;

  if (!strcmp(record->word, "connection")) {
    record->connection = name = record_token(&cursor);
    if (record_end(cursor, error)) return -1;
  } else if (!strcmp(record->word, "skipif") ||
             !strcmp(record->word, "onlyif")) {
    name = record_token(&cursor);
    for (size_t i = 0; i < names->count; i++)
      is_us |= !strcasecmp(name, names->names[i]);
    if (is_us == (*record->word == 's')) {
      record->skip_word = record->word;
      record->skip_name = name;
    }
  } else {
    return 0;
  }
  if (*name) return 1;
  text_printf(error, "%s needs a name\n", record->word);
  return -1;
}

static void record_clear(struct record *record) {
  record->connection = record->skip_word = record->skip_name = record->types =
      record->label = NULL;
  record->sort = RECORD_NOSORT;
  record->expected_count = 0;
  text_clear(&record->sql);
  text_clear(&record->regex);
}

/* 1: a record; 0: end of the file; -1: a line that cannot be understood, record->line. */
int record_next(struct record *record, struct script *script,
                const struct record_names *names, struct text *error) {
  bool prefixed = false, results;
  char *cursor;
  int rc;

  record_clear(record);
  for (;;) {
    do {
      if (!script_next(script) || (prefixed && script->line_len == 0)) {
        if (!prefixed) return 0;
        text_printf(error, "no record after %s\n", record->word);
        return -1;
      }
    } while (script->line_len == 0 || *script->line == '#');
    cursor = script->line;
    record->line = script->line_number;
    record->word = record_token(&cursor);
    rc = record_prefix(cursor, record, names, error);
    if (rc < 0) return -1;
    if (rc == 0) break;
    prefixed = true;
  }
  if (record->skip_word)
    record_skipped_head(cursor, record);
  else if (record_head(cursor, record, error))
    return -1;
  results = record_body(script, record);
  if (!record->skip_word && record_check_body(record, results, error))
    return -1;
  return 1;
}

void record_fini(struct record *record) {
  text_fini(&record->sql);
  text_fini(&record->regex);
  free(record->expected);
  memset(record, 0, sizeof *record);
}
