/* test_wire.c - rings, shared memory and messages between two processes
**
** The peer is a forked child that maps the memory file by itself, as a worker
** does.
*/
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ext/base/shm.h"
#include "../ext/base/wire.h"
#include "tap.h"

static int exited(void *arg, struct err *err) {
  int status, oom;
  if (!shm_exit_get(((struct shm *)arg)->control, &status, &oom)) return 0;
  return err_set(err, ERR_CRASH, "gone with %d", status);
}

static void ends(struct wire *wire, struct shm *shm, enum shm_side side,
                 uint32_t spin_us) {
  *wire = (struct wire){0};
  shm_rings(shm, side, &wire->out, &wire->in);
  wire->wait =
      (struct ring_wait){.spin_us = spin_us, .arg = shm, .check = exited};
}

/* The child: sends every value back, streams as streams, until WIRE_QUIT. */
static void echo(int fd, uint32_t spin_us) {
  struct shm shm;
  struct wire wire;
  if (shm_open_fd(fd, &shm, NULL)) _exit(2);
  ends(&wire, &shm, SHM_WORKER, spin_us);
  for (;;) {
    struct wire_head head;
    struct codec_reader reader;
    struct value value = value_null();
    if (wire_recv(&wire, &head, &reader, NULL)) _exit(3);
    if (head.type == WIRE_QUIT) _exit(0);
    if (codec_get(&reader, &value)) _exit(4);
    char *own = NULL;
    if (value.type >= VALUE_TEXT) {
      own = malloc(value.len + 1);
      if (!(value.flags & VALUE_STREAMED)) memcpy(own, value.data, value.len);
    }
    wire_done(&wire);
    if (value.flags & VALUE_STREAMED) {
      if (wire_read(&wire, own, value.len, NULL)) _exit(5);
      value.flags = 0;
    }
    if (own) value.data = own;
    head.type = WIRE_RESULT;
    if (wire_send(&wire, &head, &value, 1, NULL)) _exit(6);
    free(own);
  }
}

/* Sends value, and says whether the same came back. */
static int there_and_back(struct wire *wire, struct value value, uint64_t seq) {
  struct wire_head head = {.type = WIRE_CALL, .seq = seq};
  struct codec_reader reader;
  struct value got;
  if (wire_send(wire, &head, &value, 1, NULL)) return 0;
  if (wire_recv(wire, &head, &reader, NULL) || head.seq != seq) return 0;
  if (codec_get(&reader, &got) || got.len != value.len) return 0;
  int streamed = (got.flags & VALUE_STREAMED) != 0;
  int same = 1;
  if (!streamed) {
    same = got.len ? !memcmp(got.data, value.data, got.len)
                   : got.integer == value.integer || got.type > VALUE_REAL;
  }
  wire_done(wire);
  if (!streamed) return same;
  char *own = malloc(got.len);
  same =
      !wire_read(wire, own, got.len, NULL) && !memcmp(own, value.data, got.len);
  free(own);
  return same;
}

/* A value is lost, torn or mixed with its neighbour, spinning or sleeping. */
static void test_echo(uint32_t spin_us) {
  int fd;
  struct shm shm;
  struct wire wire;
  ok(!shm_create(&fd, NULL) && !shm_open_fd(fd, &shm, NULL), "shared memory");
  pid_t child = fork();
  if (!child) echo(fd, spin_us);
  close(fd);
  ends(&wire, &shm, SHM_HOST, spin_us);
  int good = 1;
  uint64_t seq = 0;
  for (int i = 0; i < 20000 && good; i++) {
    good = there_and_back(&wire, value_integer(i), ++seq);
  }
  ok(good, "20000 integers, spin %u us", spin_us);
  char *data = malloc(3000000);
  for (int i = 0; i < 3000000; i++) data[i] = (char)(i * 7 + i / 251);
  static const size_t sizes[] = {0,     1,     7,      8,      4096,   32767,
                                 32768, 32769, 131047, 131072, 262144, 3000000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ok(there_and_back(&wire, value_bytes(VALUE_BLOB, data, sizes[i]), ++seq),
       "%zu bytes", sizes[i]);
  }
  good = 1;
  for (size_t i = 0; i < 3000 && good; i++) {
    size_t len = (i * 37) % 9000;
    good = there_and_back(&wire, value_bytes(VALUE_TEXT, data + i, len), ++seq);
  }
  ok(good, "3000 texts of many lengths, around the ring's end");
  struct wire_head quit = {.type = WIRE_QUIT};
  wire_send(&wire, &quit, NULL, 0, NULL);
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "the peer quits");
  free(data);
  shm_close(&shm);
}

/* A host waits for ever for a worker that died. */
static void test_death(void) {
  int fd;
  struct shm shm;
  struct wire wire;
  struct err err = {0};
  struct wire_head head = {.type = WIRE_CALL};
  struct codec_reader reader;
  shm_create(&fd, NULL);
  shm_open_fd(fd, &shm, NULL);
  ends(&wire, &shm, SHM_HOST, 50);
  pid_t parent = getpid();
  pid_t child = fork();
  if (!child) {
    struct shm_control *control = shm_control_open(fd, NULL);
    usleep(30000);
    shm_exit_set(control, 9, 0);
    _exit(getppid() != parent);
  }
  close(fd);
  int rc = wire_recv(&wire, &head, &reader, &err);
  ok(rc && err.code == ERR_CRASH && strstr(err.text, "gone with 9"),
     "a wait for a reply ends with the peer");
  err_clear(&err);
  char *data = calloc(1, 3000000);
  struct value big = value_bytes(VALUE_BLOB, data, 3000000);
  ok(wire_send(&wire, &head, &big, 1, &err) && err.code == ERR_CRASH,
     "so does a wait for room");
  err_clear(&err);
  free(data);
  waitpid(child, NULL, 0);
  shm_close(&shm);
}

/* A worker that writes nonsense into the memory harms the host. */
static void test_hostile(void) {
  int fd;
  struct shm host;
  struct wire wire;
  struct err err = {0};
  struct wire_head head = {.type = WIRE_RESULT, .len = 1 << 20};
  struct codec_reader reader;
  shm_create(&fd, NULL);
  shm_open_fd(fd, &host, NULL);
  ends(&wire, &host, SHM_HOST, 0);
  memcpy(host.to_host, &head, sizeof head);
  atomic_store(&host.control->to_host.head, sizeof head);
  ok(wire_recv(&wire, &head, &reader, &err) && err.code == ERR_CRASH,
     "a message longer than the ring");
  err_clear(&err);
  head.len = 12;
  memcpy(host.to_host, &head, sizeof head);
  ok(wire_recv(&wire, &head, &reader, &err) && err.code == ERR_CRASH,
     "a message of a crooked length");
  err_clear(&err);
  ends(&wire, &host, SHM_HOST, 0);
  atomic_store(&host.control->to_host.head, SHM_RING_SIZE + 1);
  ok(wire_recv(&wire, &head, &reader, &err) && err.code == ERR_CRASH,
     "a count that is ahead by more than the ring");
  err_clear(&err);
  atomic_store(&host.control->to_worker.tail, 0x80000000u);
  char data[1000] = {0};
  struct value value = value_bytes(VALUE_BLOB, data, sizeof data);
  int rc = 0;
  for (int i = 0; i < 1000 && !rc; i++) {
    rc = wire_send(&wire, &head, &value, 1, &err);
  }
  ok(rc && err.code == ERR_CRASH, "a reader ahead of the writer");
  err_clear(&err);
  ok(ftruncate(fd, 4096) != 0, "the memory cannot be shrunk");
  ok(ftruncate(fd, 1 << 24) != 0, "nor grown");
  int flags = fcntl(fd, F_GETFD);
  ok(flags & FD_CLOEXEC, "nor inherited by a program");
  close(fd);
  shm_close(&host);
  int other = memfd_create("other", 0);
  ok(shm_open_fd(other, &host, &err) && err.code, "another file is refused");
  err_clear(&err);
  close(other);
}

/* An error loses a part on its way. */
static void test_err(void) {
  struct err from = {0}, to = {0};
  err_set_exception(&from, ERR_PYTHON, "E", "text", 4, "f.py", 3, "trace", 5);
  struct value values[WIRE_ERR_FIELDS];
  wire_put_err(&from, values);
  struct buf buf = {0};
  for (int i = 0; i < WIRE_ERR_FIELDS; i++) codec_add(&buf, &values[i]);
  struct codec_reader reader = {(uint8_t *)buf.data,
                                (uint8_t *)buf.data + buf.len};
  ok(!wire_get_err(&reader, &to) && to.code == ERR_PYTHON && to.line == 3 &&
         !strcmp(to.type, "E") && !strcmp(to.text, "text") &&
         !strcmp(to.file, "f.py") && !strcmp(to.traceback, "trace"),
     "an error comes back");
  err_clear(&to);
  buf.data[8] = 77;
  reader.at = (uint8_t *)buf.data;
  ok(wire_get_err(&reader, &to), "one with an unknown code is refused");
  err_clear(&to);
  err_clear(&from);
  buf_fini(&buf);
}

int main(void) {
  test_echo(100);
  test_echo(0);
  test_death();
  test_hostile();
  test_err();
  return tap_done();
}
