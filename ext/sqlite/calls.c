/* calls.c - what calls of functions of all kinds have in common: see calls.h */
#include "calls.h"

#include <assert.h>

#include "collect.h"
#include "sqlvalue.h"
#include "statement.h"

/* What is wrong with a call of a function with any number of arguments. */
static int check(const struct function *function, int argc, struct err *err) {
  int least = function->spec.min_args;
  if (argc < least) {
    return err_set(err, ERR_USAGE, "takes at least %d argument%s, not %d",
                   least, least == 1 ? "" : "s", argc);
  }
  if (argc > CALLS_ARGS_MAX) {
    return err_set(err, ERR_USAGE, "takes at most %d arguments, not %d",
                   CALLS_ARGS_MAX, argc);
  }
  return 0;
}

/* What looks like NULL may be a set of rows. */
static int rows(const struct function *function, int argc, sqlite3_value **argv,
                struct value *values, int *nulls, struct err *err) {
  struct session *session = function->session;
  if (function->spec.kind != FUNCTION_AGGREGATE) {
    return sqlvalue_rows(session, argc, argv, values, nulls, err);
  }
  for (int i = 0; i < argc; i++) {
    if (values[i].type == VALUE_NULL && collect_get(session, argv[i])) {
      return err_set(err, ERR_USAGE,
                     "argument %d is rows of python_rows, which only scalar "
                     "and table functions take",
                     i + 1);
    }
  }
  return 0;
}

int calls_arguments(const struct function *function, int argc,
                    sqlite3_value **argv, struct value values[CALLS_ARGS_MAX],
                    int *nulls, struct err *err) {
  *nulls = 0;
  if (function->spec.max_args < 0 && check(function, argc, err)) return -1;
  for (int i = 0; i < argc; i++) {
    if (sqlvalue_get(argv[i], &values[i])) return err_nomem(err);
    *nulls |= values[i].type == VALUE_NULL;
  }
  return *nulls ? rows(function, argc, argv, values, nulls, err) : 0;
}

int calls_fail(sqlite3_context *ctx, struct function *function,
               enum engine_mode mode, struct err *err) {
  struct session *session = function->session;
  const char *name = function->spec.name;
  function->metrics.errors++;
  error_log_add(&session->errors, name, mode, err);
  if (err->code == ERR_PYTHON && session->settings.on_error_null) {
    sqlite3_result_null(ctx);
    err_clear(err);
    return 1;
  }
  errors_result(ctx, "python function ", name, err);
  return 0;
}

void calls_no_function(sqlite3_context *ctx, struct slot *slot,
                       const struct function *function) {
  struct session *session = slot->session;
  struct err err = {0};
  if (function) {
    err_set(&err, ERR_USAGE,
            "python function %.255s has become %s function: prepare the "
            "statement again",
            slot->name,
            function->spec.kind == FUNCTION_AGGREGATE ? "an aggregate"
                                                      : "a scalar");
  } else {
    registry_no_function(&session->registry, slot->name, &err);
  }
  error_log_add(&session->errors, slot->name, session->settings.mode, &err);
  errors_result(ctx, "", NULL, &err);
}

struct function *calls_function(sqlite3_context *ctx, struct slot *slot,
                                enum function_kind kind) {
  struct function *function = NULL;
  if (!statement_call(ctx, slot)) {
    function = slot->function ? slot->function : slot->last;
    assert(function);
    if (function->spec.kind == kind) return function;
  }
  calls_no_function(ctx, slot, function);
  return NULL;
}
