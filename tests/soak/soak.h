/* soak.h - many threads at once, for a long time: what the parts share
**
** Two processes. The host (main.c) has the threads, the actors, and everything
** that is tested; its parent, the monitor (monitor.c), is what init is to other
** hosts: what outlives its parent becomes the monitor's. It kills workers and
** templates, and watches whether the actors get on.
**
** An actor (actor.c) does one thing after another with one of its connections,
** the links (link.c), at random: what comes of it is known (deeds.c, faults.c).
** Its random numbers come from the seed and its number alone.
*/
#ifndef PYUDF_TESTS_SOAK_H
#define PYUDF_TESTS_SOAK_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  ACTORS_MAX = 200,
  LINKS = 2, /* an actor's */
  OPEN_MAX = 3,
  WHAT_LEN = 400,
  DEEDS_MAX = 40
};

/* Memory of both processes. */
struct board {
  atomic_llong alive_ms[ACTORS_MAX]; /* when the actor began a statement; 0: no
                                     ** such actor */
  char what[ACTORS_MAX][WHAT_LEN];   /* which */
  atomic_uint kills; /* by the monitor; counted before it kills */
  atomic_llong killed_ms;
  atomic_int quiet;          /* 1: all is closed, nothing is to be killed */
  int tap_count, tap_failed; /* the host's, when it has ended */
};

struct options {
  int seconds, threads, rounds;
  uint64_t seed;
  int modes; /* 1 process, 2 thread, 3 both */
  const char *extension;
  char folder[64];
};

extern struct board *board;
extern struct options options;

/* ---- link.c ---- */

enum link_kind { LINK_MEMORY, LINK_FILE, LINK_SHARED };
enum answer { RIGHT = 0, EXCUSED = 1, WRONG = -1 };

/* A statement that is open: `SELECT x, f(x)` for x up to last. */
struct opened {
  sqlite3_stmt *statement;
  long next, last;
};

/* One connection, and what is to be expected of it. */
struct link {
  int id;
  enum link_kind kind;
  sqlite3 *db;           /* NULL: closed */
  pthread_mutex_t guard; /* for db and interruptible */
  int interruptible;     /* 1: other threads may interrupt it */
  int thread_mode;
  int limited;     /* 1: settings that want process mode are set */
  int null_errors; /* python_on_error */
  int workers;     /* python_workers */
  int k;           /* f(x) is k * x + 1 */
  int one, two;    /* g(a) is a + one, g(a, b) a * b + two; 0: not defined */
  int module;      /* m() of the imported module */
  long rows;       /* of its table t */
  unsigned kills;  /* board->kills when one was last its excuse */
  int wrong;       /* 1: closed before it is used again */
  struct opened open[OPEN_MAX];
};

struct actor {
  int id;
  uint64_t random;
  uint64_t step;
  const char *deed;
  int failed;
  struct link *links[LINKS];
  pthread_t thread;
};

long long now_ms(void);
uint64_t roll(struct actor *actor, uint64_t below);

void link_open(struct actor *actor, struct link *link);
void link_close(struct link *link);
void link_close_statements(struct link *link);

/* What the actor is about to do with the link. */
void announce(struct actor *actor, const struct link *link, const char *sql);

/* The answer (malloc) of a statement: its first column, "NULL", "" without a row,
** "error N: message". */
char *answer_of(sqlite3 *db, const char *sql);

/* Runs one statement. wanted: the whole answer, or "~part of it". The
** format is sqlite3_mprintf()'s. */
enum answer expect(struct actor *actor, struct link *link, const char *wanted,
                   const char *format, ...);

/* What an answer is worth; reports where it is wrong. */
enum answer judge(struct actor *actor, struct link *link, const char *sql,
                  const char *wanted, const char *got);

/* A setting, in one of the ways that there are. */
enum answer set(struct actor *actor, struct link *link, const char *name,
                const char *value);

void report(struct actor *actor, const struct link *link, const char *sql,
            const char *wanted, const char *got);
void soak_stop(void);
int soak_stopped(void);

extern atomic_uint excuses, statements, interrupted;

/* ---- actor.c, deeds.c, faults.c ---- */

struct deed {
  const char *name;
  int weight;
  enum answer (*run)(struct actor *actor, struct link *link);
};

extern const struct deed deeds[], faults[];
extern const int deeds_count, faults_count;

/* Runs all actors until then; fails[i] and runs[i] count each deed. */
void actors_run(long long until_ms, int round);

struct tally {
  const char *name;
  atomic_uint runs, fails;
};
extern struct tally tallies[DEEDS_MAX];
void actors_init(void);

/* ---- groups.c ---- */

enum answer groups_right(struct actor *actor, struct link *link);
enum answer groups_dealt(struct actor *actor, struct link *link);
enum answer groups_windows(struct actor *actor, struct link *link);
enum answer groups_open(struct actor *actor, struct link *link);
enum answer groups_fail(struct actor *actor, struct link *link);
enum answer groups_crash(struct actor *actor, struct link *link);
enum answer groups_timeout(struct actor *actor, struct link *link);

/* ---- maps.c ---- */

enum answer maps_tables(struct actor *actor, struct link *link);
enum answer maps_sets(struct actor *actor, struct link *link);
enum answer maps_right(struct actor *actor, struct link *link);
enum answer maps_ended(struct actor *actor, struct link *link);
enum answer maps_fail(struct actor *actor, struct link *link);
enum answer maps_crash(struct actor *actor, struct link *link);
enum answer maps_timeout(struct actor *actor, struct link *link);
extern const char maps_functions[];

/* ---- census.c ---- */

struct census {
  int descriptors, threads, mappings, shm;
};

void census_take(struct census *census);
long census_rss_kib(void);

/* Processes below `root`, but for `but`; up to max pids. Zombies do not count. */
int census_below(pid_t root, pid_t but, pid_t *pids, int max);

/* ---- monitor.c ---- */

/* Watches the host until it ends; main()'s status. */
int monitor(pid_t host);

#endif
