/* shm.h - the memory that a host and one worker share
**
** One memory file: a page of control words, then the data of two rings. Made
** by the host, which seals it against shrinking and growing and has its pages
** allocated up front, so that touching them can never be a SIGBUS. The worker
** maps it; the template maps only the control page, to write there how its
** child ended.
*/
#ifndef PYUDF_SHM_H
#define PYUDF_SHM_H

#include <stdatomic.h>
#include <stdint.h>

#include "err.h"
#include "ring.h"

enum { SHM_RING_SIZE = 256 * 1024 };

struct shm_control {
  uint32_t magic;
  uint32_t version;
  uint32_t ring_size;
  uint32_t zero;
  _Atomic uint64_t max_len; /* host: longest TEXT or BLOB that SQLite takes */
  _Atomic uint32_t spin_us; /* host: the worker's spinning before it sleeps */
  _Atomic uint32_t
      memory_limit_mib;     /* host, before the worker starts; 0: none */
  _Atomic uint32_t alarm;   /* host: enum shm_alarm for the request `alarmed` */
  _Atomic uint64_t alarmed; /* host: its seq, before `alarm` */
  _Atomic uint32_t exited;  /* template: 1 once the worker has ended */
  _Atomic int32_t status;   /* template: as waitpid gives it, before `exited` */
  _Atomic uint32_t oom;    /* template: 1, killed for memory, before `exited` */
  _Atomic uint32_t broken; /* worker: groups that failed, ever */
  struct ring_shared to_worker;
  struct ring_shared to_host;
  _Alignas(64) _Atomic uint64_t stop; /* host: a seq: its rows end */
  _Atomic uint32_t alarmed_rows;      /* host: `rows` at the alarm, before it */
  _Alignas(64) uint32_t rows; /* worker: of the batch under way, done so far */
};

/* What a request's call is to be ended for. */
enum shm_alarm {
  SHM_ALARM_NONE = 0,
  SHM_ALARM_TIMEOUT = 1,
  SHM_ALARM_INTERRUPT = 2,
  SHM_ALARM_STOP = 3 /* nobody wants its rows */
};

enum shm_side { SHM_HOST, SHM_WORKER };

/* A mapping. */
struct shm {
  struct shm_control *control; /* NULL: not mapped */
  uint8_t *to_worker;          /* each mapped twice */
  uint8_t *to_host;
};

/* A new file; *fd is close-on-exec and the caller's. */
int shm_create(int *fd, struct err *err);

/* Maps the whole; the fd may be closed after. */
int shm_open_fd(int fd, struct shm *shm, struct err *err);
void shm_close(struct shm *shm);

/* The two ends of the rings as one side sees them. */
void shm_rings(const struct shm *shm, enum shm_side side, struct ring *out,
               struct ring *in);

/* The control page alone. */
struct shm_control *shm_control_open(int fd, struct err *err);
void shm_control_close(struct shm_control *control);

/* Template: the worker has ended, killed by the kernel for memory where oom is
** 1; wakes the host. */
void shm_exit_set(struct shm_control *control, int status, int oom);

/* Host: 1 and both (the status as waitpid gives it) once the worker has ended. */
int shm_exit_get(struct shm_control *control, int *status, int *oom);

/* What a worker may map, told before it is forked; 0: any. */
void shm_memory_limit_set(struct shm_control *control, uint32_t mib);
uint32_t shm_memory_limit_get(struct shm_control *control);

/* What the host tells the worker beside the messages. */
void shm_limits_set(struct shm_control *control, uint64_t max_len,
                    uint32_t spin_us);
/* Host: the call of request `seq` is to be ended; a signal has to follow.
** Worker: what for, where `seq` is that request. */
/* `rows`: what shm_rows_get() gave: a timeout is one of the row after these. */
void shm_alarm_set(struct shm_control *control, enum shm_alarm alarm,
                   uint64_t seq, uint32_t rows);
enum shm_alarm shm_alarm_get(struct shm_control *control, uint64_t seq);

/* Worker: a group has failed, and nobody asked yet. Host: how often. */
void shm_broken_add(struct shm_control *control);
uint32_t shm_broken_get(struct shm_control *control);

/* Host: the batch, or the rows, that are request `seq` are not wanted any more.
** Worker: 1 where that is so. */
void shm_stop_set(struct shm_control *control, uint64_t seq);
int shm_stop_get(struct shm_control *control, uint64_t seq);

/* Host: rows that the worker has done of its batch: anything, if it lies. */
uint32_t shm_rows_get(const struct shm_control *control);

uint64_t shm_max_len_get(struct shm_control *control);
uint32_t shm_spin_us_get(struct shm_control *control);

#endif
