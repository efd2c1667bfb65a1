/* scalar.c - calls of scalar functions: see scalar.h
**
** The path of every row: no allocation here, and nothing is looked up.
*/
#include "scalar.h"

#include <assert.h>

#include "metrics.h"
#include "session.h"
#include "sqlvalue.h"
#include "statement.h"

enum engine_mode scalar_mode(const struct function *function) {
  switch (function->spec.mode) {
    case FUNCTION_PROCESS:
      return ENGINE_PROCESS;
    case FUNCTION_THREAD:
      return ENGINE_THREAD;
    default:
      return function->session->settings.mode;
  }
}

/* What is wrong with a call of a function with any number of arguments. */
static int check(const struct function *function, int argc, struct err *err) {
  int least = function->spec.min_args;
  if (argc < least) {
    return err_set(err, ERR_USAGE, "takes at least %d argument%s, not %d",
                   least, least == 1 ? "" : "s", argc);
  }
  if (argc > SCALAR_ARGS_MAX) {
    return err_set(err, ERR_USAGE, "takes at most %d arguments, not %d",
                   SCALAR_ARGS_MAX, argc);
  }
  return 0;
}

/* Converts, calls, converts. Returns 1 for NULL without a call. */
static int run(sqlite3_context *ctx, struct function *function,
               enum engine_mode mode, int argc, sqlite3_value **argv,
               struct err *err) {
  struct session *session = function->session;
  struct value values[SCALAR_ARGS_MAX], result;
  int nulls = 0;
  if (function->spec.max_args < 0 && check(function, argc, err)) return -1;
  for (int i = 0; i < argc; i++) {
    if (sqlvalue_get(argv[i], &values[i])) return err_nomem(err);
    nulls |= values[i].type == VALUE_NULL;
  }
  if (nulls && !(function->spec.flags & FUNCTION_NULL_CALL)) return 1;
  struct engine *engine = session->engines[mode];
  if (!engine && session_engine(session, mode, &engine, err)) return -1;
  uint64_t began = metrics_begin(&function->metrics, session->settings.metrics);
  int rc =
      engine_call(engine, &function->id, values, (uint32_t)argc, &result, err);
  if (!rc) {
    rc = sqlvalue_result(ctx, &result, session->host.max_len, err);
    if (result.flags & VALUE_HELD) engine_release(engine);
  }
  metrics_end(&function->metrics, began);
  return rc;
}

static void fail(sqlite3_context *ctx, struct function *function,
                 enum engine_mode mode, struct err *err) {
  struct session *session = function->session;
  const char *name = function->spec.name;
  function->metrics.errors++;
  error_log_add(&session->errors, name, mode, err);
  if (err->code == ERR_PYTHON && session->settings.on_error_null) {
    sqlite3_result_null(ctx);
    err_clear(err);
  } else {
    errors_result(ctx, "python function ", name, err);
  }
}

/* Once, and only what may be called twice. */
static int may_retry(const struct function *function, const struct err *err) {
  int died = err->code == ERR_CRASH || err->code == ERR_OOM;
  return died && function->session->settings.on_crash_retry &&
         function->spec.flags & FUNCTION_DETERMINISTIC;
}

static void fail_empty(sqlite3_context *ctx, struct slot *slot) {
  struct session *session = slot->session;
  struct err err = {0};
  registry_no_function(&session->registry, slot->name, &err);
  error_log_add(&session->errors, slot->name, session->settings.mode, &err);
  errors_result(ctx, "", NULL, &err);
}

void scalar_call(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct slot *slot = sqlite3_user_data(ctx);
  struct session *session = slot->session;
  if (statement_call(ctx, slot)) {
    fail_empty(ctx, slot);
    return;
  }
  struct function *function = slot->function ? slot->function : slot->last;
  assert(function);
  struct err err = {0};
  enum engine_mode mode = scalar_mode(function);
  function_ref(function); /* it may be dropped by what it does */
  session_enter(session);
  int rc = run(ctx, function, mode, argc, argv, &err);
  if (rc < 0 && may_retry(function, &err)) {
    error_log_add(&session->errors, function->spec.name, mode, &err);
    err_clear(&err);
    rc = run(ctx, function, mode, argc, argv, &err);
  }
  if (rc < 0) fail(ctx, function, mode, &err);
  if (rc > 0) sqlite3_result_null(ctx);
  function_unref(function);
  session_leave(session);
}
