/* shm.c - the memory that a host and one worker share: see shm.h */
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfile.h"

enum {
  SHM_MAGIC = 0x50595544, /* "PYUD" */
  SHM_VERSION = 3,
  SHM_CONTROL_SIZE = 64 * 1024 /* a page of any size that Linux has */
};

static const size_t file_size = SHM_CONTROL_SIZE + 2 * (size_t)SHM_RING_SIZE;

_Static_assert(sizeof(struct shm_control) <= 4096, "one page for the template");

/* A signal of the host's may come at any time. */
static int allocate(int fd) {
  int failed;
  do {
    failed = posix_fallocate(fd, 0, (off_t)file_size);
  } while (failed == EINTR);
  return failed;
}

int shm_create(int *out, struct err *err) {
  if (memfile_check(file_size, err)) return -1;
  int fd = memfd_create("pyudf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return err_system(err, errno, "shared memory: memfd_create");
  int rc = -1;
  /* Allocates: ENOSPC here rather than SIGBUS later. */
  if (ftruncate(fd, (off_t)file_size)) {
    err_system(err, errno, "shared memory: ftruncate");
  } else if ((errno = allocate(fd)) != 0) {
    err_system(err, errno, "shared memory: posix_fallocate");
  } else if (fcntl(fd, F_ADD_SEALS,
                   F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
    err_system(err, errno, "shared memory: sealing");
  } else {
    struct shm_control *control = shm_control_open(fd, err);
    if (control) {
      control->magic = SHM_MAGIC;
      control->version = SHM_VERSION;
      control->ring_size = SHM_RING_SIZE;
      shm_control_close(control);
      rc = 0;
    }
  }
  if (rc) {
    close(fd);
  } else {
    *out = fd;
  }
  return rc;
}

/* Maps `size` bytes at `offset` twice, one after the other. */
static uint8_t *map_twice(int fd, off_t offset, size_t size, struct err *err) {
  uint8_t *place = mmap(NULL, 2 * size, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) {
    err_system(err, errno, "shared memory: mmap");
    return NULL;
  }
  for (int i = 0; i < 2; i++) {
    if (mmap(place + (size_t)i * size, size, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
      err_system(err, errno, "shared memory: mmap");
      munmap(place, 2 * size);
      return NULL;
    }
  }
  return place;
}

int shm_open_fd(int fd, struct shm *shm, struct err *err) {
  *shm = (struct shm){0};
  struct stat st;
  if (fstat(fd, &st) || st.st_size != (off_t)file_size) {
    return err_set(err, ERR_SYSTEM, "shared memory of the wrong size");
  }
  shm->control = shm_control_open(fd, err);
  if (!shm->control) goto failed;
  if (shm->control->magic != SHM_MAGIC ||
      shm->control->version != SHM_VERSION) {
    err_set(err, ERR_SYSTEM, "shared memory of another version of pyudf");
    goto failed;
  }
  shm->to_worker = map_twice(fd, SHM_CONTROL_SIZE, SHM_RING_SIZE, err);
  if (!shm->to_worker) goto failed;
  shm->to_host =
      map_twice(fd, SHM_CONTROL_SIZE + SHM_RING_SIZE, SHM_RING_SIZE, err);
  if (!shm->to_host) goto failed;
  return 0;
failed:
  shm_close(shm);
  return -1;
}

void shm_close(struct shm *shm) {
  if (shm->to_host) munmap(shm->to_host, 2 * (size_t)SHM_RING_SIZE);
  if (shm->to_worker) munmap(shm->to_worker, 2 * (size_t)SHM_RING_SIZE);
  shm_control_close(shm->control);
  *shm = (struct shm){0};
}

void shm_rings(const struct shm *shm, enum shm_side side, struct ring *out,
               struct ring *in) {
  struct ring *to_worker = side == SHM_HOST ? out : in;
  struct ring *to_host = side == SHM_HOST ? in : out;
  ring_init(to_worker, &shm->control->to_worker, shm->to_worker, SHM_RING_SIZE);
  ring_init(to_host, &shm->control->to_host, shm->to_host, SHM_RING_SIZE);
}

struct shm_control *shm_control_open(int fd, struct err *err) {
  void *page = mmap(NULL, sizeof(struct shm_control), PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd, 0);
  if (page != MAP_FAILED) return page;
  err_system(err, errno, "shared memory: mmap");
  return NULL;
}

void shm_control_close(struct shm_control *control) {
  if (control) munmap(control, sizeof *control);
}

/* `status` and `oom` are written before `exited`: the store pairs with the acquiring load
** in shm_exit_get(). */
void shm_exit_set(struct shm_control *control, int status, int oom) {
  atomic_store_explicit(&control->oom, (uint32_t)oom, memory_order_relaxed);
  atomic_store_explicit(&control->status, status, memory_order_relaxed);
  atomic_store_explicit(&control->exited, 1, memory_order_release);
  ring_wake_all(&control->to_host);
  ring_wake_all(&control->to_worker);
}

int shm_exit_get(struct shm_control *control, int *status, int *oom) {
  if (!atomic_load_explicit(&control->exited, memory_order_acquire)) return 0;
  *status = atomic_load_explicit(&control->status, memory_order_relaxed);
  *oom = atomic_load_explicit(&control->oom, memory_order_relaxed) != 0;
  return 1;
}

/* Written by the host, read by the worker; no order with anything else. */
void shm_limits_set(struct shm_control *control, uint64_t max_len,
                    uint32_t spin_us) {
  atomic_store_explicit(&control->max_len, max_len, memory_order_relaxed);
  atomic_store_explicit(&control->spin_us, spin_us, memory_order_relaxed);
}

uint64_t shm_max_len_get(struct shm_control *control) {
  return atomic_load_explicit(&control->max_len, memory_order_relaxed);
}

uint32_t shm_spin_us_get(struct shm_control *control) {
  return atomic_load_explicit(&control->spin_us, memory_order_relaxed);
}

/* `alarmed` is written before `alarm`: the store pairs with the acquiring load in
** shm_alarm_get(). */
void shm_alarm_set(struct shm_control *control, enum shm_alarm alarm,
                   uint64_t seq, uint32_t rows) {
  atomic_store_explicit(&control->alarmed_rows, rows, memory_order_relaxed);
  atomic_store_explicit(&control->alarmed, seq, memory_order_relaxed);
  atomic_store_explicit(&control->alarm, alarm, memory_order_release);
}

enum shm_alarm shm_alarm_get(struct shm_control *control, uint64_t seq) {
  uint32_t alarm = atomic_load_explicit(&control->alarm, memory_order_acquire);
  if (atomic_load_explicit(&control->alarmed, memory_order_relaxed) != seq) {
    return SHM_ALARM_NONE;
  }
  /* The row that it was for has ended. */
  if (alarm == SHM_ALARM_TIMEOUT &&
      shm_rows_get(control) !=
          atomic_load_explicit(&control->alarmed_rows, memory_order_relaxed)) {
    return SHM_ALARM_NONE;
  }
  return (enum shm_alarm)alarm;
}

/* Written once, before the worker is there to read it. */
void shm_memory_limit_set(struct shm_control *control, uint32_t mib) {
  atomic_store_explicit(&control->memory_limit_mib, mib, memory_order_relaxed);
}

uint32_t shm_memory_limit_get(struct shm_control *control) {
  return atomic_load_explicit(&control->memory_limit_mib, memory_order_relaxed);
}

/* By the host, for the worker; no order with anything else. */
void shm_stop_set(struct shm_control *control, uint64_t seq) {
  atomic_store_explicit(&control->stop, seq, memory_order_relaxed);
}

int shm_stop_get(struct shm_control *control, uint64_t seq) {
  return atomic_load_explicit(&control->stop, memory_order_relaxed) == seq;
}

/* Counted by the runtime's map(), which knows of no atomics. */
uint32_t shm_rows_get(const struct shm_control *control) {
  return __atomic_load_n(&control->rows, __ATOMIC_RELAXED);
}

/* A hint: what failed comes as a message. */
void shm_broken_add(struct shm_control *control) {
  atomic_fetch_add_explicit(&control->broken, 1, memory_order_relaxed);
}

uint32_t shm_broken_get(struct shm_control *control) {
  return atomic_load_explicit(&control->broken, memory_order_relaxed);
}
