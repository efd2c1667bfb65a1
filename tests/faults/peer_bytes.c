/* peer_bytes.c - what a hostile worker may put into the memory that it shares
** with the host: manifests cut off and changed, and bytes that go on changing
** while the host reads them
**
** All that is read lies right before a page that nobody may touch, so that one
** byte too many is a SIGSEGV; the sanitizers see the rest.
*/
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ext/base/clock.h"
#include "../../ext/base/definition.h"
#include "../../ext/base/shm.h"
#include "../../ext/base/wire.h"
#include "../tap.h"

enum { AREA = 64 * 1024, TRIALS = 20000 };

static uint64_t seed = 88172645463325252;

static uint64_t any(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

/* A word that lengths, types and numbers of a message may be mistaken with. */
static uint64_t any_word(void) {
  static const uint64_t words[] = {0,
                                   1,
                                   2,
                                   3,
                                   4,
                                   5,
                                   7,
                                   8,
                                   9,
                                   17,
                                   VALUE_TEXT | VALUE_STREAMED << 8,
                                   VALUE_BLOB | VALUE_STREAMED << 8,
                                   VALUE_ROWS | VALUE_STREAMED << 8,
                                   VALUE_TEXT | VALUE_JSON << 8,
                                   4096,
                                   32768,
                                   131048,
                                   1u << 31,
                                   UINT32_MAX,
                                   1ull << 32,
                                   1ull << 40,
                                   INT64_MAX,
                                   1ull << 63,
                                   UINT64_MAX - 7,
                                   UINT64_MAX};
  uint64_t r = any();
  return r % 4 ? words[r / 4 % (sizeof words / sizeof *words)] : any();
}

/* AREA bytes that all processes share, and the page behind them. */
static uint8_t *area_new(void) {
  uint8_t *area = mmap(NULL, AREA + 65536, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED || mprotect(area + AREA, 65536, PROT_NONE)) exit(1);
  return area;
}

/* The bytes so that they end where the area does. */
static uint8_t *put(uint8_t *area, const void *bytes, size_t len) {
  uint8_t *at = area + AREA - len;
  memcpy(at, bytes, len);
  return at;
}

static struct buf rows_new(int rows) {
  struct buf buf = {0};
  char name[300];
  for (int i = 0; i < rows; i++) {
    snprintf(name, sizeof name, "function_%d_%0*d", i, 1 + i % 7 * 30, i);
    const struct value row[MANIFEST_FIELDS] = {
        value_text(name),      value_integer(0),  value_integer(2),
        value_integer(0),      value_integer(0),  value_integer(i % 3),
        value_integer(5),      value_text("a"),   value_text(""),
        value_text("m"),       value_text("s:1"), value_text("a"),
        value_text("c\tTEXT"), value_text(""),    value_integer(i),
    };
    for (int j = 0; j < MANIFEST_FIELDS; j++) codec_add(&buf, &row[j]);
  }
  return buf;
}

/* 1 where it is refused with an error or is a manifest as the session may
** believe it; *good counts the latter. */
static int sound(const uint8_t *at, size_t len, int *good) {
  struct manifest *manifest = NULL;
  struct err err = {0};
  int rc = manifest_decode(at, len, &manifest, &err);
  int fine = rc ? err.code && !manifest : !err.code && manifest != NULL;
  err_clear(&err);
  for (uint32_t i = 0; !rc && fine && i < manifest->count; i++) {
    const struct function_spec *spec = &manifest->functions[i];
    fine = strlen(spec->name) <= AREA && strlen(spec->arguments) <= AREA &&
           strlen(spec->result) <= AREA && strlen(spec->module) <= AREA &&
           strlen(spec->source) <= AREA && strlen(spec->parameters) <= AREA &&
           strlen(spec->columns) <= AREA && strlen(spec->ordered_by) <= AREA &&
           spec->max_args >= -1 && spec->mode <= FUNCTION_THREAD;
  }
  if (!rc) {
    *good += 1;
    char *names = manifest_names(manifest);
    free(names);
  }
  manifest_free(manifest);
  return fine;
}

static void test_cut(uint8_t *area) {
  struct buf rows = rows_new(3);
  int good = 0, fine = 1;
  for (size_t len = 0; len <= rows.len; len++) {
    fine &= sound(put(area, rows.data, len), len, &good);
  }
  /* None, one, two and three rows. */
  ok(fine && good == 4, "process | a manifest cut at every byte | nothing");
  buf_fini(&rows);
}

static void test_changed(uint8_t *area) {
  struct buf rows = rows_new(9);
  int good = 0, fine = 1;
  for (int i = 0; i < TRIALS; i++) {
    uint8_t *at = put(area, rows.data, rows.len);
    for (uint64_t n = any() % 4; n < 4; n++) {
      uint64_t word = any_word();
      if (any() % 2) {
        memcpy(at + any() % (rows.len / 8) * 8, &word, sizeof word);
      } else {
        at[any() % rows.len] = (uint8_t)word;
      }
    }
    size_t cut = any() % 3 ? 0 : any() % rows.len;
    fine &= sound(at + cut, rows.len - cut, &good);
  }
  ok(fine && good > 0 && good < TRIALS,
     "process | %d changed manifests | nothing", TRIALS);
  buf_fini(&rows);
}

static void test_random(uint8_t *area) {
  int good = 0, fine = 1;
  for (int i = 0; i < TRIALS; i++) {
    size_t len = any() % 600;
    uint8_t *at = area + AREA - len;
    for (size_t k = 0; k + 8 <= len; k += 8) {
      uint64_t word = any_word();
      memcpy(at + k, &word, 8);
    }
    fine &= sound(at, len, &good);
  }
  ok(fine, "process | %d manifests of random words | nothing", TRIALS);
}

/* A child that has `len` bytes at `at` change for ever: a word of them is another
** one for a moment, and back, many times. */
static pid_t changer(uint8_t *at, size_t len) {
  pid_t pid = fork();
  if (pid) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    volatile uint64_t *word =
        (volatile uint64_t *)(void *)(at + any() % (len / 8) * 8);
    uint64_t before = *word;
    for (int i = 0; i < 50; i++) {
      *word = any_word();
      for (int k = 0; k < 20; k++) (void)*word;
      *word = before;
      for (int k = 0; k < 20; k++) (void)*word;
    }
  }
}

/* Enough: bytes were seen often both as they should be and changed, which takes
** two processors, or it has taken long. */
static int enough(int64_t since_ms, int good, int bad) {
  int64_t ms = clock_ms() - since_ms;
  return good && bad && (ms > 3000 || (ms > 300 && bad > 10000));
}

static void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void test_changing_manifest(uint8_t *area) {
  struct buf rows = rows_new(4);
  uint8_t *at = put(area, rows.data, rows.len);
  pid_t pid = changer(at, rows.len);
  int good = 0, fine = 1, i = 0;
  int64_t since = clock_ms();
  for (; !enough(since, good, i - good); i++)
    fine &= sound(at, rows.len, &good);
  end(pid);
  ok(fine && good > 0 && good < i,
     "process | a manifest that changes meanwhile | nothing");
  printf("# %d of %d were read\n", good, i);
  buf_fini(&rows);
}

static void test_changing_error(uint8_t *area) {
  char type[] = "ValueError", file[] = "file.py";
  char text[] = "a text of some length, so that lengths matter";
  char traceback[] = "traceback\nof lines\n";
  struct err from = {.code = ERR_PYTHON,
                     .line = 3,
                     .type = type,
                     .text = text,
                     .file = file,
                     .traceback = traceback};
  struct value values[WIRE_ERR_FIELDS];
  struct buf buf = {0};
  wire_put_err(&from, values);
  for (int i = 0; i < WIRE_ERR_FIELDS; i++) codec_add(&buf, &values[i]);
  uint8_t *at = put(area, buf.data, buf.len);
  pid_t pid = changer(at, buf.len);
  int good = 0, fine = 1, i = 0;
  int64_t since = clock_ms();
  for (; !enough(since, good, i - good); i++) {
    struct codec_reader reader = {at, at + buf.len};
    struct err err = {0};
    if (!wire_get_err(&reader, &err)) {
      good++;
      fine &= err.code > ERR_NONE && err.code <= ERR_SYSTEM && err.text &&
              strlen(err.text) <= buf.len;
    } else {
      fine &= !err.code;
    }
    err_clear(&err);
  }
  end(pid);
  ok(fine && good > 0 && good < i,
     "process | an error that changes meanwhile | nothing");
  printf("# %d of %d were read\n", good, i);
  buf_fini(&buf);
}

static int never(void *arg, struct err *err) {
  (void)arg;
  return err_set(err, ERR_INTERRUPT, "it waits");
}

/* A whole message, its head and the ring's counts included. */
static void test_changing_message(void) {
  int fd;
  struct shm shm;
  struct wire worker = {0};
  if (shm_create(&fd, NULL) || shm_open_fd(fd, &shm, NULL)) exit(1);
  close(fd);
  shm_rings(&shm, SHM_WORKER, &worker.out, &worker.in);
  struct wire_head head = {.type = WIRE_RESULT, .seq = 1};
  const struct value values[] = {value_text("text"), value_integer(5),
                                 value_bytes(VALUE_BLOB, "12345678", 8)};
  wire_send(&worker, &head, values, 3, NULL);
  struct shm_control *control = shm.control;
  pid_t bytes = changer(shm.to_host, 120);
  pid_t counts = changer((uint8_t *)&control->to_host, 24);
  int good = 0, bad = 0, fine = 1;
  int64_t since = clock_ms();
  while (!enough(since, good, bad)) {
    struct wire host = {.wait = {.check = never}};
    struct codec_reader reader = {0};
    struct value value;
    shm_rings(&shm, SHM_HOST, &host.out, &host.in);
    if (wire_recv(&host, &head, &reader, NULL)) {
      bad++;
      continue;
    }
    const uint8_t *begin = reader.at, *last = reader.end;
    fine &= last - begin == (ptrdiff_t)head.len && begin >= shm.to_host &&
            last <= shm.to_host + 2 * SHM_RING_SIZE;
    while (reader.at < reader.end && !codec_get(&reader, &value)) {
      good++;
      fine &= value.type <= VALUE_BLOB;
      if (!value_is_bytes(&value) || value.flags & VALUE_STREAMED) continue;
      const uint8_t *data = value.data;
      fine &= data >= begin && value.len <= (uint64_t)(last - data);
    }
    fine &= reader.at <= last;
  }
  end(bytes);
  end(counts);
  ok(fine && good > 0 && bad > 0,
     "process | a message that changes meanwhile | nothing");
  printf("# %d values were read, %d messages were none\n", good, bad);
  shm_close(&shm);
}

int main(void) {
  uint8_t *area = area_new();
  test_cut(area);
  test_changed(area);
  test_random(area);
  test_changing_manifest(area);
  test_changing_error(area);
  test_changing_message();
  return tap_done();
}
