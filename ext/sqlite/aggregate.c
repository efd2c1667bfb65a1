/* aggregate.c - calls of aggregate functions: see aggregate.h
**
** SQLite gives a group some memory of its own, where what we keep of it lies, and
** ends every group it has begun by xFinal, also where the statement failed or was
** abandoned: so every state is freed. Errors of a step, an inverse or a value
** stop the statement, for which nothing more is run then; what xFinal says of a
** window's group SQLite (3.40) does not hear: by then the window had its values.
** It stands in python_errors, and stops the statement where there is one more
** partition, at its first row.
*/
#include "aggregate.h"

#include "calls.h"
#include "interrupt.h"
#include "metrics.h"
#include "session.h"
#include "sqlvalue.h"
#include "statement.h"
#include "windows.h"

/* A group, in SQLite's memory; all 0 at first. */
struct group {
  struct function *function; /* with a ref; NULL: not begun */
  struct engine *engine;
  struct engine_group *state;
  enum engine_mode mode;
  sqlite3_context *ctx; /* of its first row */
  uint32_t forks;       /* session.forks when it began */
  int valued;           /* it had a value before its last: a window's */
  int tracked;          /* the statement's end will be told: see statement.h */
  uint64_t statement;   /* its number; 0: not known */
  int failed;           /* an error was told: nothing more is run */
};

static int begin(struct group *group, struct function *function, int windowed,
                 uint32_t argc, struct err *err) {
  struct session *session = function->session;
  function_ref(function);
  group->function = function;
  group->forks = session->forks;
  group->mode = calls_mode(function);
  int parallel = function->spec.flags & FUNCTION_PARALLEL && !windowed;
  group->engine =
      session->engines[parallel ? SESSION_PARALLEL + group->mode : group->mode];
  if (!group->engine && (parallel ? session_parallel : session_engine)(
                            session, group->mode, &group->engine, err)) {
    return -1;
  }
  group->state =
      engine_group_new(group->engine, &function->id, windowed, argc, err);
  return group->state ? 0 : -1;
}

static void end(struct group *group) {
  struct function *function = group->function;
  if (!function) return;
  /* In a forked child it is the parent's. */
  if (group->forks == function->session->forks) {
    engine_group_free(group->engine, &function->id, group->state);
  }
  *group = (struct group){.failed = 1};
  function_unref(function);
}

static void fail(sqlite3_context *ctx, struct group *group, struct err *err) {
  group->failed = 1;
  if (!calls_fail(ctx, group->function, group->mode, err)) {
    group->function->session->failed = group->statement;
  }
}

/* Nobody wants its value. */
static int has_error(const struct session *session, const struct group *group) {
  return group->statement && group->statement == session->failed;
}

/* xFinal failed in a window. */
static void keep_late(struct group *group, struct err *err) {
  struct session *session = group->function->session;
  struct late *late = &session->late;
  error_log_add(&session->errors, group->function->spec.name, group->mode, err);
  if (session->settings.on_error_null || !group->ctx) { /* it had no row */
    err_clear(err);
    return;
  }
  err_take(&late->err, err);
  late->ctx = group->ctx;
  late->statement = group->statement;
}

/* 1 where the partition before this one failed so, which is told now. */
static int tell_late(sqlite3_context *ctx, struct group *group) {
  struct session *session = group->function->session;
  struct late *late = &session->late;
  if (late->ctx != ctx || late->statement != group->statement) return 0;
  late->ctx = NULL;
  group->failed = 1;
  errors_result(ctx, "python function ", group->function->spec.name,
                &late->err);
  return 1;
}

/* A row. Returns 0, or -1 and err. */
static int step(struct group *group, int argc, sqlite3_value **argv,
                int inverse, struct err *err) {
  struct function *function = group->function;
  struct session *session = function->session;
  struct value values[CALLS_ARGS_MAX];
  int nulls;
  if (calls_arguments(function, argc, argv, values, &nulls, err)) return -1;
  if (nulls && !(function->spec.flags & FUNCTION_NULL_CALL)) return 0;
  uint64_t began = metrics_begin(&function->metrics, session->settings.metrics);
  int rc = engine_group_step(group->engine, &function->id, group->state, values,
                             (uint32_t)argc, inverse, err);
  metrics_end(&function->metrics, began);
  return rc;
}

static void call(sqlite3_context *ctx, int argc, sqlite3_value **argv,
                 int inverse) {
  struct slot *slot = sqlite3_user_data(ctx);
  struct session *session = slot->session;
  struct group *group = sqlite3_aggregate_context(ctx, sizeof *group);
  struct err err = {0};
  if (!group) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  if (group->failed) return;
  struct function *function = group->function;
  if (!group->tracked) {
    function = calls_function(ctx, slot, FUNCTION_AGGREGATE);
    if (!function) {
      group->failed = 1;
      return;
    }
    group->tracked = statement_knows(ctx, slot);
    group->ctx = ctx;
    group->statement = statement_number(ctx);
  }
  session_enter(session);
  int rc = 0;
  if (!group->function) {
    rc = begin(group, function, windows_may_use(ctx, slot), (uint32_t)argc,
               &err);
  }
  int late = session->late.ctx == ctx && !rc && tell_late(ctx, group);
  if (!rc && !late) rc = step(group, argc, argv, inverse, &err);
  if (rc) fail(ctx, group, &err);
  session_leave(session);
}

void aggregate_step(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  call(ctx, argc, argv, 0);
}

void aggregate_inverse(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  call(ctx, argc, argv, 1);
}

static int result(sqlite3_context *ctx, struct group *group, int last,
                  struct err *err) {
  struct value value;
  int rc = engine_group_value(group->engine, &group->function->id, group->state,
                              last, &value, err);
  if (rc) return rc;
  rc =
      sqlvalue_result(ctx, &value, group->function->session->host.max_len, err);
  if (value.flags & VALUE_HELD) engine_release(group->engine);
  return rc;
}

/* The group's value; of one without a row too. `last`: nothing comes after. */
static void value(sqlite3_context *ctx, struct group *group, int last) {
  struct slot *slot = sqlite3_user_data(ctx);
  struct session *session = slot->session;
  struct function *function = slot->function ? slot->function : slot->last;
  struct err err = {0};
  if (group->failed) return;
  session_enter(session);
  int rc = 0;
  if (!group->function) {
    /* Here SQLite does not say whose statement it is (3.40). */
    session->ended = 1;
    if (!function || function->spec.kind != FUNCTION_AGGREGATE) {
      calls_no_function(ctx, slot, function);
      session_leave(session);
      return;
    }
    int argc = slot->nargs < 0 ? function->spec.min_args : slot->nargs;
    rc = begin(group, function, !last, (uint32_t)argc, &err);
  }
  if (!rc) rc = result(ctx, group, last, &err);
  if (rc && last && group->valued) {
    keep_late(group, &err);
  } else if (rc) {
    fail(ctx, group, &err);
  }
  group->valued = !last;
  session_leave(session);
}

void aggregate_value(sqlite3_context *ctx) {
  struct group *group = sqlite3_aggregate_context(ctx, sizeof *group);
  if (!group) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  value(ctx, group, 0);
}

void aggregate_final(sqlite3_context *ctx) {
  struct group none = {0};
  struct group *group = sqlite3_aggregate_context(ctx, 0);
  if (!group) group = &none;
  struct session *session = ((struct slot *)sqlite3_user_data(ctx))->session;
  if (interrupt_pending(session->db)) {
    /* SQLite looks a little later, and would take NULL for the value. */
    sqlite3_result_error_code(ctx, SQLITE_INTERRUPT);
  } else if (!has_error(session, group)) {
    value(ctx, group, 1);
  }
  session_enter(session);
  end(group);
  session_leave(session);
}
