/* deeds.c - what an actor does while nothing goes wrong: see soak.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

#define UP_TO                                                     \
  "(WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM " \
  "c WHERE x < %ld) SELECT x FROM c)"

static char *number(char text[32], long long value) {
  snprintf(text, 32, "%lld", value);
  return text;
}

static enum answer integers(struct actor *actor, struct link *link) {
  char wanted[32];
  long n = 1 + (long)roll(actor, roll(actor, 10) ? 50 : 3000);
  return expect(actor, link, number(wanted, link->k * (n * (n + 1) / 2) + n),
                "SELECT sum(f(x)) FROM " UP_TO, n);
}

static enum answer texts(struct actor *actor, struct link *link) {
  char text[201], back[201];
  size_t len = roll(actor, 200);
  for (size_t i = 0; i < len; i++) text[i] = (char)('a' + roll(actor, 26));
  for (size_t i = 0; i < len; i++) back[i] = text[len - 1 - i];
  text[len] = back[len] = 0;
  if (expect(actor, link, back, "SELECT rev(%Q)", text)) return EXCUSED;
  return expect(actor, link, "😀éh",
                "SELECT rev(echo('h' || char(233, 128512)))");
}

/* Bytes of its own go there and back. */
static enum answer blobs(struct actor *actor, struct link *link) {
  static const char sql[] = "SELECT echo(?1)";
  size_t len = roll(actor, 12) ? roll(actor, 70000) : roll(actor, 5 << 20);
  unsigned char *bytes = malloc(len + 1);
  uint64_t at = roll(actor, 256);
  for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)(at += i | 1);
  sqlite3_stmt *statement = NULL;
  announce(actor, link, sql);
  int rc = sqlite3_prepare_v2(link->db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_bind_blob64(statement, 1, bytes, len, SQLITE_STATIC);
  }
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  char got[300];
  if (rc == SQLITE_ROW) {
    const void *back = sqlite3_column_blob(statement, 0);
    size_t back_len = (size_t)sqlite3_column_bytes(statement, 0);
    int same = back_len == len && (!len || !memcmp(back, bytes, len));
    snprintf(got, sizeof got, "%s", same ? "the same" : "other bytes");
  } else {
    snprintf(got, sizeof got, "error %d: %.200s", rc, sqlite3_errmsg(link->db));
  }
  sqlite3_finalize(statement);
  free(bytes);
  if (judge(actor, link, sql, "the same", got)) return EXCUSED;
  char wanted[32];
  len = roll(actor, roll(actor, 12) ? 70000 : 5 << 20);
  return expect(actor, link, number(wanted, (long long)len * 2),
                "SELECT length(blob(%llu, 7)) + size(zeroblob(%llu))",
                (unsigned long long)len, (unsigned long long)len);
}

static enum answer nothing(struct actor *actor, struct link *link) {
  return expect(actor, link, "1,null,NULL,called",
                "SELECT (echo(NULL) IS NULL) || ',' || typeof(echo(NULL)) || "
                "',' || coalesce(strict(NULL), 'NULL') || ',' || strict(0.5)");
}

static enum answer json(struct actor *actor, struct link *link) {
  if (expect(actor, link, "{\"a\":7,\"b\":[\"x\",null]}",
             "SELECT wrap(7, 'x')")) {
    return EXCUSED;
  }
  return expect(actor, link, "7 x 42",
                "SELECT (wrap(7, 'x') ->> 'a') || ' ' || (wrap(7, 'x') ->> "
                "'$.b[0]') || ' ' || pick('{\"z\": 42}', 'z')");
}

static enum answer nested(struct actor *actor, struct link *link) {
  char wanted[32];
  if (expect(actor, link, number(wanted, 6 * link->k + 3 + 610),
             "SELECT add3(f(1), echo(f(2)), add3(f(echo(3)), fib(15), 0))")) {
    return EXCUSED;
  }
  long long y = 1;
  for (int x = 1; x < 100; x++) y += x + 1;
  return expect(actor, link, number(wanted, y),
                "WITH RECURSIVE c(x, y) AS (SELECT 1, echo(1) UNION ALL SELECT "
                "x+1, add3(y, x, 1) FROM c WHERE x < 100) SELECT y FROM c "
                "WHERE x = 100");
}

static long keys_below(long n, long limit) {
  long count = 0;
  for (long x = 1; x <= n; x++) count += x * 7 % 101 < limit;
  return count;
}

static enum answer sorted(struct actor *actor, struct link *link) {
  char wanted[64];
  long n = 1 + (long)roll(actor, 300), best = 1;
  for (long x = 1; x <= n; x++) {
    if (x * 7 % 101 > best * 7 % 101) best = x;
  }
  if (expect(actor, link, number(wanted, best),
             "SELECT x FROM " UP_TO " ORDER BY key(x) DESC, x LIMIT 1", n)) {
    return EXCUSED;
  }
  return expect(actor, link, number(wanted, keys_below(n, 50)),
                "SELECT count(*) FROM " UP_TO " WHERE key(x) < 50", n);
}

/* An index and a trigger that call a function. */
static enum answer schema(struct actor *actor, struct link *link) {
  char wanted[64];
  if (link->kind != LINK_MEMORY) return RIGHT;
  long more = 1 + (long)roll(actor, 30);
  enum answer answer =
      expect(actor, link, "", "INSERT INTO t SELECT x + %ld, x FROM " UP_TO,
             link->rows, more);
  if (answer) return answer;
  link->rows += more;
  long sum = 0;
  for (long x = 1; x <= link->rows; x++) sum += x * 7 % 101;
  snprintf(wanted, sizeof wanted, "%ld,%ld", link->rows, sum);
  if (expect(actor, link, wanted,
             "SELECT count(*) || ',' || sum(x) FROM seen") ||
      expect(actor, link, number(wanted, keys_below(link->rows, 50)),
             "SELECT count(*) FROM t WHERE key(a) < 50")) {
    return EXCUSED;
  }
  return expect(actor, link, "ok", "PRAGMA integrity_check");
}

/* Rows in a file that all write to. */
static enum answer file(struct actor *actor, struct link *link) {
  if (link->kind != LINK_FILE) return RIGHT;
  enum answer answer = expect(
      actor, link, "", "INSERT INTO log SELECT %d, %d, x, f(x) FROM " UP_TO,
      actor->id, link->k, 1 + (long)roll(actor, 20));
  if (answer) return answer;
  return expect(actor, link, "0",
                "SELECT count(*) FROM log WHERE y != k * x + 1");
}

static enum answer open_one(struct actor *actor, struct link *link,
                            struct opened *open) {
  static const char sql[] =
      "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c WHERE x < "
      "?1) SELECT x, f(x) FROM c";
  announce(actor, link, sql);
  if (sqlite3_prepare_v2(link->db, sql, -1, &open->statement, NULL)) {
    report(actor, link, sql, "prepared", sqlite3_errmsg(link->db));
    return WRONG;
  }
  open->next = 1;
  open->last = 1 + (long)roll(actor, 30);
  sqlite3_bind_int64(open->statement, 1, open->last);
  return RIGHT;
}

/* A step, a few, a reset or the end of a statement that stays open meanwhile. */
static enum answer cursor(struct actor *actor, struct link *link) {
  struct opened *open = &link->open[roll(actor, OPEN_MAX)];
  if (!open->statement && open_one(actor, link, open)) return WRONG;
  uint64_t what = roll(actor, 10);
  if (what == 0) {
    sqlite3_finalize(open->statement);
    *open = (struct opened){0};
    return RIGHT;
  }
  if (what == 1) {
    sqlite3_reset(open->statement);
    open->next = 1;
  }
  for (uint64_t i = roll(actor, 5); i < 5; i++) {
    char wanted[32], got[300];
    announce(actor, link, "step");
    int rc = sqlite3_step(open->statement);
    int over = open->next > open->last;
    snprintf(wanted, 32, over ? "done" : "%ld", link->k * open->next + 1);
    if (rc == SQLITE_ROW) {
      number(got, sqlite3_column_int64(open->statement, 1));
    } else if (rc == SQLITE_DONE) {
      strcpy(got, "done");
    } else {
      snprintf(got, sizeof got, "error %d: %.200s", rc,
               sqlite3_errmsg(link->db));
    }
    enum answer answer = judge(actor, link, "step", wanted, got);
    if (answer || over) {
      sqlite3_finalize(open->statement);
      *open = (struct opened){0};
      return answer;
    }
    open->next++;
  }
  return RIGHT;
}

static enum answer redefine(struct actor *actor, struct link *link) {
  int k = 1 + (int)roll(actor, 9);
  enum answer answer = expect(
      actor, link, "f", "SELECT python_define('f', 'lambda x: %d * x + 1')", k);
  if (!answer) link->k = k;
  return answer;
}

static enum answer overload(struct actor *actor, struct link *link) {
  char wanted[32];
  int n = 1 + (int)roll(actor, 9);
  enum answer answer;
  switch (roll(actor, 4)) {
    case 0:
      answer = expect(actor, link, "g",
                      "SELECT python_define('g', 'lambda a: a + %d')", n);
      if (!answer) link->one = n;
      break;
    case 1:
      answer =
          expect(actor, link, "g",
                 "SELECT python_define('g', 'lambda a, b: a * b + %d')", n);
      if (!answer) link->two = n;
      break;
    case 2:
      if (!link->one && !link->two) return RIGHT;
      answer = expect(actor, link, "g", "SELECT python_drop('g')");
      if (!answer) link->one = link->two = 0;
      break;
    default:
      answer = link->one ? expect(actor, link, number(wanted, 5 + link->one),
                                  "SELECT g(5)")
                         : expect(actor, link, "~error 1: ", "SELECT g(5)");
  }
  if (answer) return answer;
  return link->two ? expect(actor, link, number(wanted, 42 + link->two),
                            "SELECT g(6, 7)")
                   : expect(actor, link, "~error 1: ", "SELECT g(6, 7)");
}

/* A module in a file, written anew. */
static enum answer reload(struct actor *actor, struct link *link) {
  char path[128], fresh[140], wanted[32];
  int version = link->module + 1;
  snprintf(path, sizeof path, "%s/module%d.py", options.folder, link->id);
  snprintf(fresh, sizeof fresh, "%s.new", path);
  FILE *out = fopen(fresh, "w");
  fprintf(out, "def m(): return %d\n", version);
  fclose(out);
  rename(fresh, path);
  enum answer answer =
      link->module ? expect(actor, link, "m", "SELECT python_reload()")
                   : expect(actor, link, "m", "SELECT python_import(%Q)", path);
  /* What failed half-way may have read the file already. */
  if (answer && link->module) link->wrong = 1;
  if (answer) return answer;
  link->module = version;
  return expect(actor, link, number(wanted, version), "SELECT m()");
}

static enum answer look(struct actor *actor, struct link *link) {
  switch (roll(actor, 5)) {
    case 0:
      return expect(actor, link, "1",
                    "SELECT count(*) FROM python_functions WHERE name = 'f'");
    case 1:
      return expect(actor, link, link->thread_mode ? "thread" : "process",
                    "SELECT value FROM python_settings WHERE name = "
                    "'python_execution_mode'");
    case 2:
      return expect(actor, link, "1",
                    "SELECT count(*) <= 100 AND count(traceback) <= count(*) "
                    "FROM python_errors");
    case 3:
      return expect(actor, link, "10", "SELECT python_eval('a0 + a1', 3, 7)");
    default:
      return expect(actor, link, "~CPython 3.", "SELECT python_version()");
  }
}

static enum answer reopen(struct actor *actor, struct link *link) {
  link_close(link);
  link_open(actor, link);
  return RIGHT;
}

static enum answer load_again(struct actor *actor, struct link *link) {
  announce(actor, link, "load again");
  if (sqlite3_load_extension(link->db, options.extension, NULL, NULL)) {
    report(actor, link, "load again", "loaded", sqlite3_errmsg(link->db));
    return WRONG;
  }
  return integers(actor, link);
}

const struct deed deeds[] = {
    {"integers", 30, integers},
    {"texts", 10, texts},
    {"blobs", 8, blobs},
    {"NULL", 8, nothing},
    {"JSON", 8, json},
    {"nested calls", 8, nested},
    {"ORDER BY and WHERE", 8, sorted},
    {"index and trigger", 12, schema},
    {"a file of all", 16, file},
    {"open statements", 30, cursor},
    {"groups", 16, groups_right},
    {"groups over workers", 6, groups_dealt},
    {"windows", 12, groups_windows},
    {"open windows", 10, groups_open},
    {"table functions", 16, maps_tables},
    {"sets of rows", 8, maps_sets},
    {"maps", 16, maps_right},
    {"maps with LIMIT, in maps", 8, maps_ended},
    {"define again", 10, redefine},
    {"overload and drop", 12, overload},
    {"reload", 6, reload},
    {"look", 12, look},
    {"close and open", 5, reopen},
    {"load again", 2, load_again},
};
const int deeds_count = sizeof deeds / sizeof *deeds;
