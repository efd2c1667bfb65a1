/* groups.c - aggregate and window functions, right ones and failing ones: see soak.h */
#include <stdio.h>
#include <string.h>

#include "soak.h"

#define UP_TO                                                     \
  "(WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM " \
  "c WHERE x < %ld) SELECT x FROM c)"

static long least(long a, long b) { return a < b ? a : b; }
static long most(long a, long b) { return a > b ? a : b; }

enum answer groups_right(struct actor *actor, struct link *link) {
  char wanted[100];
  long n = 1 + (long)roll(actor, roll(actor, 10) ? 60 : 2000);
  long parts = 1 + (long)roll(actor, (uint64_t)n);
  long spreads = 0;
  for (long x = 1; x <= least(parts, n); x++) spreads += (n - x) / parts;
  snprintf(wanted, sizeof wanted, "%ld,%ld,%ld,%ld", least(parts, n),
           n * (n + 1) / 2, n, spreads * parts);
  if (expect(actor, link, wanted,
             "SELECT count(*) || ',' || sum(a) || ',' || sum(b) || ',' || "
             "sum(c) FROM (SELECT tally(x) AS a, length(joined('x')) AS b, "
             "spread(x) AS c FROM " UP_TO " GROUP BY x %% %ld)",
             n, parts)) {
    return EXCUSED;
  }
  return expect(actor, link, "0,NULL,",
                "SELECT coalesce(tally(x), 'NULL') || ',' || "
                "coalesce(spread(x), 'NULL') || ',' || joined(x) FROM " UP_TO
                " WHERE x < 0",
                n);
}

/* As many rows in as many accumulators as it happens. */
enum answer groups_dealt(struct actor *actor, struct link *link) {
  char wanted[64];
  long n = 1 + (long)roll(actor, 1500);
  snprintf(wanted, sizeof wanted, "%ld,%ld", n * (n + 1) / 2,
           least(1 + (n - 1) / 128, link->workers) - 1);
  return expect(actor, link, wanted, "SELECT dealt(x) FROM " UP_TO, n);
}

/* A frame that moves: rows leave it one by one, or are kept. */
enum answer groups_windows(struct actor *actor, struct link *link) {
  char wanted[100];
  long n = 1 + (long)roll(actor, roll(actor, 10) ? 40 : 500);
  long before = (long)roll(actor, 9), behind = (long)roll(actor, 9);
  long totals = 0, spreads = 0, joined = 0;
  for (long x = 1; x <= n; x++) {
    long first = most(1, x - before), last = least(n, x + behind);
    totals += (first + last) * (last - first + 1) / 2;
    spreads += last - first;
    joined += last - first + 1;
  }
  snprintf(wanted, sizeof wanted, "%ld,%ld,%ld", totals, spreads, joined);
  return expect(
      actor, link, wanted,
      "SELECT sum(a) || ',' || sum(b) || ',' || sum(c) FROM (SELECT tally(x) "
      "OVER w AS a, spread(x) OVER w AS b, length(joined('x') OVER w) AS c "
      "FROM " UP_TO
      " WINDOW w AS (ORDER BY x ROWS BETWEEN %ld PRECEDING AND %ld FOLLOWING))",
      n, before, behind);
}

/* A window of two rows; its step is judged, the statement ended where it fails. */
static enum answer step(struct actor *actor, struct link *link,
                        sqlite3_stmt **statement, long x) {
  char wanted[32], got[300];
  announce(actor, link, "step of a window");
  int rc = sqlite3_step(*statement);
  snprintf(wanted, sizeof wanted, "%ld", 2 * x - 1);
  if (rc == SQLITE_ROW) {
    snprintf(got, sizeof got, "%lld", sqlite3_column_int64(*statement, 0));
  } else {
    snprintf(got, sizeof got, "error %d: %.200s", rc, sqlite3_errmsg(link->db));
  }
  /* A worker that was killed took the rows of all windows with it. */
  int lost = strstr(got, ": the worker that had its rows has ended") != NULL;
  enum answer answer =
      lost && board->kills
          ? EXCUSED
          : judge(actor, link, "step of a window", wanted, got);
  if (answer || !roll(actor, 20)) {
    sqlite3_finalize(*statement);
    *statement = NULL;
  }
  return answer;
}

/* Windows that are open side by side, with statements between their rows, and are
** left before their end. */
enum answer groups_open(struct actor *actor, struct link *link) {
  static const char *const lines[] = {
      "SELECT tally(x) OVER (ROWS 1 PRECEDING) FROM (WITH RECURSIVE c(x) AS "
      "(VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x < 60) SELECT x FROM c)",
      "SELECT listed(x) OVER (ROWS 1 PRECEDING) FROM (WITH RECURSIVE c(x) AS "
      "(VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x < 60) SELECT x FROM c)"};
  enum { WINDOWS = 3 };
  sqlite3_stmt *open[WINDOWS] = {NULL};
  long at[WINDOWS] = {0};
  enum answer answer = RIGHT;
  for (uint64_t i = roll(actor, 40); i < 50 && !answer; i++) {
    uint64_t which = roll(actor, WINDOWS);
    if (!open[which]) {
      sqlite3_prepare_v2(link->db, lines[roll(actor, 2)], -1, &open[which],
                         NULL);
      at[which] = 0;
    }
    answer = step(actor, link, &open[which], ++at[which]);
    if (!answer && !roll(actor, 4)) answer = groups_right(actor, link);
  }
  for (int i = 0; i < WINDOWS; i++) sqlite3_finalize(open[i]);
  return answer;
}

static enum answer is_fine(struct actor *actor, struct link *link) {
  return expect(actor, link, "10", "SELECT tally(x) FROM " UP_TO, 4L);
}

enum answer groups_fail(struct actor *actor, struct link *link) {
  static const char *const lines[] = {
      "SELECT tally(x), fall(x), spread(x) FROM " UP_TO,
      "SELECT fall(x) OVER (ROWS 2 PRECEDING), tally(x) OVER (ROWS 2 "
      "PRECEDING) FROM " UP_TO,
      "SELECT joined(x), fall(x) FROM " UP_TO " GROUP BY x / 20"};
  uint64_t i = roll(actor, sizeof lines / sizeof *lines);
  if (link->null_errors) return is_fine(actor, link);
  enum answer answer =
      expect(actor, link, "~error 1: python function fall: ValueError: no 13 (",
             lines[i], 14 + (long)roll(actor, 300));
  return answer ? answer : is_fine(actor, link);
}

/* In whatever mode the link is. */
enum answer groups_crash(struct actor *actor, struct link *link) {
  if (!(options.modes & 1)) return RIGHT;
  enum answer answer =
      expect(actor, link, "~ was killed by SIGABRT",
             roll(actor, 2) ? "SELECT crash(x) FROM " UP_TO
                            : "SELECT crash(x) OVER (ROWS 1 PRECEDING), "
                              "tally(x) OVER (ROWS 1 PRECEDING) FROM " UP_TO,
             14 + (long)roll(actor, 300));
  return answer ? answer : is_fine(actor, link);
}

enum answer groups_timeout(struct actor *actor, struct link *link) {
  enum answer answer = set(actor, link, "python_timeout", "60");
  if (answer) return answer;
  answer = expect(
      actor, link, "~error 1: python function stall: timed out after 60 ms",
      "SELECT stall(x), tally(x) FROM " UP_TO, 14 + (long)roll(actor, 300));
  if (set(actor, link, "python_timeout", "0")) return WRONG;
  return answer ? answer : is_fine(actor, link);
}
