/* rowset.c - a set of rows: see rowset.h */
#include "rowset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"

enum {
  FIRST = 512,        /* bytes of memory to begin with */
  CHUNK = 256 * 1024, /* written, and read back, at a time */
  FD_LEAST = 3        /* below are what programs print to */
};

struct rowset {
  atomic_uint refs; /* whoever holds it, in any thread */
  uint32_t columns;
  uint64_t rows;   /* of an encoding; else counted by values */
  uint64_t values; /* that were added */
  uint64_t memory_max;
  uint64_t spilled; /* bytes in the file; what follows is the tail */
  uint8_t *tail;
  uint64_t tail_len, tail_size;
  int fd;    /* -1: no file */
  pid_t pid; /* whose file it is */
};

struct rowset *rowset_new(uint32_t columns, uint64_t memory_max,
                          struct err *err) {
  struct rowset *rowset = calloc(1, sizeof *rowset);
  if (!rowset) {
    err_nomem(err);
    return NULL;
  }
  atomic_init(&rowset->refs, 1);
  rowset->columns = columns;
  rowset->memory_max = memory_max;
  rowset->fd = -1;
  return rowset;
}

/* A new reference comes from one that there is: nothing needs to be ordered. */
void rowset_ref(struct rowset *rowset) {
  if (rowset) atomic_fetch_add_explicit(&rowset->refs, 1, memory_order_relaxed);
}

/* All that others did with it is before it is freed. */
void rowset_unref(struct rowset *rowset) {
  if (!rowset ||
      atomic_fetch_sub_explicit(&rowset->refs, 1, memory_order_acq_rel) != 1) {
    return;
  }
  if (rowset->fd >= 0) close(rowset->fd);
  free(rowset->tail);
  free(rowset);
}

uint32_t rowset_columns(const struct rowset *rowset) { return rowset->columns; }

uint64_t rowset_count(const struct rowset *rowset) {
  if (!rowset->values) return rowset->rows;
  return rowset->values / rowset->columns;
}

uint64_t rowset_len(const struct rowset *rowset) {
  return ROWSET_HEAD + rowset->spilled + rowset->tail_len;
}

/* ---- the file ---- */

/* A file in the folder that has no name, or has lost it already. */
static int open_in(const char *folder) {
  char path[4096];
  int fd = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) {
    return fd;
  }
  if (snprintf(path, sizeof path, "%s/pyudf-rows-XXXXXX", folder) >=
      (int)sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  fd = mkostemp(path, O_CLOEXEC);
  if (fd >= 0) unlink(path);
  return fd;
}

/* Where SQLite has its own. */
static int file_open(struct rowset *rowset, struct err *err) {
  const char *folders[] = {getenv("SQLITE_TMPDIR"), getenv("TMPDIR"),
                           "/var/tmp", "/usr/tmp", "/tmp"};
  int fd = -1, why = ENOENT;
  for (size_t i = 0; fd < 0 && i < sizeof folders / sizeof *folders; i++) {
    if (!folders[i] || !*folders[i]) continue;
    fd = open_in(folders[i]);
    if (fd < 0 && errno != ENOENT) why = errno;
  }
  if (fd >= 0 && fd < FD_LEAST) {
    int low = fd;
    fd = fcntl(low, F_DUPFD_CLOEXEC, FD_LEAST);
    why = errno;
    close(low);
  }
  if (fd < 0) {
    return err_system(err, why,
                      "rows for which memory is too small: no temporary file "
                      "in TMPDIR, /var/tmp or /tmp");
  }
  rowset->fd = fd;
  rowset->pid = getpid();
  return 0;
}

/* Who writes beyond a limit on files' sizes (ulimit -f) gets SIGXFSZ, and that
** would be the host. */
static int file_check(const struct rowset *rowset, uint64_t len,
                      struct err *err) {
  struct rlimit limit;
  if (rowset->pid != getpid()) {
    return err_set(err, ERR_SYSTEM,
                   "this process was forked while rows were collected, whose "
                   "temporary file is its parent's");
  }
  if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
      (limit.rlim_cur >= rowset->spilled &&
       limit.rlim_cur - rowset->spilled >= len)) {
    return 0;
  }
  return err_set(err, ERR_SYSTEM,
                 "rows for which memory is too small: files are limited to "
                 "%llu bytes (ulimit -f)",
                 (unsigned long long)limit.rlim_cur);
}

static int file_write(struct rowset *rowset, const void *bytes, uint64_t len,
                      struct err *err) {
  const uint8_t *from = bytes;
  if (rowset->fd < 0 && file_open(rowset, err)) return -1;
  if (file_check(rowset, len, err)) return -1;
  while (len) {
    ssize_t put = pwrite(rowset->fd, from, len, (off_t)rowset->spilled);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      return err_system(err, put ? errno : ENOSPC,
                        "rows for which memory is too small: writing to a "
                        "temporary file");
    }
    from += put;
    len -= (uint64_t)put;
    rowset->spilled += (uint64_t)put;
  }
  return 0;
}

/* What is in memory goes to the file. */
static int flush(struct rowset *rowset, struct err *err) {
  uint64_t len = rowset->tail_len;
  if (!len) return 0;
  if (file_write(rowset, rowset->tail, len, err)) return -1;
  rowset->tail_len = 0;
  if (rowset->tail_size > CHUNK) {
    free(rowset->tail);
    rowset->tail = NULL;
    rowset->tail_size = 0;
  }
  return 0;
}

/* ---- adding ---- */

static uint64_t memory_limit(const struct rowset *rowset) {
  return rowset->fd >= 0 && rowset->memory_max > CHUNK ? CHUNK
                                                       : rowset->memory_max;
}

/* Room in memory for so many bytes that come next. Returns 1, 0 where they are
** for the file, or -1. */
static int make_room(struct rowset *rowset, uint64_t len, struct err *err) {
  if (rowset->tail_size - rowset->tail_len >= len) return 1;
  if (len > memory_limit(rowset) - rowset->tail_len) {
    if (flush(rowset, err)) return -1;
    if (len > memory_limit(rowset)) return 0;
    if (rowset->tail_size >= len) return 1;
  }
  uint64_t need = rowset->tail_len + len, limit = memory_limit(rowset);
  uint64_t size = rowset->tail_size ? rowset->tail_size * 2 : FIRST;
  if (size > limit) size = limit;
  if (size < need) size = need;
  uint8_t *tail = realloc(rowset->tail, size);
  if (!tail) return err_nomem(err);
  rowset->tail = tail;
  rowset->tail_size = size;
  return 1;
}

int rowset_append(struct rowset *rowset, const void *bytes, uint64_t len,
                  struct err *err) {
  if (!len) return 0;
  int room = make_room(rowset, len, err);
  if (room < 0) return -1;
  if (!room) return file_write(rowset, bytes, len, err);
  memcpy(rowset->tail + rowset->tail_len, bytes, len);
  rowset->tail_len += len;
  return 0;
}

/* A value that is too long to be put together in memory. */
static int write_long(struct rowset *rowset, const struct value *value,
                      struct err *err) {
  static const uint8_t zeros[8];
  uint8_t head[CODEC_HEAD];
  codec_put_head(head, value);
  uint64_t padding = codec_size(value) - CODEC_HEAD - value->len;
  return file_write(rowset, head, sizeof head, err) ||
                 file_write(rowset, value->data, value->len, err) ||
                 file_write(rowset, zeros, padding, err)
             ? -1
             : 0;
}

int rowset_add(struct rowset *rowset, const struct value *value,
               struct err *err) {
  uint64_t size = codec_size(value);
  int room = make_room(rowset, size, err);
  if (room < 0) return -1;
  if (room) {
    codec_put(rowset->tail + rowset->tail_len, value);
    rowset->tail_len += size;
  } else if (value_is_bytes(value)) {
    if (write_long(rowset, value, err)) return -1;
  } else {
    uint8_t bytes[CODEC_HEAD];
    codec_put(bytes, value);
    if (file_write(rowset, bytes, sizeof bytes, err)) return -1;
  }
  rowset->values++;
  return 0;
}

/* ---- the encoding ---- */

struct head {
  uint64_t columns, rows;
};

_Static_assert(sizeof(struct head) == ROWSET_HEAD, "the wire format");

struct rowset *rowset_from(const uint8_t bytes[ROWSET_HEAD],
                           uint64_t memory_max, struct err *err) {
  struct head head;
  memcpy(&head, bytes, sizeof head);
  struct rowset *rowset = rowset_new((uint32_t)head.columns, memory_max, err);
  if (rowset) rowset->rows = head.rows;
  return rowset;
}

static int file_read(const struct rowset *rowset, uint64_t from, uint8_t *to,
                     uint64_t len, struct err *err) {
  while (len) {
    ssize_t got = pread(rowset->fd, to, len, (off_t)from);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return err_system(err, got ? errno : EIO,
                        "rows: reading their temporary file");
    }
    from += (uint64_t)got;
    to += got;
    len -= (uint64_t)got;
  }
  return 0;
}

/* Bytes of the values, of which there are so many. */
static int copy(const struct rowset *rowset, uint64_t from, uint8_t *to,
                uint64_t len, struct err *err) {
  if (from < rowset->spilled) {
    uint64_t part = rowset->spilled - from;
    if (part > len) part = len;
    if (file_read(rowset, from, to, part, err)) return -1;
    from += part;
    to += part;
    len -= part;
  }
  if (len) memcpy(to, rowset->tail + (from - rowset->spilled), len);
  return 0;
}

int rowset_copy(const struct rowset *rowset, uint64_t from, void *to,
                uint64_t len, struct err *err) {
  uint8_t *at = to;
  if (from < ROWSET_HEAD) {
    struct head head = {rowset->columns, rowset_count(rowset)};
    uint64_t part = ROWSET_HEAD - from;
    if (part > len) part = len;
    memcpy(at, (const uint8_t *)&head + from, part);
    from += part;
    at += part;
    len -= part;
  }
  return copy(rowset, from - ROWSET_HEAD, at, len, err);
}

/* ---- reading ---- */

void rowset_reader_init(struct rowset_reader *reader, struct rowset *rowset) {
  rowset_ref(rowset);
  *reader = (struct rowset_reader){
      .rowset = rowset, .left = rowset->columns * rowset_count(rowset)};
}

void rowset_reader_fini(struct rowset_reader *reader) {
  rowset_unref(reader->rowset);
  free(reader->buffer);
  *reader = (struct rowset_reader){0};
}

/* The bytes at the reader's place that are at hand. */
static struct codec_reader at_hand(const struct rowset_reader *reader) {
  const struct rowset *rowset = reader->rowset;
  struct codec_reader bytes = {NULL, NULL};
  if (reader->at >= rowset->spilled) {
    if (rowset->tail_len) {
      bytes.at = rowset->tail + (reader->at - rowset->spilled);
      bytes.end = rowset->tail + rowset->tail_len;
    }
  } else if (reader->at >= reader->from &&
             reader->at < reader->from + reader->len) {
    bytes.at = reader->buffer + (reader->at - reader->from);
    bytes.end = reader->buffer + reader->len;
  }
  return bytes;
}

/* At least `need` bytes at the reader's place are to be at hand. */
static int fill(struct rowset_reader *reader, uint64_t need, struct err *err) {
  const struct rowset *rowset = reader->rowset;
  uint64_t there = rowset->spilled + rowset->tail_len - reader->at;
  uint64_t len = need > CHUNK ? need : CHUNK;
  if (len > there) len = there;
  if (need > there) {
    return err_set(err, ERR_SYSTEM, "rows that cannot be read");
  }
  if (reader->size < len || reader->size > CHUNK) {
    uint64_t size = len > CHUNK ? len : CHUNK;
    free(reader->buffer);
    reader->size = reader->len = 0;
    reader->buffer = malloc(size);
    if (!reader->buffer) return err_nomem(err);
    reader->size = size;
  }
  reader->len = 0;
  if (copy(rowset, reader->at, reader->buffer, len, err)) return -1;
  reader->from = reader->at;
  reader->len = len;
  return 0;
}

int rowset_next(struct rowset_reader *reader, struct value *value,
                struct err *err) {
  if (!reader->left) return 0;
  struct codec_reader bytes = at_hand(reader);
  const uint8_t *from = bytes.at;
  if (codec_get(&bytes, value)) {
    uint64_t need = CODEC_HEAD;
    if (fill(reader, need, err)) return -1;
    bytes = at_hand(reader);
    need = codec_need(bytes.at);
    if (need > reader->len) {
      if (fill(reader, need, err)) return -1;
      bytes = at_hand(reader);
    }
    from = bytes.at;
    if (codec_get(&bytes, value)) {
      return err_set(err, ERR_SYSTEM, "rows that cannot be read");
    }
  }
  reader->at += (uint64_t)(bytes.at - from);
  reader->left--;
  return 1;
}
