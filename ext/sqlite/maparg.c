/* maparg.c - what users hand to python_map: see maparg.h */
#include "maparg.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const maparg_names[MAPARG_COUNT] = {
    [MAPARG_NAME] = "name",       [MAPARG_QUERY] = "query",
    [MAPARG_WORKERS] = "workers", [MAPARG_BATCH_SIZE] = "batch_size",
    [MAPARG_ORDERED] = "ordered", [MAPARG_CONCURRENCY] = "concurrency",
    [MAPARG_TIMEOUT] = "timeout", [MAPARG_RETRIES] = "retries"};

static const struct {
  int64_t min, max;
} ranges[MAPARG_COUNT] = {[MAPARG_WORKERS] = {1, SETTING_WORKERS_MAX},
                          [MAPARG_BATCH_SIZE] = {1, SETTING_BATCH_MAX},
                          [MAPARG_ORDERED] = {0, 1},
                          [MAPARG_CONCURRENCY] = {1, 10000},
                          [MAPARG_TIMEOUT] = {0, INT32_MAX},
                          [MAPARG_RETRIES] = {0, 1000}};

static int apply(enum maparg arg, int64_t number,
                 struct mapping_options *options) {
  uint32_t n = (uint32_t)number;
  switch (arg) {
    case MAPARG_WORKERS:
      options->workers = n;
      return 0;
    case MAPARG_BATCH_SIZE:
      options->batch_size = n;
      return 0;
    case MAPARG_ORDERED:
      options->ordered = (int)n;
      return 0;
    case MAPARG_CONCURRENCY:
      options->batch.concurrency = n;
      return 0;
    case MAPARG_TIMEOUT:
      options->batch.timeout_ms = n;
      return 0;
    case MAPARG_RETRIES:
      options->batch.retries = n;
      return 0;
    default:
      return -1;
  }
}

int64_t maparg_get(enum maparg arg, const struct mapping_options *options) {
  switch (arg) {
    case MAPARG_WORKERS:
      return options->workers;
    case MAPARG_BATCH_SIZE:
      return options->batch_size;
    case MAPARG_ORDERED:
      return options->ordered;
    case MAPARG_CONCURRENCY:
      if (!options->batch.concurrency) return -1;
      return options->batch.concurrency;
    case MAPARG_TIMEOUT:
      return options->batch.timeout_ms;
    case MAPARG_RETRIES:
      return options->batch.retries;
    default:
      return -1;
  }
}

void maparg_copy(const struct mapping_options *from,
                 struct mapping_options *to) {
  for (int arg = MAPARG_WORKERS; arg < MAPARG_COUNT; arg++) {
    if (!(from->given & 1u << arg)) continue;
    apply((enum maparg)arg, maparg_get((enum maparg)arg, from), to);
    to->given |= 1u << arg;
  }
}

static int refuse(enum maparg arg, const char *text, struct err *err) {
  return err_set(
      err, ERR_USAGE,
      "python_map: %s accepts a number from %lld to %lld, not '%.200s'",
      maparg_names[arg], (long long)ranges[arg].min, (long long)ranges[arg].max,
      text ? text : "");
}

static int set_number(enum maparg arg, int64_t number, const char *text,
                      struct mapping_options *options, struct err *err) {
  if (number < ranges[arg].min || number > ranges[arg].max) {
    return refuse(arg, text, err);
  }
  options->given |= 1u << arg;
  return apply(arg, number, options);
}

int maparg_set(enum maparg arg, sqlite3_value *value,
               struct mapping_options *options, struct err *err) {
  int type = sqlite3_value_numeric_type(value);
  if (type == SQLITE_NULL) return 0;
  int64_t number = sqlite3_value_int64(value);
  const char *text = (const char *)sqlite3_value_text(value);
  if (type != SQLITE_INTEGER) return refuse(arg, text, err);
  return set_number(arg, number, text, options, err);
}

/* Without its quotes; new (malloc). */
static char *unquote(const char *text) {
  size_t len = strlen(text);
  char first = *text, last = first == '[' ? ']' : first;
  if (!first || !strchr("'\"`[", first) || len < 2 || text[len - 1] != last) {
    return strdup(text);
  }
  char *copy = malloc(len), *to = copy;
  if (!copy) return NULL;
  for (const char *at = text + 1; at < text + len - 1; at++) {
    *to++ = *at;
    if (*at == last && at[1] == last && at + 1 < text + len - 1) at++;
  }
  *to = 0;
  return copy;
}

/* The option that it is, like workers = 2; MAPARG_COUNT where it is none. */
static enum maparg option_of(const char *text, const char **value) {
  size_t word = strspn(text,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                       "XYZ_");
  const char *at = text + word + strspn(text + word, " \t\r\n");
  if (!word || *at != '=') return MAPARG_COUNT;
  *value = at + 1 + strspn(at + 1, " \t\r\n");
  for (int arg = MAPARG_WORKERS; arg < MAPARG_COUNT; arg++) {
    if (strlen(maparg_names[arg]) == word &&
        !strncasecmp(text, maparg_names[arg], word)) {
      return (enum maparg)arg;
    }
  }
  return MAPARG_COUNT;
}

static int set_text(enum maparg arg, const char *quoted,
                    struct mapping_options *options, struct err *err) {
  char *text = unquote(quoted), *end;
  if (!text) return err_nomem(err);
  long long number = strtoll(text, &end, 10);
  int rc = end == text || *end ? refuse(arg, text, err)
                               : set_number(arg, number, text, options, err);
  free(text);
  return rc;
}

int maparg_parse(int argc, const char *const *argv, char **name, char **query,
                 struct mapping_options *options, struct err *err) {
  struct buf text = {0};
  const char *value;
  int last = argc;
  while (last > 2 && option_of(argv[last - 1], &value) < MAPARG_COUNT) last--;
  if (last < 2) {
    return err_set(err, ERR_USAGE,
                   "python_map wants a function's name and a query: CREATE "
                   "VIRTUAL TABLE temp.x USING python_map(f, 'SELECT key, "
                   "argument FROM t')");
  }
  if (last > 2 && strchr("'\"", *argv[1])) {
    return err_set(err, ERR_USAGE,
                   "python_map has no option %.200s: there are workers=2, "
                   "batch_size, ordered, concurrency, timeout and retries",
                   argv[2]);
  }
  for (int i = last; i < argc; i++) {
    enum maparg arg = option_of(argv[i], &value);
    if (set_text(arg, value, options, err)) return -1;
  }
  for (int i = 1; i < last; i++) {
    buf_add_text(&text, i > 1 ? ", " : "");
    buf_add_text(&text, argv[i]);
  }
  char *whole = buf_take(&text);
  *name = unquote(argv[0]);
  *query = whole ? unquote(whole) : NULL;
  free(whole);
  return *name && *query ? 0 : err_nomem(err);
}
