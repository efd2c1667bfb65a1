/*
 * vars.c: the variables given by --var NAME=VALUE, and their use.
 *
 * ${NAME} is replaced in SQL and in expected results, but only when at least one --var was given: a foreign file may
 * hold such text for itself. TEST_DIR, the absolute directory of the test file, is then defined, too. A name that is
 * not defined stays as it stands. There is no escape and no recursion. In a regex a value stands for itself.
 */
#include "vars.h"

#include <stdlib.h>
#include <string.h>

static const char vars_test_dir[] = "TEST_DIR";

static struct vars_entry *vars_find(const struct vars *vars, const char *name,
                                    size_t len) {
  for (size_t i = 0; i < vars->count; i++)
    if (vars->entries[i].name_len == len &&
        !memcmp(vars->entries[i].name, name, len))
      return &vars->entries[i];
  return NULL;
}

static void vars_set(struct vars *vars, const char *name, size_t len,
                     const char *value) {
  struct vars_entry *entry = vars_find(vars, name, len);

  if (!entry) {
    vars->entries =
        text_allocate(vars->entries, (vars->count + 1) * sizeof *entry);
    entry = &vars->entries[vars->count++];
  }
  entry->name = name;
  entry->name_len = len;
  entry->value = value;
}

/* Keeps pointing into the assignment, which must stay. -1: it has no name, or no =. */
int vars_add(struct vars *vars, const char *assignment) {
  const char *equals = strchr(assignment, '=');

  if (!equals || equals == assignment) return -1;
  vars_set(vars, assignment, (size_t)(equals - assignment), equals + 1);
  vars->on = true;
  return 0;
}

/* Sets TEST_DIR for the file that runs next. -1: its path cannot be resolved. */
int vars_set_file(struct vars *vars, const char *path) {
  char *real, *slash;

  if (!vars->on) return 0;
  real = realpath(path, NULL);
  if (!real) return -1;
  slash = strrchr(real, '/');
  slash[slash == real] = 0;
  free(vars->test_dir);
  vars->test_dir = real;
  vars_set(vars, vars_test_dir, strlen(vars_test_dir), real);
  return 0;
}

static void vars_append(struct text *out, const char *value, bool as_regex) {
  if (!as_regex) {
    text_append_string(out, value);
    return;
  }
  for (; *value; value++) {
    if (strchr("\\^$.[]|()*+?{}", *value)) text_append(out, "\\", 1);
    text_append(out, value, 1);
  }
}

/* Appends `in`, its variables replaced, to `out`. */
void vars_expand(const struct vars *vars, const char *in, bool as_regex,
                 struct text *out) {
  const char *start, *end;

  while ((start = strstr(in, "${")) && (end = strchr(start, '}'))) {
    const struct vars_entry *entry =
        vars_find(vars, start + 2, (size_t)(end - start - 2));

    if (entry) {
      text_append(out, in, (size_t)(start - in));
      vars_append(out, entry->value, as_regex);
      in = end + 1;
    } else {
      text_append(out, in, (size_t)(start + 2 - in));
      in = start + 2;
    }
  }
  text_append_string(out, in);
}

void vars_fini(struct vars *vars) {
  free(vars->entries);
  free(vars->test_dir);
  memset(vars, 0, sizeof *vars);
}
