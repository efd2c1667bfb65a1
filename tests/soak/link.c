/* link.c - a connection of the soak test, and what is to be expected of it: see
** soak.h */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "soak.h"

enum { KILL_MS = 5000 }; /* so long after a kill it may have been just now */

atomic_uint excuses, statements, interrupted;

static const char library[] =
    "import json, os, signal, time\n"
    "def echo(x): return x\n"
    "def add3(a, b, c): return a + b + c\n"
    "def rev(s): return s[::-1]\n"
    "def blob(n, b): return bytes([b]) * n\n"
    "def size(b): return len(b)\n"
    "def wrap(a, b): return {'a': a, 'b': [b, None]}\n"
    "def pick(d: dict, key): return d[key]\n"
    "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
    "def fail(x): raise ValueError(f'no {x}')\n"
    "def spin(ms):\n"
    "    until = time.monotonic() + ms / 1000\n"
    "    while time.monotonic() < until: pass\n"
    "    return ms\n"
    "def nap(ms): time.sleep(ms / 1000); return ms\n";

static const char declared[] =
    "import os, signal\n"
    "from pyudf import udf\n"
    "@udf(deterministic=True, direct_only=False)\n"
    "def key(x): return x * 7 % 101\n"
    "@udf(null_call=False)\n"
    "def strict(x): return 'called'\n"
    "@udf(mode='process')\n"
    "def die(how):\n"
    "    if how == 'exit': os._exit(7)\n"
    "    if how == 'abort': os.abort()\n"
    "    os.kill(os.getpid(), getattr(signal, how))\n";

static const char grouped[] =
    "import os, time\n"
    "from pyudf import AggregateFunction, udaf\n"
    "class Tally:\n"
    "    def __init__(self): self.me, self.sum = [self], 0\n"
    "    def step(self, x): self.sum += x\n"
    "    def inverse(self, x): self.sum -= x\n"
    "    def value(self): return self.sum\n"
    "    finalize = value\n"
    "class Joined:\n"
    "    def __init__(self): self.rows = []\n"
    "    def step(self, x): self.rows.append(str(x))\n"
    "    def finalize(self): return ''.join(self.rows)\n"
    "class Listed(AggregateFunction):\n"
    "    def create_accumulator(self): return []\n"
    "    def accumulate(self, rows, x): rows.append(x)\n"
    "    def retract(self, rows, x): rows.remove(x)\n"
    "    def get_value(self, rows): return sum(rows)\n"
    "class Fall(Tally):\n"
    "    def step(self, x):\n"
    "        if x == 13: raise ValueError(f'no {x}')\n"
    "        self.sum += x\n"
    "class Naps(Tally):\n"
    "    def step(self, x): time.sleep(x / 1000); self.sum += x\n"
    "class Stall(Tally):\n"
    "    def step(self, x):\n"
    "        until = time.monotonic() + 25 * (x == 13)\n"
    "        while time.monotonic() < until: pass\n"
    "class Crash(Tally):\n"
    "    def step(self, x):\n"
    "        if x == 13: os.abort()\n"
    "class Dealt:\n"
    "    def __init__(self): self.sum, self.merges = 0, 0\n"
    "    def step(self, x): self.sum += x\n"
    "    def merge(self, others):\n"
    "        for other in others:\n"
    "            self.sum += other.sum\n"
    "            self.merges += 1 + other.merges\n"
    "    def finalize(self): return f'{self.sum},{self.merges}'\n"
    "udaf(Dealt, name='dealt', parallel=True)\n"
    "for c in Tally, Joined, Listed, Fall, Naps, Stall:\n"
    "    udaf(c, name=c.__name__.lower())\n"
    "@udaf\n"
    "def spread(values):\n"
    "    rows = list(values)\n"
    "    return max(rows) - min(rows) if rows else None\n"
    "udaf(Crash, name='crash', mode='process')\n";

long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* splitmix64 */
uint64_t roll(struct actor *actor, uint64_t below) {
  uint64_t z = actor->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (z ^ (z >> 31)) % below;
}

void announce(struct actor *actor, const struct link *link, const char *sql) {
  snprintf(board->what[actor->id], WHAT_LEN,
           "step %llu, %s, link %d (%s): %.250s",
           (unsigned long long)actor->step, actor->deed, link->id,
           link->thread_mode ? "thread" : "process", sql);
  for (char *at = board->what[actor->id]; *at; at++) {
    if (*at == '\n') *at = ' ';
  }
  board->alive_ms[actor->id] = now_ms();
  statements++;
}

char *answer_of(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  char *text = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    const char *value = (const char *)sqlite3_column_text(statement, 0);
    text = strdup(value ? value : "NULL");
    while (rc == SQLITE_ROW) rc = sqlite3_step(statement);
  }
  if (rc != SQLITE_DONE && rc != SQLITE_OK) {
    free(text);
    char *message = sqlite3_mprintf("error %d: %s", rc, sqlite3_errmsg(db));
    text = strdup(message);
    sqlite3_free(message);
  }
  sqlite3_finalize(statement);
  return text ? text : strdup("");
}

/* A worker that the monitor killed: the statement that it hits. One kill is an
** excuse once. */
static int is_excused(struct link *link, const char *got) {
  static const char *const ends[] = {
      "was killed by SIGKILL", "died with the process that started it",
      "the process that starts workers died", ": it ended", " has ended"};
  unsigned kills = board->kills;
  int may = kills > link->kills || now_ms() - board->killed_ms < KILL_MS;
  if (strncmp(got, "error ", 6)) return 0;
  if (link->kind == LINK_SHARED && !strncmp(got, "error 6:", 8)) return 1;
  for (size_t i = 0; may && i < sizeof ends / sizeof *ends; i++) {
    if (strstr(got, ends[i])) {
      link->kills = kills;
      excuses++;
      return 1;
    }
  }
  return 0;
}

enum answer judge(struct actor *actor, struct link *link, const char *sql,
                  const char *wanted, const char *got) {
  int good =
      *wanted == '~' ? strstr(got, wanted + 1) != NULL : !strcmp(got, wanted);
  if (good) return RIGHT;
  if (is_excused(link, got)) return EXCUSED;
  report(actor, link, sql, wanted, got);
  link->wrong = 1;
  return WRONG;
}

enum answer expect(struct actor *actor, struct link *link, const char *wanted,
                   const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *sql = sqlite3_vmprintf(format, args);
  va_end(args);
  announce(actor, link, sql);
  char *got = answer_of(link->db, sql);
  enum answer answer = judge(actor, link, sql, wanted, got);
  free(got);
  sqlite3_free(sql);
  return answer;
}

enum answer set(struct actor *actor, struct link *link, const char *name,
                const char *value) {
  /* A database in a shared cache may have no hook for PRAGMAs. */
  uint64_t way = link->kind == LINK_SHARED ? 0 : roll(actor, 3);
  if (way == 1)
    return expect(actor, link, value, "PRAGMA %s = %Q", name, value);
  if (way == 2) {
    return expect(actor, link, value, "SELECT * FROM pragma_%s(%Q)", name,
                  value);
  }
  return expect(actor, link, "",
                "UPDATE python_settings SET value = %Q WHERE name = %Q", value,
                name);
}

/* Again where a worker was killed under it. */
static void define(struct actor *actor, struct link *link, const char *names,
                   const char *source) {
  enum answer answer;
  do {
    answer = expect(actor, link, names, "SELECT python_define(%Q)", source);
  } while (answer == EXCUSED);
}

static void make_tables(struct actor *actor, struct link *link) {
  static const char *const lines[] = {
      "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "CREATE INDEX i ON t(key(a))",
      "CREATE TABLE seen(x)",
      "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO seen "
      "VALUES (key(new.a)); END"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    expect(actor, link, "", "%s", lines[i]);
  }
}

void link_open(struct actor *actor, struct link *link) {
  char path[128];
  uint64_t kind = roll(actor, 10);
  link->kind = kind < 6 ? LINK_MEMORY : kind < 9 ? LINK_FILE : LINK_SHARED;
  snprintf(path, sizeof path, ":memory:");
  if (link->kind == LINK_FILE) {
    snprintf(path, sizeof path, "%s/soak.db", options.folder);
  } else if (link->kind == LINK_SHARED) {
    snprintf(path, sizeof path, "file:pair%d?mode=memory&cache=shared",
             actor->id / 2);
  }
  int flags = roll(actor, 2) ? SQLITE_OPEN_NOMUTEX : SQLITE_OPEN_FULLMUTEX;
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(
      path, &db,
      flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
      NULL);
  char *message = NULL;
  announce(actor, link, "load");
  sqlite3_busy_timeout(db, 30000);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_load_extension(db, options.extension, NULL, &message);
  if (rc != SQLITE_OK) {
    report(actor, link, path, "opened", message ? message : sqlite3_errmsg(db));
  }
  sqlite3_free(message);
  pthread_mutex_lock(&link->guard);
  link->db = db;
  pthread_mutex_unlock(&link->guard);
  link->kills = board->kills;
  link->k = 1 + (int)roll(actor, 9);
  link->thread_mode =
      options.modes == 2 || (options.modes == 3 && roll(actor, 2));
  set(actor, link, "python_execution_mode",
      link->thread_mode ? "thread" : "process");
  char workers[16];
  link->workers = 1 + (int)roll(actor, 3);
  snprintf(workers, sizeof workers, "%d", link->workers);
  set(actor, link, "python_workers", workers);
  define(actor, link, "echo,add3,rev,blob,size,wrap,pick,fib,fail,spin,nap",
         library);
  define(actor, link, "key,strict,die", declared);
  define(actor, link, "dealt,tally,joined,listed,fall,naps,stall,spread,crash",
         grouped);
  define(actor, link,
         "many,pairs,firsts,broken,ends,added,thrice,later,odd,dies",
         maps_functions);
  char source[64];
  snprintf(source, sizeof source, "def f(x): return %d * x + 1", link->k);
  define(actor, link, "f", source);
  if (link->kind == LINK_MEMORY) make_tables(actor, link);
}

void link_close_statements(struct link *link) {
  for (int i = 0; i < OPEN_MAX; i++) {
    sqlite3_finalize(link->open[i].statement);
    link->open[i] = (struct opened){0};
  }
}

void link_close(struct link *link) {
  if (!link->db) return;
  pthread_mutex_lock(&link->guard);
  sqlite3 *db = link->db;
  link->db = NULL;
  pthread_mutex_unlock(&link->guard);
  /* Every other one is closed before its statements, and lives on until then. */
  if (link->id % 2) {
    sqlite3_close_v2(db);
    link_close_statements(link);
  } else {
    link_close_statements(link);
    if (sqlite3_close(db) != SQLITE_OK) {
      struct actor nobody = {.deed = "close"};
      report(&nobody, link, "close", "closed", sqlite3_errmsg(db));
    }
  }
  link->limited = link->null_errors = link->one = link->two = 0;
  link->module = link->wrong = 0;
  link->rows = 0;
}
