/* slot.c - a SQL function as SQLite knows it: see slot.h */
#include "slot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate.h"
#include "scalar.h"
#include "session.h"
#include "shape.h"
#include "table.h"

enum { SHAPE_SET = 1 << 30, SHAPE_KIND = 24 };

slot_order slot_order_of(sqlite3 *db) {
  static const uint8_t utf8[] = {SQLITE_UTF16LE, SQLITE_UTF16BE, SQLITE_UTF8};
  static const uint8_t utf16le[] = {SQLITE_UTF8, SQLITE_UTF16BE,
                                    SQLITE_UTF16LE};
  static const uint8_t utf16be[] = {SQLITE_UTF8, SQLITE_UTF16LE,
                                    SQLITE_UTF16BE};
  slot_order order = utf8;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(db, "PRAGMA encoding", -1, &statement, NULL);
  if (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(statement, 0);
    if (name && !strcmp(name, "UTF-16le")) order = utf16le;
    if (name && !strcmp(name, "UTF-16be")) order = utf16be;
  }
  sqlite3_finalize(statement);
  return order;
}

struct function *function_new(struct session *session,
                              struct program_item *item, uint32_t index,
                              struct function_spec *spec) {
  struct function *function = calloc(1, sizeof *function);
  if (!function) return NULL;
  function->refs = 1;
  function->session = session;
  function->item = item;
  function->id = (struct engine_function){.definition_id = item->definition->id,
                                          .index = index,
                                          .timeout_ms = spec->timeout_ms,
                                          .name = spec->name};
  function->spec = *spec;
  *spec = (struct function_spec){0};
  program_ref(item);
  registry_add(&session->registry, function);
  return function;
}

void function_ref(struct function *function) { function->refs++; }

void function_unref(struct function *function) {
  if (!function || --function->refs) return;
  registry_remove(&function->session->registry, function);
  program_unref(&function->session->program, function->item);
  function_spec_fini(&function->spec);
  free(function);
}

struct slot *slot_new(struct session *session, const char *name, int nargs) {
  struct slot *slot = calloc(1, sizeof *slot);
  if (!slot) return NULL;
  slot->session = session;
  slot->nargs = nargs;
  slot->name = strdup(name);
  if (slot->name) return slot;
  free(slot);
  return NULL;
}

void slot_free(struct slot *slot) {
  slot_set(slot, NULL);
  function_unref(slot->last);
  if (slot->shape) shape_fini(slot->shape);
  free(slot->shape);
  free(slot->name);
  free(slot);
}

/* What SQLite holds to: the kind and its flags, in one number that is not 0. */
static uint32_t shape_of(const struct function_spec *spec) {
  uint32_t shape = SHAPE_SET | spec->kind << SHAPE_KIND;
  if (spec->flags & FUNCTION_DETERMINISTIC) shape |= SQLITE_DETERMINISTIC;
  if (spec->flags & FUNCTION_DIRECT_ONLY) shape |= SQLITE_DIRECTONLY;
  if (spec->flags & FUNCTION_INNOCUOUS) shape |= SQLITE_INNOCUOUS;
  return shape;
}

/* The place in `order` of the encoding whose shape is in force; -1 with none. */
static int in_force(const struct slot *slot, slot_order order) {
  int at = SLOT_ENCODINGS - 1;
  while (at >= 0 && !slot->shapes[order[at]]) at--;
  return at;
}

int slot_can_bind(const struct slot *slot, const struct function_spec *spec,
                  slot_order order) {
  if (slot->nargs == SLOT_TABLE) return 1;
  int at = in_force(slot, order);
  return at < SLOT_ENCODINGS - 1 || slot->shapes[order[at]] == shape_of(spec);
}

/* SQLite calls this when the host registers another function in its place, when
** the connection closes, and when the registration fails. */
static void slot_destroy(void *arg) {
  struct slot *slot = arg;
  slot->replaced = 1;
  session_unref(slot->session);
}

/* SQLite can be built without. */
static int has_windows(void) {
  return sqlite3_api->create_window_function != NULL;
}

int slot_bind(struct slot *slot, const struct function_spec *spec,
              slot_order order, struct err *err) {
  static const int flags =
      SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY | SQLITE_INNOCUOUS;
  if (slot->nargs == SLOT_TABLE) return table_bind(slot, spec, err);
  uint32_t shape = shape_of(spec);
  int at = in_force(slot, order);
  if (at >= 0 && slot->shapes[order[at]] == shape) return 0;
  assert(at < SLOT_ENCODINGS - 1);
  uint8_t encoding = order[at + 1];
  int replaced = slot->replaced;
  session_ref(slot->session);
  int how = encoding | ((int)shape & flags) | SQLITE_RESULT_SUBTYPE;
  sqlite3 *db = slot->session->db;
  int rc =
      spec->kind == FUNCTION_SCALAR
          ? sqlite3_create_function_v2(db, slot->name, slot->nargs, how, slot,
                                       scalar_call, NULL, NULL, slot_destroy)
      : has_windows()
          ? sqlite3_create_window_function(db, slot->name, slot->nargs, how,
                                           slot, aggregate_step,
                                           aggregate_final, aggregate_value,
                                           aggregate_inverse, slot_destroy)
          : sqlite3_create_function_v2(db, slot->name, slot->nargs, how, slot,
                                       NULL, aggregate_step, aggregate_final,
                                       slot_destroy);
  if (rc == SQLITE_OK) {
    slot->shapes[encoding] = shape;
    return 0;
  }
  slot->replaced = replaced;
  if (rc == SQLITE_NOMEM) return err_nomem(err);
  return err_set(err, ERR_USAGE, "SQLite does not register %s: %s", slot->name,
                 sqlite3_errstr(rc));
}

void slot_set(struct slot *slot, struct function *function) {
  struct function *before = slot->function;
  if (function) {
    function_ref(function);
    function->slots++;
  }
  if (before) before->slots--;
  slot->function = function;
  if (function) {
    function_unref(slot->last);
    slot->last = NULL;
  }
  if (before && !function && slot->users) {
    slot->last = before; /* with its ref */
  } else {
    function_unref(before);
  }
}

void slot_use(struct slot *slot) { slot->users++; }

void slot_unuse(struct slot *slot) {
  if (--slot->users) return;
  function_unref(slot->last);
  slot->last = NULL;
}
