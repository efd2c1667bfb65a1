/* plan.c - a change of the registry, all or nothing: see plan.h */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "calls.h"
#include "session.h"

enum { NAME_MAX_LEN = 255 }; /* bytes: SQLite's limit for a function's name */

void plan_init(struct plan *plan, struct session *session) {
  *plan =
      (struct plan){.session = session, .order = slot_order_of(session->db)};
}

void plan_fini(struct plan *plan) {
  for (uint32_t i = 0; i < plan->count; i++) {
    function_unref(plan->entries[i].function);
  }
  free(plan->entries);
  free(plan->replaced);
  slots_fini(&plan->slots);
}

/* "f with 2 arguments", for errors. */
static const char *describe(const char *name, int nargs, char text[320]) {
  if (nargs == SLOT_TABLE) {
    snprintf(text, 320, "%s", name);
  } else if (nargs == SLOT_VARARGS) {
    snprintf(text, 320, "%s with any number of arguments", name);
  } else {
    snprintf(text, 320, "%s with %d argument%s", name, nargs,
             nargs == 1 ? "" : "s");
  }
  return text;
}

static int check_spec(const struct function_spec *spec, struct err *err) {
  static const char *const kinds[] = {"scalar", "aggregate", "window", "table"};
  const char *name = spec->name;
  if (!*name) return err_set(err, ERR_USAGE, "a function needs a name");
  if (strlen(name) > NAME_MAX_LEN) {
    return err_set(
        err, ERR_USAGE,
        "a function's name has at most %d bytes, this has %zu: %.60s...",
        NAME_MAX_LEN, strlen(name), name);
  }
  if (!sqlite3_strnicmp(name, "python_", 7) ||
      !sqlite3_strnicmp(name, "pyudf_", 6)) {
    return err_set(err, ERR_USAGE,
                   "%s: names that begin with python_ or pyudf_ are taken",
                   name);
  }
  if (spec->kind > FUNCTION_AGGREGATE && spec->kind != FUNCTION_TABLE) {
    return err_set(err, ERR_USAGE, "%s: %s functions are not supported", name,
                   spec->kind < 4 ? kinds[spec->kind] : "such");
  }
  if (spec->min_args < 0 || spec->min_args > CALLS_ARGS_MAX ||
      spec->max_args > CALLS_ARGS_MAX ||
      (spec->max_args >= 0 && spec->max_args < spec->min_args)) {
    return err_set(err, ERR_USAGE, "%s: a function has at most %d arguments",
                   name, CALLS_ARGS_MAX);
  }
  return 0;
}

/* 1 where a slot cannot stand for its name any more. One look does for a plan. */
static int is_lost(struct plan *plan, const struct slot *slot) {
  if (!plan->looked) foreign_mark(plan->session);
  plan->looked = 1;
  return slot->replaced || slot->beside;
}

/* A new one. */
static struct slot *add_slot(struct plan *plan, const char *name, int nargs,
                             struct err *err) {
  struct slot *slot = slot_new(plan->session, name, nargs);
  if (!slot) {
    err_nomem(err);
    return NULL;
  }
  slots_add(&plan->slots, slot);
  return slot;
}

/* The slot of a table function, new if there is none. */
static struct slot *get_table(struct plan *plan, const char *name,
                              struct err *err) {
  struct slot *slot = slots_find(&plan->slots, name, SLOT_TABLE);
  if (!slot) {
    slot = slots_find(&plan->session->registry.slots, name, SLOT_TABLE);
  }
  if (slot) return slot;
  if (foreign_has_table(plan->session, name)) {
    err_set(err, ERR_USAGE,
            "%s is a table, a view or a table function already: give it "
            "another name (in python_import: '%s as my_%s')",
            name, name, name);
    return NULL;
  }
  return add_slot(plan, name, SLOT_TABLE, err);
}

/* The slot, new if there is none. */
static struct slot *get_slot(struct plan *plan, const char *name, int nargs,
                             struct err *err) {
  struct session *session = plan->session;
  char text[320];
  struct slot *slot = slots_find(&plan->slots, name, nargs);
  if (slot) return slot;
  slot = slots_find(&session->registry.slots, name, nargs);
  if (slot ? is_lost(plan, slot) : foreign_has(session, name, nargs)) {
    err_set(
        err, ERR_USAGE,
        "%s is a function of SQLite's own or of the host's: give it another "
        "name (in python_import: '%s as my_%s')",
        describe(name, nargs, text), name, name);
    return NULL;
  }
  return slot ? slot : add_slot(plan, name, nargs, err);
}

static struct plan_entry *find_entry(const struct plan *plan,
                                     const struct slot *slot) {
  for (uint32_t i = 0; i < plan->count; i++) {
    if (plan->entries[i].slot == slot) return &plan->entries[i];
  }
  return NULL;
}

static int add_entry(struct plan *plan, struct slot *slot,
                     struct function *function, struct err *err) {
  char text[320];
  struct plan_entry *entry = find_entry(plan, slot);
  int filled = entry && slot->nargs >= 0 && entry->function->spec.max_args < 0;
  if (entry && !filled && entry->function->item == function->item) {
    return err_set(err, ERR_USAGE, "it defines %s twice",
                   describe(slot->name, slot->nargs, text));
  }
  if (!slot_can_bind(slot, &function->spec, plan->order)) {
    return err_set(
        err, ERR_USAGE,
        "%s cannot change what SQLite holds to (deterministic, "
        "direct_only, innocuous) a third time: give it another name, "
        "or open the connection anew",
        describe(slot->name, slot->nargs, text));
  }
  if (!entry && plan->count == plan->size) {
    uint32_t size = plan->size * 2 + 16;
    entry = realloc(plan->entries, size * sizeof *entry);
    if (!entry) return err_nomem(err);
    plan->entries = entry;
    plan->size = size;
    entry = NULL;
  }
  if (!entry) {
    entry = &plan->entries[plan->count++];
    *entry = (struct plan_entry){slot, NULL};
  }
  function_ref(function);
  function_unref(entry->function);
  entry->function = function;
  return 0;
}

/* 1 where the definition has a function of that name and of another kind. */
static int has_other_kind(const struct plan *plan,
                          const struct function *function) {
  int is_table = function->spec.kind == FUNCTION_TABLE;
  for (uint32_t i = 0; i < plan->count; i++) {
    const struct function *other = plan->entries[i].function;
    if (other->item == function->item &&
        (other->spec.kind == FUNCTION_TABLE) != is_table &&
        !sqlite3_stricmp(other->spec.name, function->spec.name)) {
      return 1;
    }
  }
  return 0;
}

static int add_table(struct plan *plan, struct function *function,
                     struct err *err) {
  struct slot *slot = get_table(plan, function->spec.name, err);
  return slot ? add_entry(plan, slot, function, err) : -1;
}

/* All slots of one function. One with any number of arguments also gets those
** that are empty: SQLite would go on calling them, as they fit better. */
static int add_function(struct plan *plan, struct function *function,
                        struct err *err) {
  const struct function_spec *spec = &function->spec;
  if (has_other_kind(plan, function)) {
    return err_set(err, ERR_USAGE,
                   "it defines %s twice, once as a table "
                   "function",
                   spec->name);
  }
  if (spec->kind == FUNCTION_TABLE) return add_table(plan, function, err);
  int varargs = spec->max_args < 0;
  int first = varargs ? SLOT_VARARGS : spec->min_args;
  int last = varargs ? SLOT_VARARGS : spec->max_args;
  for (int nargs = first; nargs <= last; nargs++) {
    struct slot *slot = get_slot(plan, spec->name, nargs, err);
    if (!slot || add_entry(plan, slot, function, err)) return -1;
  }
  if (!varargs) return 0;
  struct slot *slot = NULL;
  while (
      (slot = slots_named(&plan->session->registry.slots, spec->name, slot))) {
    if (slot->function || find_entry(plan, slot)) continue;
    if (slot->nargs == SLOT_TABLE) continue;
    if (is_lost(plan, slot)) continue;
    if (add_entry(plan, slot, function, err)) return -1;
  }
  return 0;
}

static int in_lines(const char *lines, const char *name) {
  size_t len = strlen(name);
  while (lines) {
    size_t line = strcspn(lines, "\n");
    if (line == len && !sqlite3_strnicmp(lines, name, (int)len)) return 1;
    lines = lines[line] ? lines + line + 1 : NULL;
  }
  return 0;
}

/* 1 where a reloaded module may set the name: it has it still, or never had. */
static int may_reload(const struct plan *plan, const char *name,
                      const struct program_item *replaces) {
  const struct slot *slot = NULL;
  while ((slot = slots_named(&plan->session->registry.slots, name, slot))) {
    if (slot->function && slot->function->item == replaces) return 1;
  }
  return !in_lines(replaces->definition->expect, name);
}

int plan_add(struct plan *plan, struct program_item *item,
             struct manifest *manifest, struct program_item *replaces,
             struct err *err) {
  if (replaces) {
    struct program_item **replaced =
        realloc(plan->replaced, (plan->replaced_count + 1) * sizeof *replaced);
    if (!replaced) return err_nomem(err);
    plan->replaced = replaced;
    replaced[plan->replaced_count++] = replaces;
  }
  for (uint32_t i = 0; i < manifest->count; i++) {
    struct function_spec *spec = &manifest->functions[i];
    if (check_spec(spec, err)) return -1;
    if (replaces && !may_reload(plan, spec->name, replaces)) continue;
    struct function *function = function_new(plan->session, item, i, spec);
    if (!function) return err_nomem(err);
    int rc = add_function(plan, function, err);
    function_unref(function);
    if (rc) return -1;
  }
  return 0;
}

/* What SQLite knows has to stay: the new slot becomes the registry's. */
static void hand_over(struct plan *plan, struct slot *slot) {
  if (slots_take(&plan->slots, slot)) {
    slots_add(&plan->session->registry.slots, slot);
  }
}

int plan_bind(struct plan *plan, struct err *err) {
  for (uint32_t i = 0; i < plan->count; i++) {
    struct plan_entry *entry = &plan->entries[i];
    if (slot_bind(entry->slot, &entry->function->spec, plan->order, err)) {
      return -1;
    }
    hand_over(plan, entry->slot);
  }
  return 0;
}

/* A name stands for a table function or for one of the others. */
static void empty_other_kind(struct plan *plan, const struct slot *kept) {
  struct slot *slot = NULL;
  while (
      (slot = slots_named(&plan->session->registry.slots, kept->name, slot))) {
    if (slot->function &&
        (slot->nargs == SLOT_TABLE) != (kept->nargs == SLOT_TABLE)) {
      slot_set(slot, NULL);
    }
  }
}

void plan_commit(struct plan *plan) {
  for (uint32_t i = 0; i < plan->count; i++) {
    slot_set(plan->entries[i].slot, plan->entries[i].function);
  }
  for (uint32_t i = 0; i < plan->count; i++) {
    empty_other_kind(plan, plan->entries[i].slot);
  }
  for (uint32_t i = 0; i < plan->replaced_count; i++) {
    plan->replaced[i]->replaced = 1;
  }
  struct slot *slot = NULL;
  while (plan->replaced_count &&
         (slot = slots_next(&plan->session->registry.slots, slot))) {
    if (slot->function && slot->function->item->replaced) slot_set(slot, NULL);
  }
}

/* 1 where a name needs quotes in a call. Which keywords do, only SQLite's parser
** knows: a call is compiled and not run. The '-' keeps DISTINCT and ALL from being
** read as what a query may begin with, the missing argument NOT as an operator. */
static int needs_quotes(sqlite3 *db, const char *name) {
  static const char digits[] = "0123456789$";
  static const char letters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  if (strchr(digits, *name)) return 1;
  for (const char *p = name; *p; p++) {
    if (!strchr(digits, *p) && !strchr(letters, *p) && !(*p & 0x80)) return 1;
  }
  if (!sqlite3_keyword_check(name, (int)strlen(name))) return 0;
  sqlite3_stmt *statement = NULL;
  char sql[NAME_MAX_LEN + 20];
  snprintf(sql, sizeof sql, "SELECT -%s()", name);
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  sqlite3_finalize(statement);
  return rc == SQLITE_ERROR && strstr(sqlite3_errmsg(db), "syntax error");
}

static void add_name(struct buf *names, sqlite3 *db, const char *name) {
  if (!needs_quotes(db, name)) {
    buf_add_text(names, name);
    return;
  }
  char *quoted = sqlite3_mprintf("\"%w\"", name);
  if (quoted) {
    buf_add_text(names, quoted);
  } else {
    names->failed = 1;
  }
  sqlite3_free(quoted);
}

void plan_names(const struct plan *plan, struct buf *names) {
  for (uint32_t i = 0; i < plan->count; i++) {
    const char *name = plan->entries[i].function->spec.name;
    uint32_t seen = 0;
    while (strcmp(plan->entries[seen].function->spec.name, name)) seen++;
    if (seen < i) continue;
    if (names->len) buf_add_text(names, ",");
    add_name(names, plan->session->db, name);
  }
}
