/* scalar.c - calls of scalar functions: see scalar.h
**
** The path of every row: no allocation here, and nothing is looked up.
*/
#include "scalar.h"

#include "calls.h"
#include "metrics.h"
#include "session.h"
#include "sqlvalue.h"
#include "statement.h"

/* Converts, calls, converts. Returns 1 for NULL without a call. */
static int run(sqlite3_context *ctx, struct function *function,
               enum engine_mode mode, int argc, sqlite3_value **argv,
               struct err *err) {
  struct session *session = function->session;
  struct value values[CALLS_ARGS_MAX], result;
  int nulls;
  if (calls_arguments(function, argc, argv, values, &nulls, err)) return -1;
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

/* Once, and only what may be called twice. */
static int may_retry(const struct function *function, const struct err *err) {
  int died = err->code == ERR_CRASH || err->code == ERR_OOM;
  return died && function->session->settings.on_crash_retry &&
         function->spec.flags & FUNCTION_DETERMINISTIC;
}

void scalar_call(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct slot *slot = sqlite3_user_data(ctx);
  struct session *session = slot->session;
  struct function *function = calls_function(ctx, slot, FUNCTION_SCALAR);
  if (!function) return;
  struct err err = {0};
  enum engine_mode mode = calls_mode(function);
  function_ref(function); /* it may be dropped by what it does */
  session_enter(session);
  int rc = run(ctx, function, mode, argc, argv, &err);
  if (rc < 0 && may_retry(function, &err)) {
    error_log_add(&session->errors, function->spec.name, mode, &err);
    err_clear(&err);
    rc = run(ctx, function, mode, argc, argv, &err);
  }
  if (rc < 0 && !calls_fail(ctx, function, mode, &err)) {
    session->failed = statement_number(ctx);
  }
  if (rc > 0) sqlite3_result_null(ctx);
  function_unref(function);
  session_leave(session);
}
