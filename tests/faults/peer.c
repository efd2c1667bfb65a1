/* peer.c - a template or worker that dies at every step of the protocol, or
** speaks it wrongly
**
** tests/faults/peer_plays.py is set as python_executable and does what a case
** asks for, once. A case is one line of TAP; all of the following is asserted:
** one error for one statement, with the text as expected; the worker is killed;
** the next statement works, with the peer and with the real Python; another
** connection keeps its module's state; no process, descriptor, thread or
** mapping is left. Usage: peer [PART], to run the cases whose play has PART in it.
*/
#include <dirent.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../session.h"

enum how {
  SURVIVES = 1,  /* the worker is well and goes on */
  LATER = 2,     /* the first statement succeeds, the second fails */
  INTERRUPT = 4, /* sqlite3_interrupt() after a while: it is not logged */
  TIMEOUT = 8,   /* with python_timeout */
  FINE = 16,     /* no error at all */
  REPEATED = 32, /* until it fails, however */
  FULL = 64,     /* the ring to the worker is full then: no next statement */
  EITHER = 128,  /* an interrupt may find the worker well, and the ring not */
  CLOSED = 256 /* the statement has all its rows: python_errors alone says it */
};

struct peer_case {
  const char *fault;
  const char *play; /* "POINT KIND WHAT" of peer_plays.py */
  const char *sql;
  const char *expect; /* a regular expression */
  int how;
};

#define ASK_VERSION "SELECT python_version()"
#define ASK_EVAL "SELECT python_eval('x')"
#define ASK_DEFINE "SELECT python_define('f', 'lambda *a: a[0]')"
#define ASK_CALL "SELECT f(1)"
#define ASK_LONG_CALL "SELECT f(zeroblob(10000000))"
#define ASK_DEFINE_GROUP                                                \
  "SELECT python_define('from pyudf import udaf\n@udaf\n"               \
  "class g:\n  def step(self, x): pass\n  def inverse(self, x): pass\n" \
  "  def value(self): pass\n  def finalize(self): pass')"
#define OF(n)                                                              \
  " FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n " \
  "WHERE i < " #n ") SELECT i FROM n)"
#define ASK_GROUP "SELECT g(i)" OF(3)
#define ASK_ROWS "SELECT g(i)" OF(30000)
#define ASK_WINDOW "SELECT g(i) OVER (ROWS 1 PRECEDING)" OF(30)
#define ASK_DEFINE_TABLE                           \
  "SELECT python_define('from pyudf import udtf\n" \
  "@udtf(result_types=[\"BIGINT\", \"STRING\"])\n" \
  "def h(n): yield 1, 2')"
#define ASK_TABLE "SELECT count(*) || ',' || sum(f0) FROM h(300)"
#define ASK_TABLE_TEXTS "SELECT f0 || ',' || coalesce(f1, 'NULL') FROM h(300)"
#define ASK_TABLE_SOME "SELECT sum(f0) FROM (SELECT f0 FROM h(1000000) LIMIT 5)"
/* The rows that still come are put aside at each call. */
#define ASK_TABLE_CALLS "SELECT sum( f(f0)) FROM h(300)"
#define ASK_MAP \
  "SELECT sum(value) FROM python_map('f', 'SELECT i, i" OF(100) "')"
#define ASK_DEFINE_TABLE_MAP \
  "CREATE VIRTUAL TABLE temp.m USING python_map('h', 'SELECT i, i" OF(32) "')"
#define ASK_TABLE_MAP "SELECT count(*) || ',' || sum(f0) FROM m"
#define ASK_DROP "SELECT python_drop('f')"

/* 8 times 30064 bytes with their heads, and the rest of 262144. */
#define ASK_FILL                                                          \
  "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) "    \
  "SELECT python_eval('x', zeroblob(CASE i WHEN 9 THEN 21568 ELSE 30000 " \
  "END)) FROM n"

#define BROKE "worker [0-9]+ broke the protocol: "
#define KILLED "worker [0-9]+ was killed by SIGKILL$"
#define LEFT "worker [0-9]+ exited with status 3$"
#define KILLED_BEFORE "worker [0-9]+ was killed by SIGKILL before the call$"
#define LEFT_BEFORE "worker [0-9]+ exited with status 3 before the call$"
#define UNREADABLE BROKE "a reply that cannot be read$"
#define COUNT BROKE "a count out of range$"
#define BATCH " at keys 1 to 32$"
#define STARTER "the process that starts workers "

static const struct peer_case cases[] = {
#include "peer_cases.h"
};

static char folder[] = "/tmp/pyudf-peer.XXXXXX";
static char wrapper[64];
static sqlite3 *db, *other;
static const char *wrong; /* the first thing that is, in the case under way */
static char detail[ASKED];

static void should(int good, const char *what, const char *got) {
  if (good || wrong) return;
  wrong = what;
  snprintf(detail, sizeof detail, "%s", got ? got : "");
}

static void nap_ms(int ms) {
  nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static int count_entries(const char *path) {
  int count = 0;
  DIR *dir = opendir(path);
  while (dir && readdir(dir)) count++;
  if (dir) closedir(dir);
  return count;
}

static int count_mappings(void) {
  int count = 0;
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) {
    if (strstr(line, "memfd:pyudf")) count++;
  }
  if (maps) fclose(maps);
  return count;
}

static size_t read_file(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "r");
  size_t len = file ? fread(text, 1, size - 1, file) : 0;
  if (file) fclose(file);
  text[len] = 0;
  return len;
}

/* Processes of the peer's; with `name` those that call themselves so. */
static int count_peers(const char *name) {
  int count = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; proc && (entry = readdir(proc));) {
    char path[300], text[8192];
    if (*entry->d_name < '0' || *entry->d_name > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
    size_t len = read_file(path, text, sizeof text);
    if (!memmem(text, len, folder, strlen(folder))) continue;
    snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
    read_file(path, text, sizeof text);
    if (!name || !strncmp(text, name, strlen(name))) count++;
  }
  if (proc) closedir(proc);
  return count;
}

/* Waits for it, for much longer than it takes. */
static int peers_become(const char *name, int expected) {
  for (int i = 0; i < 1000; i++) {
    if (count_peers(name) == expected) return 1;
    nap_ms(10);
  }
  return 0;
}

struct resources {
  int descriptors, threads, mappings;
};

static struct resources resources(void) {
  return (struct resources){count_entries("/proc/self/fd"),
                            count_entries("/proc/self/task"), count_mappings()};
}

static void set(const char *name, const char *value) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "UPDATE python_settings SET value='%s' WHERE name='%s'", value,
           name);
  const char *got = ask(db, sql);
  should(!*got, "a setting could not be set", got);
}

static int matches(const char *text, const char *pattern) {
  regex_t regex;
  if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB)) return 0;
  int good = !regexec(&regex, text, 0, NULL, 0);
  regfree(&regex);
  return good;
}

static long errors_logged(void) {
  return atol(ask(db, "SELECT coalesce(max(id), 0) FROM python_errors"));
}

/* Interrupts the connection every now and then until it is told to end. */
static atomic_int interrupting;

static void *interrupter(void *arg) {
  for (int i = 0; interrupting; i++) {
    nap_ms(10);
    if (i > 20 && i % 10 == 0) sqlite3_interrupt(arg);
  }
  return NULL;
}

/* The statement that the fault is in. */
static void run_statement(const struct peer_case *c) {
  long logged = errors_logged();
  const char *got = "";
  if (c->how & LATER) {
    /* FORGET alone starts no worker. */
    if (strstr(c->play, "forget")) ask(db, ASK_VERSION);
    got = ask(db, c->sql);
    should(!strstr(got, "error "), "the first statement failed", got);
    if (strstr(c->play, "killed") || strstr(c->play, "left")) {
      peers_become("peer-worker", 0);
    }
    got = ask(db, ASK_VERSION);
  } else {
    pthread_t thread;
    interrupting = c->how & INTERRUPT;
    if (interrupting) pthread_create(&thread, NULL, interrupter, db);
    for (int i = 0; i < (c->how & REPEATED ? 100000 : 1); i++) {
      got = ask(db, c->sql);
      if (strstr(got, "error ")) break;
    }
    if (interrupting) {
      interrupting = 0;
      pthread_join(thread, NULL);
    }
    if (c->how & CLOSED) {
      should(!strcmp(got, "15"), "the statement failed", got);
      got = ask(db,
                "SELECT 'error ' || message FROM python_errors ORDER BY id "
                "DESC LIMIT 1");
    }
  }
  should(matches(got, c->expect), "the text is not as expected", got);
  should(c->how & FINE || strstr(got, "error "), "there was no error", got);
  logged = errors_logged() - logged;
  should(c->how & REPEATED || logged == !(c->how & (INTERRUPT | FINE)),
         "python_errors has not one entry more", NULL);
}

static void run_case(const struct peer_case *c, struct resources before) {
  static int ticks;
  char done[80], count[20];
  wrong = NULL;
  snprintf(done, sizeof done, "%s/done", folder);
  unlink(done);
  if (strstr(c->sql, " f(") || strstr(c->sql, "drop") ||
      strstr(c->sql, "python_map")) {
    ask(db, ASK_DEFINE);
  }
  if (strstr(c->sql, " g(")) ask(db, ASK_DEFINE_GROUP);
  if (strstr(c->sql, " h(") || !strcmp(c->sql, ASK_TABLE_MAP)) {
    ask(db, ASK_DEFINE_TABLE);
  }
  if (!strcmp(c->sql, ASK_TABLE_MAP)) ask(db, ASK_DEFINE_TABLE_MAP);
  setenv("PEER_CASE", c->play, 1);
  set("python_executable", wrapper);
  if (c->how & TIMEOUT) set("python_timeout", "500");
  alarm(100);
  run_statement(c);
  alarm(0);
  if (c->how & TIMEOUT) set("python_timeout", "0");
  for (int i = 0; access(done, F_OK) && i < 200; i++) nap_ms(10);
  should(!access(done, F_OK), "the peer did not do it", NULL);
  if (!(c->how & EITHER)) {
    should(peers_become("peer-worker", !!(c->how & SURVIVES)),
           c->how & SURVIVES ? "the worker is gone" : "the worker lives", NULL);
  }
  const char *got = "";
  if (!(c->how & (FULL | EITHER))) {
    got = ask(db, ASK_VERSION);
    should(!strcmp(got, "Peer 1.0, process mode"), "the next statement", got);
  }
  alarm(100);
  set("python_executable", getenv("PYUDF_PYTHON"));
  got = ask(db, "SELECT python_eval('6 * 7')");
  should(!strcmp(got, "42"), "with the real Python", got);
  ask(db, ASK_DROP);
  ask(db, "SELECT python_drop('g')");
  ask(db, "DROP TABLE IF EXISTS m");
  ask(db, "SELECT python_drop('h')");
  alarm(0);
  snprintf(count, sizeof count, "%d", ++ticks);
  got = ask(other, "SELECT tick()");
  should(!strcmp(got, count), "another connection lost its state", got);
  should(peers_become(NULL, 0), "processes are left", NULL);
  struct resources after = resources();
  snprintf(count, sizeof count, "%d", after.descriptors - before.descriptors);
  should(after.descriptors == before.descriptors, "descriptors are left",
         count);
  should(after.threads == before.threads, "threads are left", NULL);
  should(after.mappings == before.mappings, "mappings are left", NULL);
  if (!ok(!wrong, "process | %s | %s", c->fault,
          c->how & FINE ? "nothing" : "the statement")) {
    printf("# %s (%s): %s\n", wrong, c->play, detail);
  }
}

static void hangs(int number) {
  (void)number;
  static const char text[] = "Bail out! the host hangs in a statement\n";
  if (write(STDOUT_FILENO, text, sizeof text - 1)) _exit(1);
  _exit(1);
}

static void write_wrapper(void) {
  const char *source = getenv("PYUDF_SOURCE");
  snprintf(wrapper, sizeof wrapper, "%s/peer", folder);
  FILE *file = fopen(wrapper, "w");
  fprintf(file,
          "#!/bin/sh\nexec '%s' -I -S '%s/tests/faults/peer_plays.py' '%s' "
          "\"$@\"\n",
          getenv("PYUDF_PYTHON"), source ? source : ".", folder);
  fclose(file);
  chmod(wrapper, 0755);
}

int main(int argc, char **argv) {
  static char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf.so", build ? build : ".");
  extension = path;
  mode = "process";
  if (too_slow_here()) return 0;
  if (!getenv("PYUDF_PYTHON") || !mkdtemp(folder)) return 1;
  signal(SIGALRM, hangs);
  write_wrapper();
  char pid[20];
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  setenv("PEER_HOST", pid, 1);
  struct resources none = resources();
  db = open_db();
  other = open_db();
  set("python_executable", getenv("PYUDF_PYTHON"));
  ask(other,
      "SELECT python_define('n = 0\ndef tick():\n  global n\n  n += 1\n  "
      "return n')");
  ask(db, "SELECT python_eval('1')");
  set("python_workers", "1"); /* a map's others would be left over */
  struct resources before = resources();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (argc > 1 && !strstr(cases[i].play, argv[1])) continue;
    run_case(&cases[i], before);
  }
  close_db(db);
  close_db(other);
  wrong = NULL;
  struct resources after = resources();
  ok(after.descriptors == none.descriptors && after.mappings == none.mappings,
     "nothing is left behind the last connection");
  char command[100];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) printf("# %s failed\n", command);
  return tap_done();
}
