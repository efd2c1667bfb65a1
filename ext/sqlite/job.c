/* job.c - one batch of a mapping: see job.h */
#include "job.h"

#include <assert.h>
#include <string.h>

enum { KEEP_BYTES = 256 * 1024, KEY_BYTES = 40 };

static void reserve(struct buf *buf, size_t len) {
  if (buf_grow(buf, len)) buf->len -= len;
}

void job_reserve(struct job *job, uint32_t rows, uint32_t argc,
                 uint32_t columns) {
  enum { ROWS = 1024, VALUES = 2048 };
  uint64_t count = rows < ROWS ? rows : ROWS;
  uint64_t in = count * argc, out = count * columns;
  reserve(&job->keys, count * CODEC_HEAD);
  reserve(&job->in, (in < VALUES ? in : VALUES) * CODEC_HEAD);
  reserve(&job->map.out, (out < VALUES ? out : VALUES) * CODEC_HEAD);
}

int job_add(struct job *job, const struct value *key, const struct value *argv,
            uint32_t argc) {
  codec_add(&job->keys, key);
  for (uint32_t i = 0; i < argc; i++) codec_add(&job->in, &argv[i]);
  job->rows++;
  return job->keys.failed || job->in.failed ? -1 : 0;
}

static struct codec_reader reader_at(const struct buf *buf, size_t at) {
  const uint8_t *data = (const uint8_t *)buf->data;
  return (struct codec_reader){data + at, data + buf->len};
}

void job_aim(struct job *job, uint32_t argc) {
  job->map.in = (struct batch){.data = job->in.data + job->in_at,
                               .len = job->in.len - job->in_at,
                               .columns = argc,
                               .rows = job->rows - job->ready};
}

/* We wrote them ourselves. */
static void must_get(struct codec_reader *reader, struct value *value) {
  int rc = codec_get(reader, value);
  assert(!rc);
  (void)rc;
}

void job_advance(struct job *job, uint32_t rows, uint32_t argc) {
  struct codec_reader reader = reader_at(&job->in, job->in_at);
  struct value value;
  job->ready += rows;
  if (job->ready == job->rows || !argc) return; /* nothing is sent any more */
  for (uint64_t i = 0; i < (uint64_t)rows * argc; i++)
    must_get(&reader, &value);
  job->in_at = (size_t)(reader.at - (const uint8_t *)job->in.data);
}

int job_add_nulls(struct job *job) {
  struct value one = value_integer(1), null = value_null();
  if (job->map.table) codec_add(&job->map.out, &one);
  for (uint32_t i = 0; i < job->map.columns; i++) {
    codec_add(&job->map.out, &null);
  }
  return job->map.out.failed ? -1 : 0;
}

/* Whole characters, none that would spoil a message. */
static void put_text(const char *text, uint64_t len, struct buf *to) {
  uint64_t cut = len > KEY_BYTES ? KEY_BYTES : len;
  while (cut < len && cut && (text[cut] & 0xC0) == 0x80) cut--;
  buf_add_text(to, "'");
  for (uint64_t i = 0; i < cut; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '\'') buf_add_text(to, "'");
    buf_add(to, c < ' ' || c == 127 ? "?" : &text[i], 1);
  }
  buf_add_text(to, cut < len ? "...'" : "'");
}

static void put_blob(const uint8_t *data, uint64_t len, struct buf *to) {
  uint64_t cut = len > KEY_BYTES / 2 ? KEY_BYTES / 2 : len;
  buf_add_text(to, "x'");
  for (uint64_t i = 0; i < cut; i++) buf_printf(to, "%02x", data[i]);
  buf_add_text(to, cut < len ? "...'" : "'");
}

/* As SQL has it. */
static void put_key(const struct value *key, struct buf *to) {
  switch (key->type) {
    case VALUE_INTEGER:
      buf_printf(to, "%lld", (long long)key->integer);
      return;
    case VALUE_REAL:
      buf_printf(to, "%.15g", key->real);
      return;
    case VALUE_TEXT:
      put_text(key->data, key->len, to);
      return;
    case VALUE_BLOB:
      put_blob(key->data, key->len, to);
      return;
    default:
      buf_add_text(to, "NULL");
  }
}

void job_name_keys(const struct job *job, uint32_t rows, struct buf *to) {
  struct codec_reader reader = reader_at(&job->keys, job->keys_at);
  struct value key;
  for (uint32_t i = job->given; i <= job->ready; i++) must_get(&reader, &key);
  buf_add_text(to, rows > 1 ? " at keys " : " at key ");
  put_key(&key, to);
  if (rows < 2) return;
  while (--rows) must_get(&reader, &key);
  buf_add_text(to, " to ");
  put_key(&key, to);
}

/* A batch of large values must not leave its memory behind in each place. */
static void empty(struct buf *buf) {
  if (buf->failed || buf->size > KEEP_BYTES) buf_fini(buf);
  buf->len = 0;
}

void job_clear(struct job *job) {
  empty(&job->keys);
  empty(&job->in);
  empty(&job->map.out);
  err_clear(&job->map.err);
  job->state = JOB_FREE;
  job->map.state = ENGINE_MAP_NEW;
  job->rows = job->ready = job->given = job->tries = 0;
  job->keys_at = job->in_at = job->out_at = 0;
}

void job_fini(struct job *job) {
  buf_fini(&job->keys);
  buf_fini(&job->in);
  buf_fini(&job->map.out);
  err_clear(&job->map.err);
}
