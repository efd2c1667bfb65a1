/* test_rowset.c - sets of rows, in memory and in a file */
#include "../ext/base/rowset.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { LONG = 700000, LONG_EVERY = 500 };

static char letters[LONG];

/* Value i of a set: all types, and now and then one that is longer than what is
** read at a time. */
static struct value nth(uint64_t i) {
  switch (i % 5) {
    case 0:
      return value_null();
    case 1:
      return value_integer((int64_t)(i << 40));
    case 2:
      return value_real((double)i / 3);
    case 3:
      return value_bytes(VALUE_TEXT, letters + i % 100, i % 77);
    default:
      return value_bytes(VALUE_BLOB, letters + i % 100,
                         i % LONG_EVERY == 4 ? LONG - 100 - i % 9 : i % 33);
  }
}

static int is_same(const struct value *a, const struct value *b) {
  if (a->type != b->type || a->len != b->len) return 0;
  if (value_is_bytes(a)) return !a->len || !memcmp(a->data, b->data, a->len);
  return a->integer == b->integer;
}

static struct rowset *made(uint32_t columns, uint64_t rows, uint64_t memory) {
  struct rowset *rowset = rowset_new(columns, memory, NULL);
  for (uint64_t i = 0; i < rows * columns; i++) {
    struct value value = nth(i);
    if (rowset_add(rowset, &value, NULL)) abort();
  }
  return rowset;
}

/* Reads up to `most` values; returns how many were as they should be. */
static uint64_t same(struct rowset_reader *reader, uint64_t from,
                     uint64_t most) {
  struct value got;
  uint64_t count = 0;
  while (count < most && rowset_next(reader, &got, NULL) == 1) {
    struct value value = nth(from + count);
    if (!is_same(&value, &got)) break;
    count++;
  }
  return count;
}

static int is_whole(struct rowset *rowset, uint64_t values) {
  struct rowset_reader reader;
  struct value value;
  rowset_reader_init(&reader, rowset);
  int whole = same(&reader, 0, UINT64_MAX) == values &&
              rowset_next(&reader, &value, NULL) == 0;
  rowset_reader_fini(&reader);
  return whole;
}

static int files(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

/* A value is lost, torn or comes twice, where memory ends, and elsewhere. */
static void test_round_trip(void) {
  static const struct {
    uint32_t columns;
    uint64_t rows, memory;
  } sets[] = {{1, 0, 1 << 20},    {1, 1, 1 << 20},         {3, 1000, 1 << 20},
              {1, 5000, 1 << 20}, {100, 40, 64 << 20},     {3, 2000, 0},
              {3, 2000, 16},      {3, 2000, 100},          {7, 900, 4096},
              {2, 5000, 1 << 18}, {2, 5000, (1 << 18) + 8}};
  int before = files();
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    uint64_t values = sets[i].rows * sets[i].columns;
    struct rowset *rowset = made(sets[i].columns, sets[i].rows, sets[i].memory);
    ok(rowset_columns(rowset) == sets[i].columns &&
           rowset_count(rowset) == sets[i].rows && is_whole(rowset, values) &&
           is_whole(rowset, values),
       "%llu rows of %u columns, %llu bytes of memory",
       (unsigned long long)sets[i].rows, sets[i].columns,
       (unsigned long long)sets[i].memory);
    uint64_t len = rowset_len(rowset);
    int spilled = files() - before;
    ok(spilled == (len - ROWSET_HEAD > sets[i].memory), "%d files for it",
       spilled);
    rowset_unref(rowset);
  }
  ok(files() == before, "no file is left open");
}

/* Readers of one set get into each other's way. */
static void test_readers(uint64_t memory) {
  struct rowset *rowset = made(2, 3000, memory);
  struct rowset_reader a, b;
  rowset_reader_init(&a, rowset);
  rowset_reader_init(&b, rowset);
  rowset_unref(rowset); /* they hold it */
  uint64_t first = 0, second = 0;
  for (int i = 0; i < 100; i++) {
    first += same(&a, first, 50);
    second += same(&b, second, 31);
  }
  ok(first == 5000 && second == 3100, "two readers, %llu bytes of memory",
     (unsigned long long)memory);
  rowset_reader_fini(&a);
  ok(same(&b, second, UINT64_MAX) == 2900, "one goes on without the other");
  rowset_reader_fini(&b);
}

static void *read_all(void *arg) {
  struct rowset *rowset = arg;
  void *whole = is_whole(rowset, 6000) ? arg : NULL;
  rowset_unref(rowset);
  return whole;
}

/* The same from several threads, of which any may be the last. */
static void test_threads(void) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  int before = files(), good = 0;
  struct rowset *rowset = made(2, 3000, 10000);
  for (int i = 0; i < THREADS; i++) {
    rowset_ref(rowset);
    pthread_create(&threads[i], NULL, read_all, rowset);
  }
  rowset_unref(rowset);
  for (int i = 0; i < THREADS; i++) {
    void *whole;
    pthread_join(threads[i], &whole);
    good += whole != NULL;
  }
  ok(good == THREADS, "%d of %d threads read it", good, THREADS);
  ok(files() == before, "the last one closed its file");
}

/* The encoding, cut into pieces of `piece` bytes, is another set. */
static void test_copy(uint64_t memory, uint64_t memory_there, uint64_t piece) {
  struct rowset *from = made(3, 1500, memory);
  uint64_t len = rowset_len(from), at = ROWSET_HEAD;
  uint8_t head[ROWSET_HEAD], *bytes = malloc(piece);
  int good = !rowset_copy(from, 0, head, ROWSET_HEAD, NULL);
  struct rowset *to = rowset_from(head, memory_there, NULL);
  while (at < len && good) {
    uint64_t part = len - at < piece ? len - at : piece;
    good = !rowset_copy(from, at, bytes, part, NULL) &&
           !rowset_append(to, bytes, part, NULL);
    at += part;
  }
  ok(good && rowset_columns(to) == 3 && rowset_count(to) == 1500 &&
         rowset_len(to) == len && is_whole(to, 4500),
     "copied, %llu bytes at a time, %llu in memory here and %llu there",
     (unsigned long long)piece, (unsigned long long)memory,
     (unsigned long long)memory_there);
  rowset_unref(from);
  rowset_unref(to);
  free(bytes);
}

/* An encoding that ends early makes the reader leave its bytes. */
static void test_broken(void) {
  struct rowset *from = made(3, 100, 1 << 20);
  uint8_t *bytes = malloc(rowset_len(from));
  rowset_copy(from, 0, bytes, rowset_len(from), NULL);
  int fine = 1;
  for (uint64_t len = ROWSET_HEAD; len < 2000; len++) {
    struct rowset *cut = rowset_from(bytes, len % 2 ? 64 : 1 << 20, NULL);
    rowset_append(cut, bytes + ROWSET_HEAD, len - ROWSET_HEAD, NULL);
    struct rowset_reader reader;
    struct value value;
    struct err err = {0};
    int rc;
    rowset_reader_init(&reader, cut);
    while ((rc = rowset_next(&reader, &value, &err)) == 1) continue;
    fine &= rc == -1 && err.code == ERR_SYSTEM;
    err_clear(&err);
    rowset_reader_fini(&reader);
    rowset_unref(cut);
  }
  ok(fine, "cut at every byte it is an error");
  free(bytes);
  rowset_unref(from);
}

static int add(struct rowset *rowset, uint64_t rows, struct err *err) {
  struct value value = value_bytes(VALUE_BLOB, letters, 1000);
  for (uint64_t i = 0; i < rows; i++) {
    if (rowset_add(rowset, &value, err)) return -1;
  }
  return 0;
}

/* A limit on files' sizes is a signal that ends the host; a folder that is not
** there is an error, though there are others. */
static void test_files(void) {
  struct rlimit before, limit;
  struct err err = {0};
  struct rowset *rowset = rowset_new(1, 4096, NULL);
  getrlimit(RLIMIT_FSIZE, &before);
  limit = (struct rlimit){100000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  ok(add(rowset, 1000, &err) && err.code == ERR_SYSTEM &&
         strstr(err.text, "ulimit -f"),
     "a limit on files: %s", err.text ? err.text : "");
  setrlimit(RLIMIT_FSIZE, &before);
  err_clear(&err);
  rowset_unref(rowset);

  setenv("SQLITE_TMPDIR", "/nowhere/at/all", 1);
  setenv("TMPDIR", "/proc/self/status", 1);
  rowset = rowset_new(1, 4096, NULL);
  ok(!add(rowset, 1000, &err), "folders that are none are passed over");
  err_clear(&err);
  rowset_unref(rowset);
  unsetenv("SQLITE_TMPDIR");
  unsetenv("TMPDIR");

  getrlimit(RLIMIT_NOFILE, &before);
  limit = (struct rlimit){0, before.rlim_max};
  rowset = rowset_new(1, 4096, NULL);
  setrlimit(RLIMIT_NOFILE, &limit);
  int rc = add(rowset, 1000, &err);
  setrlimit(RLIMIT_NOFILE, &before);
  ok(rc && err.code == ERR_SYSTEM && strstr(err.text, "no temporary file"),
     "no descriptor left: %s", err.text ? err.text : "");
  err_clear(&err);
  rowset_unref(rowset);
}

/* A file among the first descriptors gets what a program prints. */
static void test_descriptors(void) {
  pid_t child = fork();
  if (!child) {
    close(0);
    struct rowset *rowset = rowset_new(1, 0, NULL);
    add(rowset, 1, NULL);
    _exit(fcntl(0, F_GETFD) < 0 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "standard input stays closed");
}

/* A forked child writes into its parent's rows. */
static void test_fork(void) {
  struct rowset *rowset = made(1, 1000, 1000);
  pid_t child = fork();
  if (!child) {
    struct err err = {0};
    int whole = is_whole(rowset, 1000);
    _exit(whole && add(rowset, 10, &err) && err.code == ERR_SYSTEM ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  struct value more = nth(1000);
  rowset_add(rowset, &more, NULL);
  ok(status == 0 && is_whole(rowset, 1001),
     "a forked child reads, and adds nothing");
  rowset_unref(rowset);
}

int main(void) {
  for (int i = 0; i < LONG; i++) letters[i] = (char)(i * 7 + i / 251);
  test_round_trip();
  test_readers(64 << 20);
  test_readers(5000);
  test_threads();
  test_copy(64 << 20, 64 << 20, 32768);
  test_copy(64 << 20, 1 << 16, 32768);
  test_copy(4096, 64 << 20, 1000);
  test_copy(4096, 4096, 999);
  test_copy(0, 0, 12345);
  test_broken();
  test_files();
  test_descriptors();
  test_fork();
  rowset_unref(NULL);
  return tap_done();
}
