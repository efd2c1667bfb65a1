/* collect.c - python_rows(a, b, ...): see collect.h */
#include "collect.h"

#include <stdlib.h>

#include "lost.h"
#include "sqlvalue.h"
#include "statement.h"

static const char pointer_type[] = "pyudf_rows";

/* A group, in SQLite's memory; all 0 at first. */
struct group {
  struct rowset *rowset;
  int tracked; /* the statement's end will be told: see statement.h */
  int failed;
};

/* What the pointer points to. */
struct collected {
  struct rowset *rowset; /* with a ref */
  struct session *session;
  int taken;   /* by a function */
  int tracked; /* counts until the statements end; else while it is here */
};

static void fail(sqlite3_context *ctx, struct session *session,
                 struct err *err) {
  error_log_add(&session->errors, "python_rows", session->settings.mode, err);
  errors_result(ctx, "", "python_rows", err);
}

static int add(struct rowset *rowset, int i, sqlite3_value *from,
               struct err *err) {
  struct value value;
  if (sqlvalue_get(from, &value)) return err_nomem(err);
  if (value.type == VALUE_NULL && sqlite3_value_pointer(from, pointer_type)) {
    return err_set(err, ERR_USAGE,
                   "argument %d is a set of rows itself, and no value", i + 1);
  }
  return rowset_add(rowset, &value, err);
}

static int add_row(struct group *group, int argc, sqlite3_value **argv,
                   struct err *err) {
  if (argc < 1) {
    return err_set(err, ERR_USAGE, "takes at least one argument");
  }
  if (!group->rowset) {
    group->rowset = rowset_new((uint32_t)argc, ROWSET_MEMORY, err);
    if (!group->rowset) return -1;
  }
  for (int i = 0; i < argc; i++) {
    if (add(group->rowset, i, argv[i], err)) return -1;
  }
  return 0;
}

void collect_step(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct session *session = sqlite3_user_data(ctx);
  struct group *group = sqlite3_aggregate_context(ctx, sizeof *group);
  struct err err = {0};
  if (!group) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  if (group->failed) return;
  if (!group->rowset) {
    statement_touch(ctx, session);
    group->tracked = statement_number(ctx) != 0;
  }
  if (!add_row(group, argc, argv, &err)) return;
  rowset_unref(group->rowset);
  group->rowset = NULL;
  group->failed = 1;
  fail(ctx, session, &err);
}

static void drop(void *arg) {
  struct collected *collected = arg;
  if (!collected->tracked && !collected->taken) {
    collected->session->loose_sets--;
  }
  rowset_unref(collected->rowset);
  session_unref(collected->session);
  free(collected);
}

void collect_final(sqlite3_context *ctx) {
  struct session *session = sqlite3_user_data(ctx);
  struct group none = {0};
  struct group *group = sqlite3_aggregate_context(ctx, 0);
  struct err err = {0};
  if (!group) group = &none;
  if (group->failed) return;
  struct rowset *rowset = group->rowset;
  if (!rowset) rowset = rowset_new(0, ROWSET_MEMORY, &err);
  struct collected *collected = rowset ? malloc(sizeof *collected) : NULL;
  group->rowset = NULL;
  if (!collected) {
    rowset_unref(rowset);
    sqlite3_result_error_nomem(ctx);
    err_clear(&err);
    return;
  }
  *collected = (struct collected){
      .rowset = rowset, .session = session, .tracked = group->tracked};
  session_ref(session);
  if (group->tracked) {
    session->sets++;
  } else {
    session->loose_sets++;
  }
  sqlite3_result_pointer(ctx, collected, pointer_type, drop);
}

struct rowset *collect_get(struct session *session, sqlite3_value *value) {
  struct collected *collected = sqlite3_value_pointer(value, pointer_type);
  if (!collected) return NULL;
  if (!collected->taken) {
    collected->taken = 1;
    if (!collected->tracked) session->loose_sets--;
  }
  session->sets = 0;
  return collected->rowset;
}

int collect_lost(struct session *session) {
  return (session->sets || session->loose_sets) && lost_possible(session);
}
