/* faults.c - what an actor has go wrong, and settings: see soak.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

/* After a fault the next statement is right. */
static enum answer is_fine(struct actor *actor, struct link *link) {
  char wanted[32];
  snprintf(wanted, sizeof wanted, "%d", 5 * link->k + 1);
  return expect(actor, link, wanted, "SELECT f(5)");
}

static enum answer raise(struct actor *actor, struct link *link) {
  enum answer answer =
      link->null_errors
          ? expect(actor, link, "NULL", "SELECT fail(7)")
          : expect(actor, link,
                   "~error 1: python function fail: ValueError: no 7 (",
                   "SELECT fail(7)");
  return answer ? answer : is_fine(actor, link);
}

static enum answer misuse(struct actor *actor, struct link *link) {
  static const char *const lines[][2] = {
      {"SELECT f()", "~wrong number of arguments to function f()"},
      {"SELECT f(1, 2)", "~wrong number of arguments to function f()"},
      {"SELECT python_define('def f(x) return x')", "~SyntaxError"},
      {"SELECT python_define('upper', 'lambda s: s')", "~upper"},
      {"SELECT python_drop('nothing')", "~no such python function: nothing"},
      {"SELECT python_eval('1 +')", "~SyntaxError"},
      {"SELECT python_import('no_such_module')", "~no_such_module"},
      {"UPDATE python_settings SET value = 'x' WHERE name = 'python_timeout'",
       "~python_timeout accepts milliseconds"}};
  uint64_t i = roll(actor, sizeof lines / sizeof *lines);
  enum answer answer = expect(actor, link, lines[i][1], "%s", lines[i][0]);
  return answer ? answer : is_fine(actor, link);
}

/* Other threads interrupt it (main.c). */
static enum answer interrupt(struct actor *actor, struct link *link) {
  static const char *const lines[] = {
      "SELECT sum(nap(1)) FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
      "SELECT x+1 FROM c WHERE x < 1500) SELECT x FROM c)",
      "SELECT naps(1) FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL "
      "SELECT x+1 FROM c WHERE x < 1500) SELECT x FROM c)"};
  const char *sql = lines[roll(actor, 2)];
  /* SQLite forgets an interrupt once no statement is under way. */
  link_close_statements(link);
  if (is_fine(actor, link)) return EXCUSED;
  announce(actor, link, sql);
  pthread_mutex_lock(&link->guard);
  link->interruptible = 1;
  pthread_mutex_unlock(&link->guard);
  char *got = answer_of(link->db, sql);
  pthread_mutex_lock(&link->guard);
  link->interruptible = 0;
  pthread_mutex_unlock(&link->guard);
  int was = !strncmp(got, "error 9:", 8);
  if (was) interrupted++;
  enum answer answer = was ? RIGHT : judge(actor, link, sql, "1500", got);
  free(got);
  return answer ? answer : is_fine(actor, link);
}

static enum answer timeout(struct actor *actor, struct link *link) {
  enum answer answer = set(actor, link, "python_timeout", "60");
  if (answer) return answer;
  answer = expect(actor, link,
                  "~error 1: python function spin: timed out "
                  "after 60 ms",
                  "SELECT spin(25000)");
  if (set(actor, link, "python_timeout", "0")) return WRONG;
  return answer ? answer : is_fine(actor, link);
}

/* A worker that ends by itself: in whatever mode the link is. */
static enum answer crash(struct actor *actor, struct link *link) {
  static const char *const ways[][2] = {{"abort", "~was killed by SIGABRT"},
                                        {"exit", "~exited with status 7"},
                                        {"SIGSEGV", "~was killed by SIGSEGV"},
                                        {"SIGKILL", "~was killed by SIGKILL"}};
  if (!(options.modes & 1)) return RIGHT;
  uint64_t i = roll(actor, sizeof ways / sizeof *ways);
  enum answer answer =
      expect(actor, link, ways[i][1], "SELECT die(%Q)", ways[i][0]);
  return answer ? answer : is_fine(actor, link);
}

static enum answer swap_modes(struct actor *actor, struct link *link) {
  if (options.modes != 3) return RIGHT;
  if (set(actor, link, "python_execution_mode",
          link->thread_mode ? "process" : "thread")) {
    return WRONG;
  }
  link->thread_mode = !link->thread_mode;
  if (link->thread_mode && link->limited) {
    if (expect(actor, link, "~needs process mode: it is about workers",
               "SELECT f(1)") ||
        set(actor, link, "python_max_calls", "0") ||
        set(actor, link, "python_memory_limit", "0")) {
      return WRONG;
    }
    link->limited = 0;
  }
  return is_fine(actor, link);
}

static enum answer settings(struct actor *actor, struct link *link) {
  static const char *const changes[][2] = {
      {"python_spin", "0"},           {"python_spin", "200"},
      {"python_timeout", "60000"},    {"python_timeout", "0"},
      {"python_on_crash", "retry"},   {"python_on_crash", "raise"},
      {"python_preload", "decimal"},  {"python_preload", ""},
      {"python_metrics", "off"},      {"python_metrics", "on"},
      {"python_system_env", "off"},   {"python_system_env", "on"},
      {"python_on_error", "null"},    {"python_on_error", "raise"},
      {"python_max_calls", "10"},     {"python_max_calls", "1"},
      {"python_memory_limit", "3000"}};
  uint64_t i = roll(actor, sizeof changes / sizeof *changes);
  const char *name = changes[i][0], *value = changes[i][1];
  int limit =
      !strcmp(name, "python_max_calls") || !strcmp(name, "python_memory_limit");
  const char *sanitizer = getenv("PYUDF_SANITIZER");
  if (limit && link->thread_mode) return RIGHT;
  /* A sanitizer maps terabytes, and has to be in the worker's environment. */
  if (sanitizer && *sanitizer &&
      (!strcmp(name, "python_memory_limit") ||
       !strcmp(name, "python_system_env"))) {
    return RIGHT;
  }
  if (set(actor, link, name, value)) return WRONG;
  if (limit) link->limited = 1;
  if (!strcmp(name, "python_on_error")) {
    link->null_errors = !strcmp(value, "null");
  }
  return is_fine(actor, link);
}

const struct deed faults[] = {
    {"exceptions", 12, raise},
    {"usage errors", 10, misuse},
    {"interrupts", 5, interrupt},
    {"timeouts", 4, timeout},
    {"crashes", 8, crash},
    {"change of mode", 10, swap_modes},
    {"settings", 16, settings},
    {"failing groups", 8, groups_fail},
    {"crashing groups", 4, groups_crash},
    {"timeouts of groups", 3, groups_timeout},
    {"failing maps", 8, maps_fail},
    {"crashing maps", 4, maps_crash},
    {"timeouts of maps", 3, maps_timeout},
};
const int faults_count = sizeof faults / sizeof *faults;
