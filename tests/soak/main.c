/* main.c - the soak test: many threads at once, for a long time
**
** test_soak [--seconds N] [--threads N] [--rounds N] [--seed N]
**           [--mode mixed|process|thread] [PYUDF.SO]
** See soak.h for who does what. The time is cut into rounds: at the end of each
** all connections are closed and all threads ended, so that what is left over can
** be counted without noise: nothing may be, but for Python itself, which stays.
**
** Memory: the first two rounds are for what is made once (Python, caches, the
** allocator's arenas). From then on, with everything closed, what is allocated
** (mallinfo2; Python's own count of its blocks) may grow by so little a round that
** it cannot be one leak in a hundred statements: see GROWTH_.
*/
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../session.h"
#include "soak.h"

enum {
  STOP_AFTER = 10,            /* wrong answers */
  GROWTH_BYTES = 64 * 1024,   /* of the heap a round */
  GROWTH_BLOCKS = 3000,       /* of Python's a round */
  GROWTH_RSS_KIB = 64 * 1024, /* in all: the heaps' holes */
  SETTLE_MS = 15000
};

struct board *board;
struct options options = {.seconds = 8, .threads = 50, .modes = 3};

static atomic_int wrongs;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

void report(struct actor *actor, const struct link *link, const char *sql,
            const char *wanted, const char *got) {
  static const char *const kinds[] = {"in memory", "the file", "shared cache"};
  pthread_mutex_lock(&report_lock);
  printf("# wrong: seed %llu, actor %d, step %llu, %s; link %d, %s, %s\n",
         (unsigned long long)options.seed, actor->id,
         (unsigned long long)actor->step, actor->deed, link->id,
         kinds[link->kind], link->thread_mode ? "thread" : "process");
  printf("#    SQL: %.1000s\n# wanted: %.300s\n#    got: %.1000s\n", sql,
         wanted, got);
  fflush(stdout);
  pthread_mutex_unlock(&report_lock);
  wrongs++;
}

void soak_stop(void) { wrongs += STOP_AFTER; }

int soak_stopped(void) { return wrongs >= STOP_AFTER; }

/* Until there are so few threads, and no process beside us and the monitor. */
static int settle(const struct census *before, struct census *now) {
  const struct timespec pause = {.tv_nsec = 50000000};
  pid_t pid;
  int below = 0;
  for (int i = 0; i < SETTLE_MS / 50; i++) {
    census_take(now);
    below = census_below(getppid(), getpid(), &pid, 1);
    if (!below && now->threads <= before->threads &&
        now->descriptors <= before->descriptors) {
      break;
    }
    nanosleep(&pause, NULL);
  }
  return below;
}

static void check_left(int round, const struct census *before) {
  struct census now;
  int below = settle(before, &now);
  ok(!below, "round %d: no template and no worker is left", round);
  ok(waitpid(-1, NULL, WNOHANG) == -1, "round %d: no child of the host's",
     round);
  ok(now.descriptors <= before->descriptors,
     "round %d: %d descriptors as before, %d now", round, before->descriptors,
     now.descriptors);
  ok(now.threads <= before->threads, "round %d: %d thread as before, %d now",
     round, before->threads, now.threads);
  ok(now.mappings == before->mappings && now.shm == before->shm,
     "round %d: no shared memory", round);
}

struct memory {
  long long heap, blocks;
  long rss_kib;
};

/* Python's blocks, asked by a connection of our own. */
static long long python_blocks(void) {
  static const char *const lines[] = {
      "UPDATE python_settings SET value = 'thread' WHERE name = "
      "'python_execution_mode'",
      "SELECT python_eval('__import__(\"gc\").collect()')",
      "SELECT python_eval('sys.getallocatedblocks()')"};
  sqlite3 *db = NULL;
  long long blocks = -1;
  sqlite3_open(":memory:", &db);
  load(db);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    char *text = answer_of(db, lines[i]);
    blocks = atoll(text);
    free(text);
  }
  sqlite3_close(db);
  return blocks;
}

static struct memory measure(void) {
  struct memory memory = {.blocks = options.modes & 2 ? python_blocks() : 0};
  malloc_trim(0);
  struct mallinfo2 info = mallinfo2();
  memory.heap = (long long)(info.uordblks + info.hblkhd);
  memory.rss_kib = census_rss_kib();
  return memory;
}

static void check_memory(const struct memory *first, const struct memory *last,
                         int rounds) {
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  printf(
      "# heap %lld -> %lld, Python's blocks %lld -> %lld, RSS %ld -> %ld "
      "KiB, in %d rounds\n",
      first->heap, last->heap, first->blocks, last->blocks, first->rss_kib,
      last->rss_kib, rounds);
  if (sanitizer && *sanitizer) {
    ok(1, "memory # SKIP a sanitizer keeps it");
    return;
  }
  ok(last->heap - first->heap <= (long long)GROWTH_BYTES * rounds,
     "the heap does not grow");
  ok(last->blocks - first->blocks <= (long long)GROWTH_BLOCKS * rounds,
     "Python's blocks do not grow");
  ok(last->rss_kib - first->rss_kib <= GROWTH_RSS_KIB, "RSS does not grow");
}

/* The file that all connections share; SQLite itself, without us. */
static void make_file(void) {
  char path[128];
  sqlite3 *db = NULL;
  static const char *const ends[] = {"", "-wal", "-shm"};
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/soak.db%s", options.folder, ends[i]);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/soak.db", options.folder);
  sqlite3_open(path, &db);
  sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE log(actor, k, x, y)",
               NULL, NULL, NULL);
  sqlite3_close(db);
}

static void check_tallies(void) {
  for (int i = 0; i < deeds_count + faults_count; i++) {
    unsigned runs = tallies[i].runs, fails = tallies[i].fails;
    ok(!fails && (runs || options.seconds < 60), "%s: %u times, %u wrong",
       tallies[i].name, runs, fails);
  }
  printf(
      "# %u statements, %u interrupted, %u kills by the monitor, %u lost "
      "by them\n",
      statements, interrupted, board->kills, excuses);
  ok(!wrongs, "every answer was right");
  ok(interrupted || options.seconds < 60, "some statements were interrupted");
}

static void *nothing(void *arg) { return arg; }

static int host(void) {
  struct census before;
  struct memory first = {0}, last = {0};
  /* With a host's first thread the thread sanitizer starts one of its own. */
  pthread_t thread;
  pthread_create(&thread, NULL, nothing, NULL);
  pthread_join(thread, NULL);
  make_file();
  census_take(&before);
  /* Python stays up, and has one of its own: standard input from /dev/null. */
  if (options.modes & 2) before.descriptors++;
  long long began = now_ms();
  int round = 0;
  long long until = began + options.seconds * 1000LL;
  /* Where a round takes longer than it should, there are fewer of them. */
  for (; round < options.rounds && !soak_stopped(); round++) {
    if (round && now_ms() >= until) break;
    make_file();
    board->quiet = 0;
    actors_run(began + options.seconds * 1000LL * (round + 1) / options.rounds,
               round);
    board->quiet = 1;
    check_left(round, &before);
    last = measure();
    if (round == 1) first = last;
  }
  check_left(round, &before);
  if (round > 2) check_memory(&first, &last, round - 2);
  check_tallies();
  board->tap_count = tap_count;
  board->tap_failed = tap_failed;
  return 0;
}

static int read_options(int argc, char **argv) {
  static const struct option known[] = {
      {"seconds", 1, NULL, 's'}, {"threads", 1, NULL, 't'},
      {"rounds", 1, NULL, 'r'},  {"seed", 1, NULL, 'x'},
      {"mode", 1, NULL, 'm'},    {NULL, 0, NULL, 0}};
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  options.seed = (uint64_t)time(NULL);
  for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (c == 's') options.seconds = atoi(optarg);
    if (c == 't') options.threads = atoi(optarg);
    if (c == 'r') options.rounds = atoi(optarg);
    if (c == 'x' && *optarg) options.seed = strtoull(optarg, NULL, 10);
    if (c == 'm') {
      options.modes = !strcmp(optarg, "process")  ? 1
                      : !strcmp(optarg, "thread") ? 2
                                                  : 3;
    }
    if (c == '?') return -1;
  }
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  options.extension = extension = optind < argc ? argv[optind] : path;
  if (!options.rounds) {
    options.rounds = options.seconds < 40 ? 4 : options.seconds / 10;
  }
  return options.threads < 1 || options.threads + 8 > ACTORS_MAX ? -1 : 0;
}

int main(int argc, char **argv) {
  if (read_options(argc, argv)) {
    fprintf(stderr, "usage: see the head of main.c\n");
    return 2;
  }
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  snprintf(options.folder, sizeof options.folder, "/tmp/pyudf-soak.XXXXXX");
  if (board == MAP_FAILED || !mkdtemp(options.folder)) return 1;
  printf("# seed %llu, %d seconds, %d threads, %d rounds\n",
         (unsigned long long)options.seed, options.seconds, options.threads,
         options.rounds);
  fflush(stdout);
  actors_init();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t pid = fork();
  if (!pid) exit(host());
  int status = monitor(pid);
  char command[100];
  snprintf(command, sizeof command, "rm -r %s", options.folder);
  if (shell(command)) status = 1;
  return status;
}
