/* test_growth.c - what is done again and again leaves nothing behind
**
** Usage: test_growth [PYUDF.SO]; GROWTH_ROUNDS: per cent of the full number of
** rounds, make check-growth does 100; GROWTH_ONLY: the one case to run.
**
** HOW IT WORKS. Each case is run to warm up, and then in WINDOWS parts with a look
** at the host, the worker and the template before and after each. PYTHONMALLOC
** has Python take everything from malloc, so that mallinfo2() says to the byte
** what is in use, in the host and, asked by a function, in the worker. A new
** worker begins with a copy of the template's memory: what it says first is the
** template's. Garbage is collected before each look.
**
** What counts is the part that gained least: a leak is in all of them, a dict of
** Python's that grew to its next size (100 KB for that of interned strings) in
** one. malloc's tcache is off, as what lies in it counts as in use. The least that
** malloc gives is 32 bytes; a case fails that gained more than LEAK bytes a round,
** and SLACK: a leak of 16 bytes is found from 43 rounds a part on. Where code is
** compiled, chunks that are a little larger than was asked for, and free lists, go
** on gaining for some thousand rounds, ever less: CHURN_SLACK is more than was seen
** of that, and such a leak is found from 1024 rounds on. Pages are counted too, with
** more slack, as what is not malloc's would be missed otherwise.
*/
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "session.h"
#include "usage.h"

enum {
  WINDOWS = 3,
  LEAK = 8,
  SLACK = 1024,
  CHURN_SLACK = 24 << 10, /* where code is compiled: see above */
  RSS_SLACK = 512 << 10,
  MORE_MAPS = 4,    /* of malloc's */
  ERRORS_KEPT = 100 /* in python_errors */
};

struct look {
  struct usage host, worker, template;
  long sqlite;
};

static sqlite3 *db;
static char module_path[100];

static long number(const char *sql) { return atol(ask(db, sql)); }

/* ---- looking ---- */

static int is_process(void) { return !strcmp(mode, "process"); }

static void set(const char *name, const char *value) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "UPDATE python_settings SET value='%s' WHERE name='python_%s'",
           value, name);
  const char *got = ask(db, sql);
  if (*got) printf("# %s: %s\n", sql, got);
}

/* `forks`: the case is about new workers, so that the last one says nothing. */
static void look(struct look *look, int forks) {
  *look = (struct look){0};
  long mem = number("SELECT mem()");
  if (is_process()) {
    usage_get(number("SELECT pid()"), &look->worker);
    usage_get(number("SELECT parent()"), &look->template);
    look->worker.bytes = forks ? 0 : mem;
    if (forks) set("max_calls", "1");
    for (int i = 0; i < 2 && forks; i++) {
      look->template.bytes = number("SELECT mem()");
    }
    if (forks) set("max_calls", "0");
  }
  look->sqlite = (long)sqlite3_memory_used();
  struct mallinfo2 info = mallinfo2();
  usage_get(getpid(), &look->host);
  look->host.bytes = (long)(info.uordblks + info.hblkhd);
}

/* ---- what is done ---- */

/* A statement that must give no error, or one that has `error` in it. */
static int run(sqlite3 *to, const char *error, const char *format, ...) {
  char sql[2000], text[ASKED];
  va_list args;
  va_start(args, format);
  vsnprintf(sql, sizeof sql, format, args);
  va_end(args);
  ask_in(to, sql, text);
  int failed = !strncmp(text, "error ", 6);
  if (error ? failed && strstr(text, error) : !failed) return 1;
  printf("# %s\n# gives %s\n", sql, text);
  return 0;
}

#define AGAIN(...)                          \
  do {                                      \
    for (int i = 0; i < n; i++) {           \
      if (!run(db, __VA_ARGS__)) return -1; \
    }                                       \
    return 0;                               \
  } while (0)

static int calls(int n) {
  return run(db, NULL,
             "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE "
             "i < %d) SELECT count(f(iif(i %% 2, i, 'text ' || i))) FROM s",
             n)
             ? 0
             : -1;
}

static int long_values(int n) {
  AGAIN(NULL, "SELECT length(f(zeroblob(%d))), length(f(hex(zeroblob(50000))))",
        100000 + i % 50000);
}

/* One that is taken, one that nobody wants. */
static int row_sets(int n) {
  AGAIN(NULL,
        "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) "
        "SELECT values_of((SELECT python_rows(i, 'text ' || i) FROM s)), "
        "python_rows(i) FROM s",
        50 + i % 50);
}

/* In files, here and in the worker. */
static int long_sets(int n) {
  AGAIN(NULL,
        "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 18) "
        "SELECT values_of((SELECT python_rows(zeroblob(%d)) FROM s))",
        1000000 + i % 5);
}

static int lost_sets(int n) {
  AGAIN("may have been rows",
        "WITH c AS MATERIALIZED (SELECT python_rows(%d) AS r) "
        "SELECT f(r) FROM c",
        i);
}

static int statements(int n) { AGAIN(NULL, "SELECT f(%d)", i % 7); }

static int redefinitions(int n) {
  AGAIN(NULL, "SELECT python_define('g', 'lambda x: x + %d')", i);
}

static int redefined_sources(int n) {
  AGAIN(NULL,
        "SELECT python_define('import dataclasses\n"
        "@dataclasses.dataclass\nclass Point:\n  x: int = %d\n"
        "def point(x: int) -> str: return str(Point(x))')",
        i);
}

static int defined_and_dropped(int n) {
  for (int i = 0; i < n; i++) {
    if (!run(db, NULL, "SELECT python_define('h', 'lambda: %d')", i) ||
        !run(db, NULL, "SELECT h()") ||
        !run(db, NULL, "SELECT python_drop('h')")) {
      return -1;
    }
  }
  return 0;
}

static int new_names(int n) {
  static int last;
  for (int i = 0; i < n; i++) {
    last++;
    if (!run(db, NULL, "SELECT python_define('n%d', 'lambda: 1')", last) ||
        !run(db, NULL, "SELECT python_drop('n%d')", last)) {
      return -1;
    }
  }
  return 0;
}

static int broken_definitions(int n) {
  AGAIN("SyntaxError", "SELECT python_define('def b%d(:')", i);
}

static int failing_definitions(int n) {
  AGAIN("ZeroDivisionError",
        "SELECT python_define('class A: pass\ndef b(): pass\n%d / 0')", i);
}

static int raised(int n) { AGAIN("ValueError", "SELECT raises(%d)", i); }

static int expressions(int n) {
  static int last;
  AGAIN(NULL, "SELECT python_eval('math.sqrt(%d) + a0', 1)", last++);
}

static int one_expression(int n) {
  AGAIN(NULL, "SELECT python_eval('os.getpid()')");
}

static int imports(int n) {
  AGAIN(NULL, "SELECT python_import('%s')", module_path);
}

static int reloads(int n) { AGAIN(NULL, "SELECT python_reload()"); }

static int tables_read(int n) {
  AGAIN(NULL,
        "SELECT count(*), (SELECT count(*) FROM python_settings), "
        "(SELECT count(*) FROM python_errors) FROM python_functions");
}

static int pragmas(int n) {
  AGAIN(NULL, "PRAGMA python_timeout=%d", i % 2 ? 0 : 60000);
}

static int connections(int n) {
  for (int i = 0; i < n; i++) {
    sqlite3 *other = open_db();
    int good = run(other, NULL, "SELECT python_define('f', 'lambda x: x')") &&
               run(other, NULL, "SELECT f(1)");
    if (sqlite3_close(other) != SQLITE_OK || !good) return -1;
  }
  return 0;
}

static int replaced_workers(int n) {
  set("max_calls", "1");
  int rc = run(db, NULL,
               "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE "
               "i < %d) SELECT sum(f(i)) FROM s",
               n)
               ? 0
               : -1;
  set("max_calls", "0");
  return rc;
}

static int crashes(int n) { AGAIN("SIGSEGV", "SELECT crash()"); }

static int mode_switches(int n) {
  for (int i = 0; i < n; i++) {
    set("execution_mode", i % 2 ? "process" : "thread");
    if (!run(db, NULL, "SELECT f(1)")) return -1;
  }
  set("execution_mode", mode);
  return 0;
}

static int python_paths(int n) {
  for (int i = 0; i < n; i++) {
    set("path", i % 2 ? "/" : "/tmp");
    if (!run(db, NULL, "SELECT f(1)")) return -1;
  }
  set("path", "");
  return 0;
}

static int timeouts(int n) {
  set("timeout", "1");
  for (int i = 0; i < n; i++) {
    if (!run(db, "timed out", "SELECT forever()")) return -1;
  }
  set("timeout", "0");
  return 0;
}

static atomic_int interrupting;

static void *interrupt(void *arg) {
  while (atomic_load(&interrupting)) {
    usleep(5000);
    sqlite3_interrupt(arg);
  }
  return NULL;
}

static int interrupts(int n) {
  pthread_t thread;
  atomic_store(&interrupting, 1);
  pthread_create(&thread, NULL, interrupt, db);
  int rc = 0;
  for (int i = 0; i < n && !rc; i++) {
    rc = run(db, "interrupted", "SELECT forever()") ? 0 : -1;
  }
  atomic_store(&interrupting, 0);
  pthread_join(thread, NULL);
  return rc;
}

#include "growth_groups.h"
#include "growth_maps.h"

/* ---- the cases ---- */

enum { PROCESS = 1, THREAD = 2, BOTH = 3, NEW_WORKERS = 4, CHURN = 8 };

static const struct growth_case {
  const char *name;
  int (*run)(int n);
  int full; /* rounds */
  int warm; /* at least, before */
  int flags;
  long kept; /* bytes a round, by design */
} cases[] = {
    {"calls", calls, 1000000, 0, BOTH, 0},
    {"long values", long_values, 1000, 20, BOTH, 0},
    {"sets of rows", row_sets, 10000, 20, BOTH, 0},
    {"sets in files", long_sets, 100, 4, BOTH, 0},
    {"sets that are lost", lost_sets, 10000, 200, BOTH | CHURN, 0},
    {"statements", statements, 100000, 0, BOTH, 0},
    {"redefinitions", redefinitions, 10000, 100, BOTH | CHURN, 0},
    {"redefined sources", redefined_sources, 10000, 100, BOTH | CHURN, 0},
    {"defined and dropped", defined_and_dropped, 10000, 100, BOTH | CHURN, 0},
    {"new names dropped", new_names, 10000, 100, BOTH | CHURN, 450},
    {"broken definitions", broken_definitions, 10000, 200, BOTH | CHURN, 0},
    {"failing definitions", failing_definitions, 10000, 200, BOTH | CHURN, 0},
    {"errors", raised, 100000, 200, BOTH, 0},
    {"expressions", expressions, 10000, 600, BOTH | CHURN, 0},
    {"one expression", one_expression, 10000, 50, BOTH, 0},
    {"imports", imports, 1000, 300, BOTH | CHURN, 0},
    {"reloads", reloads, 1000, 50, BOTH | CHURN, 0},
    {"tables", tables_read, 10000, 50, BOTH, 0},
    {"pragmas", pragmas, 10000, 50, BOTH, 0},
    {"timeouts", timeouts, 200, 5, BOTH | CHURN, 0},
    {"interrupts", interrupts, 200, 5, BOTH | CHURN, 0},
    {"mode switches", mode_switches, 1000, 20, BOTH, 0},
    {"python_path", python_paths, 100, 4, BOTH | CHURN | NEW_WORKERS, 0},
    {"connections", connections, 1000, 20, BOTH | CHURN | NEW_WORKERS, 0},
    {"replaced workers", replaced_workers, 10000, 50, PROCESS | NEW_WORKERS, 0},
    {"crashes", crashes, 1000, 120, PROCESS | NEW_WORKERS, 0},
    GROUP_CASES,
    MAP_CASES,
};

static const char setup[] =
    "import ctypes, gc, os\n"
    "class Info(ctypes.Structure):\n"
    "    _fields_ = [(n, ctypes.c_size_t) for n in 'abcdefghij']\n"
    "_info = ctypes.CDLL(None).mallinfo2\n"
    "_info.restype = Info\n"
    "def mem():\n"
    "    gc.collect()\n"
    "    info = _info()\n"
    "    return info.h + info.e\n"
    "def pid(): return os.getpid()\n"
    "def parent(): return os.getppid()\n"
    "def f(x): return x\n"
    "def values_of(rows): return sum(map(len, rows))\n"
    "def raises(x):\n"
    "    try: raise KeyError(x)\n"
    "    except KeyError: raise ValueError(f'no {x}')\n"
    "def forever():\n"
    "    while True: pass\n"
    "def crash(): ctypes.string_at(0)\n";

static int percent(void) {
  const char *text = getenv("GROWTH_ROUNDS");
  int value = text ? atoi(text) : 0;
  return value > 0 ? value : 2;
}

/* What a window gained, or what the least gained. */
struct gain {
  long host, rss, sqlite, worker, template;
};

static void take_least(long *least, long before, long after) {
  if (after - before < *least) *least = after - before;
}

static void is_bounded(const struct growth_case *c, int n, const char *what,
                       long gained, long kept, long slack) {
  long most = (long)n * (LEAK + kept) + slack;
  if (!ok(gained <= most, "%s, %s: %s", c->name, mode, what)) {
    printf("# %ld bytes in %d rounds, at most %ld\n", gained, n, most);
  }
}

static void is_same(const struct growth_case *c, const char *what,
                    const struct usage *before, const struct usage *after) {
  if (!ok(after->fds <= before->fds && after->threads <= before->threads &&
              after->maps <= before->maps + MORE_MAPS,
          "%s, %s: descriptors, threads and mappings of the %s", c->name, mode,
          what)) {
    printf("# before %ld %ld %ld, after %ld %ld %ld\n", before->fds,
           before->threads, before->maps, after->fds, after->threads,
           after->maps);
  }
}

static void report(const struct growth_case *c, int n,
                   const struct look *before, const struct look *after,
                   const struct gain *least) {
  int forks = c->flags & NEW_WORKERS;
  long slack = c->flags & CHURN ? CHURN_SLACK : SLACK;
  printf("# %-20s %-7s %3dx%-6d | %7.1f %7.1f %8ld | %7.1f | %8.1f\n", c->name,
         mode, WINDOWS, n, (double)least->host / n, (double)least->sqlite / n,
         (after->host.rss - before->host.rss) / 1024, (double)least->worker / n,
         (double)least->template / n);
  is_bounded(c, n, "the host's memory", least->host, c->kept, slack);
  is_bounded(c, n, "SQLite's memory", least->sqlite, c->kept, slack);
  is_bounded(c, n, "the host's private pages", least->rss, c->kept, RSS_SLACK);
  is_same(c, "host", &before->host, &after->host);
  if (!is_process()) return;
  if (forks) {
    is_bounded(c, n, "the template's memory", least->template, 0, slack);
  } else {
    is_bounded(c, n, "the worker's memory", least->worker, 0, slack);
  }
  is_same(c, "worker", &before->worker, &after->worker);
  is_same(c, "template", &before->template, &after->template);
}

static sqlite3 *open_with(void) {
  sqlite3 *opened = open_db();
  sqlite3_stmt *define = prepare(opened, "SELECT python_define(?1 || ?2)");
  sqlite3_bind_text(define, 1, setup, -1, SQLITE_STATIC);
  sqlite3_bind_text(define, 2, groups_setup, -1, SQLITE_STATIC);
  step(define);
  sqlite3_finalize(define);
  run(opened, NULL, groups_dealt);
  run(opened, NULL, "%s", maps_setup);
  return opened;
}

static void grow(const struct growth_case *c) {
  const char *only = getenv("GROWTH_ONLY");
  int n = (int)((long)c->full * percent() / 100 / WINDOWS);
  int warm = n / 10 > c->warm ? n / 10 : c->warm,
      forks = c->flags & NEW_WORKERS;
  struct gain least = {LONG_MAX, LONG_MAX, LONG_MAX, LONG_MAX, LONG_MAX};
  struct look looks[WINDOWS + 1];
  if (only && strcmp(only, c->name)) return;
  if (!(c->flags & (is_process() ? PROCESS : THREAD))) return;
  if (n < 1) n = 1;
  db = open_with();
  int failed = raised(ERRORS_KEPT) | c->run(warm);
  look(&looks[0], forks); /* a look leaves something too */
  look(&looks[0], forks);
  for (int i = 1; i <= WINDOWS; i++) {
    const struct look *last = &looks[i - 1];
    failed |= c->run(n);
    look(&looks[i], forks);
    take_least(&least.host, last->host.bytes, looks[i].host.bytes);
    take_least(&least.rss, last->host.rss, looks[i].host.rss);
    take_least(&least.sqlite, last->sqlite, looks[i].sqlite);
    take_least(&least.worker, last->worker.bytes, looks[i].worker.bytes);
    take_least(&least.template, last->template.bytes, looks[i].template.bytes);
  }
  ok(!failed, "%s, %s: runs", c->name, mode);
  report(c, n, &looks[0], &looks[WINDOWS], &least);
  close_db(db);
}

/* Cubic, as defining once was, it would take longer than a test may. */
static void many_names(void) {
  int names = is_process() ? 2000 : 10000; /* the worker has no part in it */
  char count[20];
  if (getenv("GROWTH_ONLY")) return;
  snprintf(count, sizeof count, "%d", names);
  db = open_db();
  int good = 1;
  for (int i = 0; i < names && good; i++) {
    good = run(db, NULL, "SELECT python_define('m%d', 'lambda: %d')", i, i);
  }
  ok(good, "%s: %d names defined", mode, names);
  is(db, "SELECT count(*) FROM python_functions", count);
  is(db, "SELECT m0() || ' ' || m1999() || ' ' || python_eval('m1000()')",
     "0 1999 1000");
  set("path", "/tmp"); /* all are made again */
  is(db, "SELECT m0() || ' ' || m1999()", "0 1999");
  for (int i = 0; i < names && good; i++) {
    good = run(db, NULL, "SELECT python_drop('M%d')", i);
  }
  ok(good, "%s: %d names dropped", mode, names);
  is(db, "SELECT count(*) FROM python_functions", "0");
  close_db(db);
}

static void all(void) {
  sqlite3 *keeper = open_with(); /* of the template */
  ask(keeper, "SELECT f(1)");
  printf("# %-20s %-7s %3s %-6s | %7s %7s %8s | %7s | %8s\n", "case", "mode",
         "", "rounds", "host", "SQLite", "rss KiB", "worker", "template");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) grow(&cases[i]);
  many_names();
  close_db(keeper);
}

int main(int argc, char **argv) {
  static void (*const tests[])(void) = {all};
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (sanitizer && *sanitizer) {
    printf("1..0 # SKIP a sanitizer's malloc keeps no count\n");
    return 0;
  }
  if (!getenv("GROWTH_MALLOC")) {
    setenv("GROWTH_MALLOC", "set", 1);
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    setenv("PYTHONMALLOC", "malloc", 1);
    execv("/proc/self/exe", argv); /* malloc looks at its start alone */
    perror("Bail out! /proc/self/exe");
    return 1;
  }
  snprintf(module_path, sizeof module_path, "/tmp/pyudf-growth-%d.py",
           (int)getpid());
  FILE *file = fopen(module_path, "w");
  fputs("def imported(): return 1\n", file);
  fclose(file);
  int rc = session_main(argc, argv, tests, 1);
  unlink(module_path);
  return rc;
}
