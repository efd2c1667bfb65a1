/* worker_life.c - one worker process, seen from the host: how it begins and ends; see
** worker.h
*/
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/control.h"
#include "../base/memlog.h"
#include "forks.h"
#include "maps.h"
#include "worker.h"

void worker_tell_limits(struct worker *worker) {
  const struct engine_host *host = worker->host;
  worker->max_len = host->max_len;
  worker->wire.wait.spin_us = host->settings->spin_us;
  shm_limits_set(worker->shm.control, worker->max_len,
                 worker->wire.wait.spin_us);
}

int worker_open(struct worker *worker, const struct engine_host *host,
                struct template *template, uint32_t restarts, struct err *err) {
  int shm_fd = -1;
  *worker = (struct worker){.host = host, .template = template, .crash_fd = -1};
  if (workers_enter(&worker->place, host, restarts, err)) return -1;
  int rc = shm_create(&shm_fd, err) || shm_open_fd(shm_fd, &worker->shm, err);
  if (rc) goto done;
  rc = -1;
  worker->crash_fd = memlog_open("pyudf-crash", err);
  if (worker->crash_fd < 0) goto done;
  shm_rings(&worker->shm, SHM_HOST, &worker->wire.out, &worker->wire.in);
  worker->wire.wait = (struct ring_wait){.arg = worker, .check = worker_check};
  worker->epoch = forks_epoch();
  worker_tell_limits(worker);
  shm_memory_limit_set(worker->shm.control, host->settings->memory_limit_mib);
  rc = template_fork(worker->template, host, shm_fd, worker->crash_fd,
                     &worker->pid, err);
  snprintf(worker->peer, sizeof worker->peer, "worker %d", (int)worker->pid);
  worker->wire.wait.peer = worker->peer;
done:
  if (shm_fd >= 0) close(shm_fd);
  if (!rc) {
    workers_started(&worker->place, worker->shm.control, worker->pid);
  } else {
    worker->pid = 0;
    worker_kill(worker);
  }
  return rc;
}

static void fini(struct worker *worker) {
  maps_lost(worker, NULL);
  workers_leave(&worker->place);
  if (worker->shm.control) shm_close(&worker->shm);
  if (worker->crash_fd >= 0) close(worker->crash_fd);
  *worker = (struct worker){.crash_fd = -1};
}

void worker_kill(struct worker *worker) {
  if (worker_usable(worker)) template_kill(worker->template, worker->pid);
  fini(worker);
}

/* Tells it to quit; 0 where that could be said. */
static int retire(struct worker *worker) {
  /* Only where there is room: one that does not read is not waited for. */
  struct wire_head quit = {.type = WIRE_QUIT};
  wire_done(&worker->wire);
  if (ring_room(&worker->wire.out) < sizeof quit ||
      wire_send(&worker->wire, &quit, NULL, 0, NULL)) {
    template_kill(worker->template, worker->pid);
    return -1;
  }
  template_retire(worker->template, worker->pid);
  return 0;
}

void worker_close(struct worker *worker) {
  if (worker_usable(worker)) retire(worker);
  fini(worker);
}

void worker_close_wait(struct worker *worker) {
  const struct timespec poll = {.tv_nsec = 200 * 1000};
  int64_t until = clock_ms() + 2 * CONTROL_GRACE_MS;
  int status, oom;
  if (worker_usable(worker) && !retire(worker)) {
    while (!shm_exit_get(worker->shm.control, &status, &oom) &&
           template_alive(worker->template) && clock_ms() < until) {
      nanosleep(&poll, NULL);
    }
  }
  fini(worker);
}

int worker_usable(const struct worker *worker) {
  return worker->pid && worker->epoch == forks_epoch();
}
