/* scalar.c - calls of scalar functions: see scalar.h
**
** The path of every row: no allocation here, and nothing is looked up. Compiled
** code has a path of its own: it takes less time than what an engine needs.
*/
#include "scalar.h"

#include "calls.h"
#include "metrics.h"
#include "session.h"
#include "sqlvalue.h"
#include "statement.h"

/* After a call by the engine, which then has the definition made. */
static __attribute__((noinline)) void ask_for_code(struct function *function,
                                                   struct engine *engine) {
  struct code *code = &function->code;
  uint64_t epoch = engine->host->settings->epoch;
  const struct native *native = NULL;
  if (code->engine == engine && code->epoch == epoch &&
      code->made == engine->made) {
    return;
  }
  if (engine_native(engine, &function->id, &native)) {
    *code = (struct code){native, engine, epoch, engine->made};
  }
}

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
  if (function->spec.flags & FUNCTION_NATIVE) ask_for_code(function, engine);
  metrics_end(&function->metrics, began);
  return rc;
}

/* Once, and only what may be called twice. */
static int may_retry(const struct function *function, const struct err *err) {
  int died = err->code == ERR_CRASH || err->code == ERR_OOM;
  return died && function->session->settings.on_crash_retry &&
         function->spec.flags & FUNCTION_DETERMINISTIC;
}

/* ---- compiled code ---- */

/* What may be called right here; NULL: only by the engine. */
static inline const struct native *code_of(const struct function *function,
                                           const struct session *session) {
  const struct code *code = &function->code;
  return code->native && code->epoch == session->settings.engine.epoch &&
                 code->engine == session->engines[ENGINE_THREAD] &&
                 code->made == code->engine->made &&
                 calls_mode(function) == ENGINE_THREAD
             ? code->native
             : NULL;
}

/* 1 where they are not the numbers that it takes. */
static inline int put_arguments(const struct native *native,
                                struct native_registers *registers, int argc,
                                sqlite3_value **argv) {
  if ((uint32_t)argc != native->count) return 1;
  native_begin(native, registers);
  for (int i = 0; i < argc; i++) {
    int type = sqlite3_value_type(argv[i]), misfit = 1;
    if (type == SQLITE_INTEGER) {
      misfit = native_put_integer(native->types[i],
                                  sqlite3_value_int64(argv[i]), registers);
    } else if (type == SQLITE_FLOAT) {
      misfit = native_put_real(native->types[i], sqlite3_value_double(argv[i]),
                               registers);
    }
    if (misfit) return 1;
  }
  return 0;
}

static __attribute__((cold, noinline)) void code_failed(
    sqlite3_context *ctx, struct function *function,
    const struct value *result) {
  struct session *session = function->session;
  struct err err = {0};
  native_too_big(result->integer, &err);
  if (!calls_fail(ctx, function, ENGINE_THREAD, &err)) {
    session->failed = statement_number(ctx);
  }
}

/* What scalar_call() does, for compiled code and numbers. Returns 1 for all else:
** what the code raised, too, as Python has to tell it. */
static inline int call_code(sqlite3_context *ctx, struct slot *slot, int argc,
                            sqlite3_value **argv) {
  struct session *session = slot->session;
  struct native_registers registers;
  struct value result;
  if (statement_call(ctx, slot) || !slot->function) return 1;
  struct function *function = slot->function;
  const struct native *native = code_of(function, session);
  if (!native || put_arguments(native, &registers, argc, argv)) return 1;
  struct engine *engine = session->engines[ENGINE_THREAD];
  function->refs++; /* the code may be a host's that runs SQL */
  session_enter(session);
  engine->natives++;
  uint64_t began = metrics_begin(&function->metrics, session->settings.metrics);
  int rc = native_run(native, &registers, &result);
  metrics_end(&function->metrics, began);
  engine->natives--;
  if (!rc && result.type == VALUE_INTEGER) {
    sqlite3_result_int64(ctx, result.integer);
  } else if (!rc) {
    sqlite3_result_double(ctx, result.real);
  } else if (rc < 0) {
    code_failed(ctx, function, &result);
  } else {
    function->metrics.calls--; /* it is called once more */
  }
  if (function->refs > 1) {
    function->refs--;
  } else {
    function_unref(function);
  }
  session_leave(session);
  return rc > 0;
}

void scalar_call(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct slot *slot = sqlite3_user_data(ctx);
  if (!call_code(ctx, slot, argc, argv)) return;
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
