/* evaluate.c - python_eval and the versions: see evaluate.h */
#include "evaluate.h"

#include <stdlib.h>

#include "arguments.h"
#include "calls.h"
#include "session.h"
#include "sqlvalue.h"
#include "statement.h"

#ifndef PYUDF_VERSION
#define PYUDF_VERSION "0"
#endif

static void fail(sqlite3_context *ctx, struct session *session,
                 const char *function, struct err *err) {
  error_log_add(&session->errors, function, session->settings.mode, err);
  errors_result(ctx, "", function, err);
}

static int evaluate(sqlite3_context *ctx, struct session *session,
                    const char *expression, int argc, sqlite3_value **argv,
                    struct err *err) {
  struct value values[CALLS_ARGS_MAX], result;
  struct engine *engine = NULL;
  if (argc > CALLS_ARGS_MAX) {
    return err_set(err, ERR_USAGE, "takes at most %d values", CALLS_ARGS_MAX);
  }
  int nulls;
  if (sqlvalue_arguments(session, argc, argv, values, &nulls, err) ||
      session_engine(session, session->settings.mode, &engine, err) ||
      engine_eval(engine, expression, values, (uint32_t)argc, &result, err)) {
    return -1;
  }
  int rc = sqlvalue_result(ctx, &result, session->host.max_len, err);
  if (result.flags & VALUE_HELD) engine_release(engine);
  return rc;
}

/* python_eval(expression, ...) */
void evaluate_expression(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct session *session = sqlite3_user_data(ctx);
  struct err err = {0};
  char *expression = NULL;
  statement_touch(ctx, session);
  session_enter(session);
  if (argc < 1) {
    err_set(&err, ERR_USAGE, "takes an expression, and the values a0, a1, ...");
  } else {
    expression = arguments_text(argv[0], "the expression", &err);
  }
  if (!expression ||
      evaluate(ctx, session, expression, argc - 1, argv + 1, &err)) {
    fail(ctx, session, "python_eval", &err);
  }
  free(expression);
  session_leave(session);
}

/* python_version() */
void evaluate_python_version(sqlite3_context *ctx, int argc,
                             sqlite3_value **argv) {
  (void)argc, (void)argv;
  struct session *session = sqlite3_user_data(ctx);
  enum engine_mode mode = session->settings.mode;
  struct engine *engine = NULL;
  struct value version;
  struct err err = {0};
  statement_touch(ctx, session);
  session_enter(session);
  if (session_engine(session, mode, &engine, &err) ||
      engine_version(engine, &version, &err)) {
    fail(ctx, session, "python_version", &err);
  } else {
    char *text =
        sqlite3_mprintf("%.*s, %s mode", (int)version.len, version.data,
                        mode == ENGINE_THREAD ? "thread" : "process");
    if (text) {
      sqlite3_result_text(ctx, text, -1, sqlite3_free);
    } else {
      sqlite3_result_error_nomem(ctx);
    }
    if (version.flags & VALUE_OWNED) {
      sqlite3_free((void *)(uintptr_t)version.data);
    }
    if (version.flags & VALUE_HELD) engine_release(engine);
  }
  session_leave(session);
}

/* pyudf_version() */
void evaluate_pyudf_version(sqlite3_context *ctx, int argc,
                            sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(ctx, PYUDF_VERSION, -1, SQLITE_STATIC);
}
