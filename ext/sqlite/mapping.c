/* mapping.c - a function that is mapped over the rows of a query: see mapping.h
*/
#include "mapping.h"

#include <stdlib.h>
#include <string.h>

#include "../engine/forks.h"
#include "calls.h"
#include "deal.h"
#include "maparg.h"

struct mapping {
  struct session *session;
  struct function *function; /* with a ref */
  uint32_t forks;            /* forks_epoch() of the process that it is of */
  struct mapping_options options;
  struct inner inner;
  struct deal deal;
  struct job *current;  /* whose rows are given */
  uint64_t table_left;  /* rows of the last key's that are to come */
  uint32_t columns;     /* of the result */
  const char *row_data; /* where the job's results lay when the row was read, */
  size_t row_at;        /* and the row's in them */
  struct value key;
  struct value *values; /* so many */
};

void mapping_defaults(const struct session *session,
                      struct mapping_options *options) {
  *options =
      (struct mapping_options){.workers = session->settings.engine.workers,
                               .batch_size = session->settings.batch_size,
                               .ordered = 1};
}

uint32_t mapping_columns(const struct function *function) {
  uint32_t count = 1;
  const char *line = function->spec.columns;
  while ((line = strchr(line, '\n')) && *++line) count++;
  return count;
}

/* ---- begin and end ---- */

/* What it is that takes so many arguments; NULL and err set. */
static struct function *find(struct session *session, const char *name,
                             uint32_t argc, struct err *err) {
  struct slot *slot = NULL;
  struct function *other = NULL, *varargs = NULL;
  while ((slot = slots_named(&session->registry.slots, name, slot))) {
    struct function *function = slot->function;
    if (!function) continue;
    other = function;
    if (slot->nargs == (int)argc) return function;
    if (slot->nargs < 0 && (int)argc >= function->spec.min_args) {
      varargs = function;
    }
  }
  if (varargs) return varargs;
  if (!other) {
    registry_no_function(&session->registry, name, err);
  } else {
    err_set(err, ERR_USAGE,
            "python function %.255s takes %s%s%s: the query gives it %u "
            "argument%s, the columns after the key",
            name, other->spec.arguments[0] ? "(" : "no arguments",
            other->spec.arguments, other->spec.arguments[0] ? ")" : "", argc,
            argc == 1 ? "" : "s");
  }
  return NULL;
}

/* What does nothing for a function is not taken in silence. */
static int check_options(const struct mapping_options *options,
                         const struct function *function, struct err *err) {
  static const enum maparg of_async[] = {MAPARG_CONCURRENCY, MAPARG_TIMEOUT,
                                         MAPARG_RETRIES};
  if (function->spec.flags & FUNCTION_ASYNC) return 0;
  for (size_t i = 0; i < sizeof of_async / sizeof *of_async; i++) {
    if (!(options->given & 1u << of_async[i])) continue;
    return err_set(err, ERR_USAGE,
                   "python_map: %s is for async functions, and %.255s is none"
                   "%s",
                   maparg_names[of_async[i]], function->spec.name,
                   of_async[i] == MAPARG_TIMEOUT
                       ? ": set python_timeout, or declare it with a timeout"
                       : "");
  }
  return 0;
}

static int prepare(struct mapping *mapping, const char *name, const char *query,
                   struct err *err) {
  struct session *session = mapping->session;
  if (inner_open(&mapping->inner, session, query, err)) return -1;
  uint32_t argc = mapping->inner.columns - 1;
  if (argc > CALLS_ARGS_MAX) {
    return err_set(err, ERR_USAGE,
                   "python_map: the query gives %u arguments, and a function "
                   "has at most %d",
                   argc, CALLS_ARGS_MAX);
  }
  struct function *function = find(session, name, argc, err);
  if (!function) return -1;
  uint32_t kind = function->spec.kind;
  if (kind != FUNCTION_SCALAR && kind != FUNCTION_TABLE) {
    return err_set(err, ERR_USAGE,
                   "python function %.255s is an aggregate function: a scalar "
                   "or a table function can be mapped",
                   name);
  }
  if (check_options(&mapping->options, function, err)) return -1;
  function_ref(function);
  mapping->function = function;
  mapping->columns = mapping_columns(function);
  mapping->values = calloc(mapping->columns, sizeof *mapping->values);
  if (!mapping->values) return err_nomem(err);
  mapping->deal = (struct deal){.session = session,
                                .function = function,
                                .options = &mapping->options,
                                .inner = &mapping->inner,
                                .mode = calls_mode(function),
                                .argc = argc,
                                .columns = mapping->columns,
                                .next = 1,
                                .oldest = 1};
  return 0;
}

struct mapping *mapping_new(struct session *session, const char *name,
                            const char *query,
                            const struct mapping_options *options,
                            struct err *err) {
  struct mapping *mapping = calloc(1, sizeof *mapping);
  if (!mapping) {
    err_nomem(err);
    return NULL;
  }
  mapping->session = session;
  mapping->forks = forks_epoch();
  mapping->options = *options;
  if (!prepare(mapping, name, query, err)) return mapping;
  mapping_free(mapping);
  return NULL;
}

void mapping_free(struct mapping *mapping) {
  if (!mapping) return;
  struct session *session = mapping->session;
  inner_close(&mapping->inner);
  if (mapping->deal.session) {
    deal_fini(&mapping->deal, mapping->forks != forks_epoch());
  }
  session_enter(session);
  function_unref(mapping->function);
  session_leave(session);
  session_cursor_end(session);
  err_clear(&mapping->inner.err);
  free(mapping->values);
  free(mapping);
}

static int check_fork(const struct mapping *mapping, struct err *err) {
  if (mapping->forks == forks_epoch()) return 0;
  return err_set(
      err, ERR_USAGE,
      "python_map: this process was forked while the statement ran: run it "
      "anew");
}

/* ---- rows out ---- */

/* The next row of the job. 1; 0 for a key without rows; -1 for a value that SQLite
** does not take. */
static int give(struct mapping *mapping, struct job *job, struct err *err) {
  const uint8_t *keys = (const uint8_t *)job->keys.data;
  const uint8_t *out = (const uint8_t *)job->map.out.data;
  struct codec_reader reader = {keys + job->keys_at, keys + job->keys.len};
  struct codec_reader values = {out + job->out_at, out + job->map.out.len};
  int rc = 0;
  if (!mapping->table_left) {
    mapping->table_left = 1;
    if (job->map.table && !codec_get(&values, &mapping->values[0])) {
      mapping->table_left = (uint64_t)mapping->values[0].integer;
    }
  }
  codec_get(&reader, &mapping->key);
  if (mapping->table_left) {
    mapping->table_left--;
    rc = 1;
  }
  mapping->row_data = job->map.out.data;
  mapping->row_at = (size_t)(values.at - out);
  uint64_t max_len = mapping->session->host.max_len;
  for (uint32_t i = 0; rc && i < mapping->columns; i++) {
    codec_get(&values, &mapping->values[i]);
    if (value_is_bytes(&mapping->values[i]) &&
        mapping->values[i].len > max_len) {
      err_set(err, ERR_TOOBIG, "a result of %llu bytes is over SQLite's limit",
              (unsigned long long)mapping->values[i].len);
    }
  }
  if (err->code) return -1;
  job->out_at = (size_t)(values.at - out);
  if (!mapping->table_left) {
    job->keys_at = (size_t)(reader.at - keys);
    job->given++;
  }
  return rc;
}

/* "f: ValueError: bad input (f.py:12) at key 17" is the text of err, its place and
** class being in it. */
static int tell(struct mapping *mapping, const struct job *job, uint32_t at,
                uint32_t rows, struct err *why, struct err *err) {
  struct buf text = {0};
  struct job there = *job; /* as it was when the row was next */
  there.ready = at;
  char *what = err_format(why);
  buf_printf(&text, "python function %s: %s", mapping->function->spec.name,
             what ? what : "");
  switch (why->code) {
    case ERR_PYTHON:
    case ERR_TIMEOUT:
    case ERR_CRASH:
    case ERR_OOM:
    case ERR_NOMEM:
    case ERR_TOOBIG:
      job_name_keys(&there, rows, &text);
      break;
    default:
      break;
  }
  char *whole = buf_take(&text);
  if (whole && why->code != ERR_INTERRUPT) {
    err_set(err, why->code == ERR_PYTHON ? ERR_USAGE : why->code, "%s", whole);
  } else if (whole) {
    err_set(err, ERR_INTERRUPT, "interrupted");
  } else {
    err_nomem(err);
  }
  free(whole);
  free(what);
  err_clear(why);
  return -1;
}

static int tell_failed(struct mapping *mapping, struct job *job,
                       struct err *err) {
  enum err_code code = job->map.err.code;
  deal_log(&mapping->deal, &job->map.err);
  int all = mapping->function->spec.flags & FUNCTION_BATCH || job->map.lost ||
            code == ERR_CRASH || code == ERR_OOM;
  return tell(mapping, job, job->ready, all ? job->rows - job->ready : 1,
              &job->map.err, err);
}

static int tell_too_big(struct mapping *mapping, struct job *job,
                        struct err *why, struct err *err) {
  deal_log(&mapping->deal, why);
  mapping->function->metrics.errors++;
  return tell(mapping, job, job->given, 1, why, err);
}

static int next(struct mapping *mapping, struct err *err) {
  struct deal *deal = &mapping->deal;
  if (!deal->jobs && deal_start(deal, err)) return -1;
  for (;;) {
    struct job *job = mapping->current;
    if (job && (mapping->table_left || job->given < job->ready)) {
      struct err why = {0};
      int rc = give(mapping, job, &why);
      if (rc < 0) return tell_too_big(mapping, job, &why, err);
      if (rc) return 1;
      continue;
    }
    if (job && job->state == JOB_FAILED) return tell_failed(mapping, job, err);
    if (job) deal_used_up(deal, job);
    mapping->current = deal_next(deal);
    if (!mapping->current) return inner_error(&mapping->inner, err);
  }
}

/* A query may read what reads it, by way of a view. */
int mapping_next(struct mapping *mapping, struct err *err) {
  enum { NESTED_MAX = 20 };
  struct session *session = mapping->session;
  if (check_fork(mapping, err)) return -1;
  if (session->maps == NESTED_MAX) {
    return err_set(err, ERR_USAGE,
                   "python_map: more than %d maps are nested: does the query "
                   "read what it is for?",
                   NESTED_MAX);
  }
  session->maps++;
  int rc = next(mapping, err);
  session->maps--;
  return rc;
}

const struct value *mapping_key(const struct mapping *mapping) {
  return &mapping->key;
}

/* The rest of a job that failed may come back between two columns, behind the rows
** that are given, and their bytes may move with it. */
const struct value *mapping_values(struct mapping *mapping) {
  const struct buf *out = &mapping->current->map.out;
  if (out->data == mapping->row_data) return mapping->values;
  struct codec_reader values = {(const uint8_t *)out->data + mapping->row_at,
                                (const uint8_t *)out->data + out->len};
  for (uint32_t i = 0; i < mapping->columns; i++) {
    if (codec_get(&values, &mapping->values[i])) break; /* they are checked */
  }
  mapping->row_data = out->data;
  return mapping->values;
}

const struct function *mapping_function(const struct mapping *mapping) {
  return mapping->function;
}

int mapping_code(const struct mapping *mapping) { return mapping->inner.code; }
