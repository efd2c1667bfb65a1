/* worker.c - one worker process, seen from the host: see worker.h. The other
** end is ext/python/serve.c. */
#include "worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/delay.h"
#include "../base/control.h"
#include "../base/memlog.h"
#include "forks.h"
#include "maps.h"

enum {
  GRACE_MS = 50,        /* for a call that was told to end, to do so */
  GRACE_MOST_MS = 2000, /* the same where it waits for a processor */
  STOP_LOOKS = 3,  /* for rows that nobody wants: then they are interrupted */
  LOOKS_ALIVE = 50 /* looks, of RING_SLICE_MS each, between two at /proc */
};

/* What it died in: it may not even have read the request. */
static const char *before(const struct worker *worker) {
  uint32_t unread = worker->sent_at - ring_read_count(&worker->wire.out);
  return unread <= worker->wire.out.size ? " before the call" : "";
}

/* worker->posted. What frees groups is no part of what comes behind it: who dies
** of it has not begun that. */
enum { POSTED_NOTHING = 0, POSTED = 1, POSTED_AND_ASKED = 2, POSTED_FREE = 3 };

/* How it ended, as waitpid's status says; the Python stack that it left. */
static void died(struct worker *worker, int status, int oom, struct err *err) {
  if (oom) {
    err_set(err, ERR_OOM, "worker %d was killed%s: out of memory",
            (int)worker->pid, before(worker));
  } else if (WIFSIGNALED(status)) {
    const char *name = sigabbrev_np(WTERMSIG(status));
    err_set(err, ERR_CRASH, "worker %d was killed by SIG%s%s", (int)worker->pid,
            name ? name : "?", before(worker));
  } else {
    err_set(err, ERR_CRASH, "worker %d exited with status %d%s",
            (int)worker->pid, WEXITSTATUS(status), before(worker));
  }
  if (!err) return;
  char stack[8192];
  size_t len = memlog_tail(worker->crash_fd, stack, sizeof stack);
  if (len) err_set_traceback(err, stack, len);
}

/* Why the call under way was told to end, as an error; `how` is said behind. */
static int alarmed(const struct worker *worker, const char *how, int interrupt,
                   struct err *err) {
  if (interrupt) {
    return err_set(err, ERR_INTERRUPT, "interrupted");
  }
  return err_set(err, ERR_TIMEOUT, "timed out after %u ms%s",
                 worker->timeout_ms, how);
}

/* 1 where one of the two that have to act still waits for its first turn on a
** processor, or has waited for so long: no fault of the call's. */
static int is_delayed(const struct worker *worker, int64_t over) {
  struct delay now = delay_get(worker->pid);
  struct delay template = template_delay(worker->template);
  int64_t waited = now.waited_ms - worker->delay.waited_ms;
  int64_t ran = now.ran_ms - worker->delay.ran_ms;
  return over < waited || (now.wants && ran < GRACE_MS / 2) || template.wants;
}

/* 1 once a call that was told to end has had its time for it. */
static int had_grace(const struct worker *worker, int64_t now) {
  int64_t over = now - worker->grace_ms;
  return over >= 0 && (over >= GRACE_MOST_MS || !is_delayed(worker, over));
}

/* A worker that has ended, while the template that would say so does not run: it
** was stopped, say, and goes with its workers. */
static int check_alive(struct worker *worker, struct err *err) {
  if (workers_alive(worker->pid) || worker->unseen++ == 0) return 0;
  template_fail(worker->template);
  return err_set(
      err, ERR_CRASH,
      "worker %d has ended, and the process that starts workers does "
      "not say how: it was killed",
      (int)worker->pid);
}

/* Looks at the interrupt and the deadline. A call that is to end gets an
** exception first, so that the worker and what is in it go on; -1 once it has
** had its grace. */
static int check_call(struct worker *worker, struct err *err) {
  int64_t now = clock_ms();
  /* Not at the first: a wait that only just sleeps does not take long. */
  if (worker->looks++ == 1 && !worker->place.since_ms) {
    workers_name(&worker->place, worker->name);
  }
  if (worker->looks % LOOKS_ALIVE == 0 && check_alive(worker, err)) return -1;
  uint32_t read = maps_progress(worker);
  /* A row that was told to end has ended, and its group says how. */
  if ((worker->posted || worker->maps) && worker->alarm == SHM_ALARM_TIMEOUT &&
      read != worker->read) {
    worker->alarm = SHM_ALARM_NONE;
  }
  if (worker->alarm) {
    return had_grace(worker, now)
               ? alarmed(worker, ", and did not end: its worker was killed",
                         worker->alarm == SHM_ALARM_INTERRUPT, err)
               : 0;
  }
  /* What was read meanwhile was another message's time. */
  if (worker->timeout_ms && (!worker->until_ms || read != worker->read)) {
    worker->read = read;
    worker->until_ms = now + worker->timeout_ms;
  }
  if (worker->host->interrupted(worker->host->arg)) {
    worker->alarm = SHM_ALARM_INTERRUPT;
  } else if (worker->stopping && ++worker->stopping > STOP_LOOKS) {
    worker->alarm = SHM_ALARM_STOP;
  } else if (worker->until_ms && now >= worker->until_ms) {
    worker->alarm = SHM_ALARM_TIMEOUT;
  } else if (maps_is_stopped(worker, now)) {
    worker->alarm = SHM_ALARM_INTERRUPT;
  }
  if (worker->alarm) {
    worker->grace_ms = now + GRACE_MS;
    worker->delay = delay_get(worker->pid);
    int unasked = worker->posted == POSTED || worker->posted == POSTED_FREE;
    shm_alarm_set(worker->shm.control, worker->alarm,
                  maps_oldest(worker) + (uint64_t)unasked, worker->rows);
    template_alarm(worker->template, worker->pid);
  }
  return 0;
}

/* It has ended: what it wrote before still counts, but one that goes on writing
** has only said so. */
static int ended(struct worker *worker) {
  enum { LAST_WORDS = 8 };
  return ++worker->ended > LAST_WORDS ? -1 : 1;
}

int worker_check(void *arg, struct err *err) {
  struct worker *worker = arg;
  int status, oom;
  if (shm_exit_get(worker->shm.control, &status, &oom)) {
    died(worker, status, oom, err);
    return ended(worker);
  }
  if (!template_alive(worker->template)) {
    err_set(err, ERR_CRASH, "worker %d died with the process that started it",
            (int)worker->pid);
    return ended(worker);
  }
  return check_call(worker, err);
}

/* A request, or the first of the messages that come before one. */
static void begin(struct worker *worker, const char *name,
                  uint32_t timeout_ms) {
  const struct engine_host *host = worker->host;
  if (worker->posted != POSTED && !worker->maps) {
    worker->until_ms = 0;
    worker->alarm = SHM_ALARM_NONE;
    worker->looks = worker->unseen = 0;
    worker->stopping = 0;
    worker->sent_at = worker->wire.out.pos;
  }
  worker->timeout_ms = timeout_ms;
  worker->name = name;
  if (worker->max_len != host->max_len ||
      worker->wire.wait.spin_us != host->settings->spin_us) {
    worker_tell_limits(worker);
  }
}

/* A message that could not be sent. */
static int not_sent(struct worker *worker, const struct err *err) {
  if (!err || err->code != ERR_USAGE) {
    maps_lost(worker, err);
    worker_kill(worker);
  } else {
    workers_end(&worker->place);
  }
  return -1;
}

/* What is still to come for others is taken out of the way. */
static int settle(struct worker *worker, struct err *err) {
  if (worker->settle) return worker->settle(worker->settle_arg, err);
  return worker->maps ? maps_drain(worker, err) : 0;
}

int worker_post(struct worker *worker, struct wire_head *head, const char *name,
                const struct value *values, uint32_t count, uint32_t timeout_ms,
                struct err *err) {
  if (settle(worker, err)) return -1;
  begin(worker, name, timeout_ms);
  if (head->type != WIRE_FREE) {
    worker->posted = POSTED;
  } else if (worker->posted != POSTED) {
    worker->posted = POSTED_FREE;
  }
  head->seq = worker->seq + 1;
  return wire_post(&worker->wire, head, values, count, err)
             ? not_sent(worker, err)
             : 0;
}

int worker_has_posted(const struct worker *worker) {
  return worker->posted == POSTED;
}

void worker_flush(struct worker *worker) {
  if (worker_usable(worker)) wire_flush(&worker->wire);
}

int worker_send(struct worker *worker, struct wire_head *head, const char *name,
                const struct value *values, uint32_t count, uint32_t timeout_ms,
                struct err *err) {
  if (settle(worker, err)) return -1;
  begin(worker, name, timeout_ms);
  worker->posted = worker->posted == POSTED ? POSTED_AND_ASKED : POSTED_NOTHING;
  if (head->type != WIRE_FORGET) { /* which has no reply */
    workers_begin(&worker->place,
                  head->type == WIRE_CALL || head->type == WIRE_EVAL);
  }
  head->seq = ++worker->seq;
  if (wire_send(&worker->wire, head, values, count, err)) {
    return not_sent(worker, err);
  }
  if (head->type == WIRE_FORGET) workers_end(&worker->place);
  return 0;
}

int worker_send_map(struct worker *worker, struct wire_head *head,
                    const char *name, const struct value *values,
                    uint32_t count, uint32_t rows, uint32_t timeout_ms,
                    struct err *err) {
  if (worker->settle && worker->settle(worker->settle_arg, err)) return -1;
  begin(worker, name, timeout_ms);
  if (!worker->maps) {
    worker->posted =
        worker->posted == POSTED ? POSTED_AND_ASKED : POSTED_NOTHING;
  }
  workers_begin(&worker->place, rows);
  head->seq = worker->seq + 1;
  if (wire_send(&worker->wire, head, values, count, err)) {
    return not_sent(worker, err);
  }
  worker->seq++;
  return 0;
}

int worker_read_value(struct worker *worker, struct value *value,
                      struct err *err) {
  const struct engine_host *host = worker->host;
  if (value->len > host->max_len) {
    return err_set(err, ERR_TOOBIG,
                   "a result of %llu bytes is over SQLite's limit",
                   (unsigned long long)value->len);
  }
  if (!value->len) {
    value->flags &= VALUE_JSON;
    return 0;
  }
  char *data = host->alloc(value->len);
  if (!data) return err_nomem(err);
  if (wire_read(&worker->wire, data, value->len, err)) {
    host->free(data);
    return -1;
  }
  value->data = data;
  value->flags = (value->flags & VALUE_JSON) | VALUE_OWNED;
  return 0;
}

int worker_failed(const struct worker *worker, struct err *why,
                  struct err *err) {
  int late = why->code == ERR_TIMEOUT || why->code == ERR_INTERRUPT;
  if (!err) {
    err_clear(why);
  } else if (!worker->alarm && !late) {
    err_take(err, why);
  } else {
    /* A row's alarm may have been told to a later request. */
    alarmed(worker, "",
            worker->alarm == SHM_ALARM_INTERRUPT || why->code == ERR_INTERRUPT,
            err);
    if (why->traceback) {
      err_set_traceback(err, why->traceback, strlen(why->traceback));
    }
    err_clear(why);
  }
  return -1;
}

int worker_broke(struct worker *worker, const char *what, struct err *err) {
  err_set(err, ERR_CRASH, "%s broke the protocol: %s", worker->peer, what);
  maps_lost(worker, err);
  worker_kill(worker);
  return -1;
}

/* The one value of a WIRE_RESULT. */
static int take_result(struct worker *worker, struct codec_reader *reader,
                       struct value *result, struct err *err) {
  if (codec_get(reader, result) || reader->at != reader->end) {
    return worker_broke(worker, "a reply that cannot be read", err);
  }
  if (result->flags & VALUE_STREAMED) {
    wire_done(&worker->wire);
    if (!worker_read_value(worker, result, err)) return 0;
    worker_kill(worker);
    return -1;
  }
  if (value_is_bytes(result)) {
    result->flags |= VALUE_HELD;
  } else {
    wire_done(&worker->wire);
  }
  return 0;
}

/* The next message of the reply that is under way; its end where it is none. */
static int next_message(struct worker *worker, struct wire_head *head,
                        struct codec_reader *reader, struct err *err) {
  if (wire_recv(&worker->wire, head, reader, err)) {
    worker_kill(worker);
    return -1;
  }
  if (head->seq == worker->seq) return 0;
  return worker_broke(worker, "a reply to another call", err);
}

/* How a request ended, but for the books. */
static int take_reply(struct worker *worker, const struct wire_head *head,
                      struct codec_reader *reader, struct value *result,
                      struct err *err) {
  if (head->type == WIRE_RESULT) {
    return take_result(worker, reader, result, err);
  }
  struct err why = {0};
  if (head->type != WIRE_ERROR || wire_get_err(reader, &why)) {
    return worker_broke(worker, "a reply that cannot be read", err);
  }
  wire_done(&worker->wire);
  return worker_failed(worker, &why, err);
}

void worker_answered(struct worker *worker) {
  worker->posted = POSTED_NOTHING;
  worker->alarm = SHM_ALARM_NONE;
  worker->until_ms = worker->stop_ms = 0;
  worker->looks = worker->unseen = 0;
  if (!worker->maps) workers_end(&worker->place);
}

static void end(struct worker *worker) {
  worker->posted = POSTED_NOTHING;
  worker->stopping = 0;
  if (worker->pid) workers_end(&worker->place);
}

int worker_reply(struct worker *worker, struct value *result, struct err *err) {
  struct wire_head head;
  struct codec_reader reader;
  int rc = next_message(worker, &head, &reader, err) ||
                   take_reply(worker, &head, &reader, result, err)
               ? -1
               : 0;
  end(worker);
  return rc;
}

/* A row's values are borrowed from the ring. */
static int take_row(struct worker *worker, struct codec_reader *reader,
                    struct value *values, uint32_t count, struct err *err) {
  for (uint32_t i = 0; i < count; i++) {
    if (codec_get(reader, &values[i])) {
      return worker_broke(worker, "a row that cannot be read", err);
    }
  }
  if (reader->at != reader->end) {
    return worker_broke(worker, "a row that cannot be read", err);
  }
  worker->until_ms = 0; /* the next one has its own time */
  return 1;
}

int worker_row(struct worker *worker, struct value *values, uint32_t count,
               struct value *reply, struct err *err) {
  struct wire_head head;
  struct codec_reader reader;
  int rc = next_message(worker, &head, &reader, err);
  if (!rc && head.type == WIRE_ROW) {
    rc = take_row(worker, &reader, values, count, err);
    if (rc > 0) return rc;
  } else if (!rc) {
    rc = take_reply(worker, &head, &reader, reply, err);
    if (!rc && reply->flags & (VALUE_HELD | VALUE_OWNED)) {
      if (reply->flags & VALUE_OWNED) {
        worker->host->free((void *)(uintptr_t)reply->data);
      }
      rc = worker_broke(worker, "a reply that cannot be read", err);
    }
  }
  end(worker);
  return rc;
}

void worker_stop(struct worker *worker) {
  worker->stopping = 1;
  shm_stop_set(worker->shm.control, worker->seq);
}
