/* deal.c - the rows of a query, dealt in batches to a crew: see deal.h
**
** HOW IT WORKS. Jobs are in a window of some per worker, numbered in the order of
** their rows. Whenever the reader wants a row that is not there yet, and each time it
** has had all of a job, what is back is taken, jobs are sent to whoever is free,
** and more rows of the query are collected, until all are busy and one job is
** waiting. The first batches are small. From then on a batch takes some
** milliseconds, and one more worker joins in when the reader has waited for those
** that there are for longer than a worker takes to start.
*/
#include "deal.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "calls.h"
#include "maparg.h"
#include "session.h"

enum {
  FIRST_ROWS = 32,
  TARGET_NS = 8 * 1000 * 1000, /* that a batch is to take */
  JOB_BYTES = 64 * 1024,       /* of one, to find room beside another */
  FLIGHT_BYTES = 64 * 1024 * 1024,
  SLOW_MS = 20,   /* the query's rows come slowly: what there is goes */
  GROW_MS = 5,    /* waited for, before one more worker joins in */
  ALONE_MS = 1000 /* a wait */
};

static int has_flag(const struct deal *deal, uint32_t flag) {
  return (deal->function->spec.flags & flag) != 0;
}

/* Members and window, at the first row. */
int deal_start(struct deal *deal, struct err *err) {
  struct pool *pool;
  struct function *function = deal->function;
  uint32_t most = deal->options->workers;
  /* Awaiting takes no processor, and so many calls at once are for one worker. */
  if (has_flag(deal, FUNCTION_ASYNC) &&
      !(deal->options->given & 1u << MAPARG_WORKERS))
    most = 1;
  if (session_pool(deal->session, deal->mode, &pool, err) ||
      crew_init(&deal->crew, pool, &function->id, most, err)) {
    return -1;
  }
  deal->size = deal->crew.most * 3 + 2;
  deal->jobs = calloc(deal->size, sizeof *deal->jobs);
  if (!deal->jobs) return err_nomem(err);
  deal->since_ns = clock_ns();
  progress_begin(&deal->progress, deal->session->settings.progress);
  return 0;
}

void deal_fini(struct deal *deal, int forked) {
  progress_end(&deal->progress);
  session_enter(deal->session);
  if (forked) {
    free(deal->crew.members); /* the rest is the parent's */
  } else {
    crew_fini(&deal->crew);
  }
  session_leave(deal->session);
  for (uint32_t i = 0; i < deal->size && deal->jobs; i++) {
    struct job *job = &deal->jobs[i];
    /* Nobody wants the rows, but a module's state went with the worker. */
    if (!forked && job->state == JOB_SENT && job->map.lost &&
        job->map.err.code != ERR_INTERRUPT) {
      deal_log(deal, &job->map.err);
    }
    job_fini(job);
  }
  free(deal->jobs);
}

/* ---- rows in ---- */

/* 1 where a call has the whole batch, whose size is not ours to choose then. */
static int is_whole(const struct deal *deal) {
  return has_flag(deal, FUNCTION_BATCH) || has_flag(deal, FUNCTION_ASYNC);
}

static uint32_t batch_rows(const struct deal *deal) {
  uint64_t most = deal->options->batch_size, rows = FIRST_ROWS;
  if (is_whole(deal)) return (uint32_t)most;
  if (deal->row_ns) rows = TARGET_NS / deal->row_ns;
  return (uint32_t)(rows < 1 ? 1 : rows < most ? rows : most);
}

static int64_t coarse_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Fills a job with the query's next rows; what fails comes after them. */
static void collect(struct deal *deal, struct job *job) {
  struct value key, argv[CALLS_ARGS_MAX];
  uint32_t rows = batch_rows(deal), argc = deal->argc;
  int whole = is_whole(deal);
  size_t bytes = whole ? BATCH_BYTES : JOB_BYTES;
  int64_t began = whole ? 0 : coarse_ms();
  job_reserve(job, rows, argc, deal->columns);
  while (job->rows < rows && job->keys.len + job->in.len < bytes &&
         inner_next(deal->inner)) {
    if (inner_get(deal->inner, &key, argv, argc)) return;
    if (job_add(job, &key, argv, argc)) {
      inner_fail(deal->inner);
      job->rows--;
      return;
    }
    if (!whole && coarse_ms() - began > SLOW_MS) return;
  }
}

static struct job *free_job(const struct deal *deal) {
  for (uint32_t i = 0; i < deal->size; i++) {
    if (deal->jobs[i].state == JOB_FREE) return &deal->jobs[i];
  }
  return NULL;
}

/* The first one that is to be sent; none that comes after one that failed. */
static struct job *job_to_send(const struct deal *deal) {
  struct job *first = NULL;
  for (uint32_t i = 0; deal->count && i < deal->size; i++) {
    struct job *job = &deal->jobs[i];
    if (job->state != JOB_TO_SEND) continue;
    if (deal->failed && job->number > deal->failed) continue;
    if (!first || job->number < first->number) first = job;
  }
  return first;
}

static uint64_t bytes_in_flight(const struct deal *deal) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; deal->count && i < deal->size; i++) {
    const struct job *job = &deal->jobs[i];
    bytes += job->keys.len + job->in.len + job->map.out.len;
  }
  return bytes;
}

/* The time of an async function is that of each of its calls, which it keeps by
** itself; from outside it is that of one that does not await. */
static void limit_calls(const struct deal *deal, struct job *job) {
  struct batch_options *options = &job->map.options;
  uint32_t own = deal->function->spec.timeout_ms;
  if (options->timeout_ms) return;
  options->timeout_ms = own ? own : deal->session->host.settings->timeout_ms;
}

/* A new job; NULL where there is to be none, or the query has no more rows. */
static struct job *next_job(struct deal *deal) {
  uint32_t window = deal->crew.count * 3 + 2;
  if (deal->inner->ended || deal->failed || deal->count >= window ||
      bytes_in_flight(deal) > FLIGHT_BYTES) {
    return NULL;
  }
  struct job *job = free_job(deal);
  if (!job) return NULL;
  collect(deal, job);
  if (!job->rows) {
    job_clear(job);
    return NULL;
  }
  job->number = deal->next++;
  if (job->number == 1) deal->function->workers = 1;
  job->state = JOB_TO_SEND;
  job->map.columns = deal->columns;
  job->map.table = deal->function->spec.kind == FUNCTION_TABLE;
  job->map.options = deal->options->batch;
  job->map.options.columns = deal->columns;
  if (deal->function->spec.flags & FUNCTION_ASYNC) limit_calls(deal, job);
  deal->count++;
  return job;
}

static int send_one(struct deal *deal, struct job *job) {
  job_aim(job, deal->argc);
  if (!crew_is_free(&deal->crew, job->map.in.len)) return 0;
  job->state = JOB_SENT;
  session_enter(deal->session);
  crew_send(&deal->crew, &job->map);
  session_leave(deal->session);
  return 1;
}

/* Everybody has something to do, and one more job is there, if there is. */
static void fill(struct deal *deal) {
  struct job *job;
  while ((job = job_to_send(deal)) || (job = next_job(deal))) {
    if (!send_one(deal, job)) return;
    /* In thread mode it is back already: the reader goes first. */
    if (deal->mode == ENGINE_THREAD) return;
  }
}

/* ---- results ---- */

static void learn(struct deal *deal, const struct job *job) {
  if (!job->map.done) return;
  uint64_t took = job->map.time_ns / job->map.done;
  if (!took) took = 1;
  deal->row_ns = deal->row_ns ? (deal->row_ns + took) / 2 : took;
}

static void count(struct deal *deal, const struct job *job) {
  struct metrics *metrics = &deal->function->metrics;
  int failed = job->map.state == ENGINE_MAP_FAILED;
  metrics->calls += job->map.done + (uint32_t)failed;
  metrics->errors += (uint32_t)failed;
  deal->progress.rows += job->map.done;
  if (deal->session->settings.metrics) metrics->time_ns += job->map.time_ns;
}

void deal_log(struct deal *deal, const struct err *err) {
  error_log_add(&deal->session->errors, deal->function->spec.name, deal->mode,
                err);
}

static int may_retry(const struct deal *deal, struct job *job) {
  enum err_code code = job->map.err.code;
  return (code == ERR_CRASH || code == ERR_OOM) && !job->tries &&
         deal->session->settings.on_crash_retry &&
         has_flag(deal, FUNCTION_DETERMINISTIC);
}

/* The row after those that are ready failed: for a batch function all did. */
static void fail(struct deal *deal, struct job *job) {
  uint32_t rows = has_flag(deal, FUNCTION_BATCH) ? job->rows - job->ready : 1;
  if (job->map.err.code == ERR_PYTHON &&
      deal->session->settings.on_error_null) {
    deal_log(deal, &job->map.err);
    err_clear(&job->map.err);
    for (uint32_t i = 0; i < rows; i++) {
      if (job_add_nulls(job)) err_nomem(&job->map.err);
    }
    if (!job->map.err.code) {
      job_advance(job, rows, deal->argc);
      job->state = JOB_TO_SEND;
      return;
    }
  }
  job->state = JOB_FAILED;
  if (!deal->failed || job->number < deal->failed) {
    deal->failed = job->number;
  }
}

/* A batch is back. */
static void take_back(struct deal *deal, struct job *job) {
  if (job->map.state != ENGINE_MAP_BACK) {
    learn(deal, job);
    count(deal, job);
  }
  job_advance(job, job->map.done, deal->argc);
  job->state = JOB_TO_SEND;
  if (job->map.state == ENGINE_MAP_FAILED) {
    if (may_retry(deal, job)) {
      job->tries++;
      deal_log(deal, &job->map.err);
      err_clear(&job->map.err);
    } else {
      fail(deal, job);
    }
  }
  if (job->state != JOB_TO_SEND) return;
  if (job->ready == job->rows) {
    job->state = JOB_COMPLETE;
  } else if (job->map.out.len - job->out_at >= BATCH_BYTES) {
    job->state = JOB_PAUSED;
  }
}

/* Takes one that is back; 0 where none is after most_ms. */
static int receive(struct deal *deal, uint32_t most_ms) {
  session_enter(deal->session);
  struct engine_map *map = crew_next(&deal->crew, most_ms);
  session_leave(deal->session);
  if (!map) return 0;
  take_back(deal, (struct job *)map); /* its first member */
  return 1;
}

/* 1 where one more worker would have something to do, and pays. */
static int may_grow(const struct deal *deal) {
  return deal->crew.count < deal->crew.most && !deal->failed &&
         (!deal->inner->ended || job_to_send(deal));
}

static void tell_progress(struct deal *deal) {
  progress_tell(&deal->progress, deal->function->spec.name,
                deal->mode == ENGINE_THREAD ? 0 : deal->crew.count);
}

/* Waits for one of those that are on their way. */
static void wait_for_one(struct deal *deal) {
  for (;;) {
    int growing = may_grow(deal);
    uint64_t began = clock_ns();
    int got = receive(deal, growing             ? GROW_MS
                            : deal->progress.on ? PROGRESS_MS
                                                : ALONE_MS);
    tell_progress(deal);
    uint64_t now = clock_ns();
    deal->waited_ns += now - began;
    if (growing && deal->waited_ns > GROW_MS * 1000000u &&
        deal->waited_ns > (now - deal->since_ns) / 4 &&
        crew_grow(&deal->crew)) {
      deal->waited_ns = 0;
      deal->since_ns = now;
      deal->function->workers = deal->crew.count;
      fill(deal);
    }
    if (got) return;
  }
}

/* One whose rows, or whose failure, can be told now. */
static struct job *pick(const struct deal *deal) {
  struct job *first = NULL;
  for (uint32_t i = 0; deal->count && i < deal->size; i++) {
    struct job *job = &deal->jobs[i];
    if (job->state == JOB_FREE) continue;
    if (deal->options->ordered && job->number != deal->oldest) continue;
    if (job->given == job->ready && job->state < JOB_PAUSED) continue;
    if (!first || job->number < first->number) first = job;
  }
  return first;
}

/* Sees to those that work, and finds a job to go on with; NULL at the end. */
struct job *deal_next(struct deal *deal) {
  for (;;) {
    while (receive(deal, 0)) continue;
    tell_progress(deal);
    fill(deal);
    while (deal->mode == ENGINE_THREAD && receive(deal, 0)) continue;
    struct job *job = pick(deal);
    if (job || !deal->count) return job;
    if (deal->crew.sent) wait_for_one(deal);
  }
}

/* All that was ready was given. */
void deal_used_up(struct deal *deal, struct job *job) {
  if (job->state == JOB_COMPLETE) {
    job_clear(job);
    deal->count--;
    if (deal->options->ordered) deal->oldest++;
  } else if (job->state == JOB_PAUSED) {
    job->map.out.len = job->out_at = 0;
    job->state = JOB_TO_SEND;
  }
}
