/* lost.c - can a program that runs lose the rows of python_rows?: see lost.h
**
** HOW IT WORKS. A set of rows is made in the register of an AggFinal. EXPLAIN
** says which registers it can get to from there by copying, whatever the order,
** and a program loses it that makes a record of one of them, or a copy of it
** without subtype, which is what a row of a subquery is (3.40, not 3.38), or a
** branch by whether it is NULL, as coalesce() is. 3.54 (not 3.51) takes the
** subtype of what a scalar subquery gives where a function in its expression, or
** in an argument of that, may set one: ours may. Registers serve again for
** something else, and those of triggers have the same numbers: 1 is the answer in
** doubt.
*/
#include "lost.h"

#include <stdlib.h>

#include "../base/buf.h"
#include "explain.h"

enum {
  REGISTERS = 1 << 16,
  WITHOUT_SUBTYPE = 2 /* in p5 of Copy */
};

enum kind { MAKES, COPIES, STORES };

/* From so many registers on from `from`; COPIES: to `to` and on. */
struct operation {
  enum kind kind;
  int from, to, count;
};

struct flow {
  struct buf operations;
  uint8_t rows[REGISTERS]; /* 1: what may have a set */
};

static const struct {
  const char *name;
  enum kind kind;
} known[] = {
    {"AggFinal", MAKES},    {"Copy", COPIES},       {"SCopy", COPIES},
    {"Move", COPIES},       {"IsNull", STORES},     {"NotNull", STORES},
    {"MakeRecord", STORES}, {"ClrSubtype", STORES},
};

/* How many registers it is about. */
static int count_of(const char *name, const int p[4]) {
  if (!sqlite3_stricmp(name, "Copy")) return p[3] + 1;
  if (!sqlite3_stricmp(name, "Move")) return p[3];
  return sqlite3_stricmp(name, "MakeRecord") ? 1 : p[2];
}

static int look(void *arg, sqlite3_stmt *row) {
  struct flow *flow = arg;
  const char *name = (const char *)sqlite3_column_text(row, EXPLAIN_OPCODE);
  if (!name) return 1;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (sqlite3_stricmp(name, known[i].name)) continue;
    const int p[] = {0, sqlite3_column_int(row, EXPLAIN_P1),
                     sqlite3_column_int(row, EXPLAIN_P2),
                     sqlite3_column_int(row, EXPLAIN_P3)};
    int p5 = sqlite3_column_int(row, EXPLAIN_P5);
    struct operation operation = {known[i].kind, p[1], p[2], count_of(name, p)};
    if (operation.kind == MAKES && !explain_is_of(row, "python_rows")) break;
    if (operation.kind == COPIES && p5 & WITHOUT_SUBTYPE) {
      operation.kind = STORES;
    }
    int last = operation.from > operation.to ? operation.from : operation.to;
    if (operation.from < 0 || operation.count < 0 ||
        last > REGISTERS - operation.count) {
      return 1;
    }
    buf_add(&flow->operations, &operation, sizeof operation);
  }
  return 0;
}

/* One more round of copying. Returns 1 where it has changed anything. */
static int spread(struct flow *flow, int *stored, int *made) {
  const struct operation *operation = (const void *)flow->operations.data;
  size_t count = flow->operations.len / sizeof *operation;
  int changed = 0;
  for (; count; count--, operation++) {
    if (operation->kind == MAKES) {
      *made = 1;
      changed |= !flow->rows[operation->from];
      flow->rows[operation->from] = 1;
      continue;
    }
    for (int i = 0; i < operation->count; i++) {
      if (!flow->rows[operation->from + i]) continue;
      if (operation->kind == STORES) *stored = 1;
      if (operation->kind != COPIES) continue;
      changed |= !flow->rows[operation->to + i];
      flow->rows[operation->to + i] = 1;
    }
  }
  return changed;
}

static int ask(sqlite3 *db) {
  struct flow *flow = calloc(1, sizeof *flow);
  int stored = 0, made = 0;
  if (!flow) return 1;
  int unknown = explain_running(db, look, flow) || flow->operations.failed;
  while (!unknown && !stored && spread(flow, &stored, &made)) continue;
  buf_fini(&flow->operations);
  free(flow);
  return unknown || stored || !made;
}

int lost_possible(struct session *session) {
  struct lost *lost = &session->lost;
  if (session->running != 1 || lost->statement != session->begun) {
    lost->possible = ask(session->db);
    lost->statement = session->running == 1 ? session->begun : 0;
  }
  return lost->possible;
}
