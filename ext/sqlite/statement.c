/* statement.c - which functions a running statement has called: see statement.h */
#include "statement.h"

#include <stdlib.h>

/* A number that nobody else uses: SQLite's own are -429938 and -429939. */
enum { AUXDATA = -1886352740 };

struct use {
  struct slot *slot;
  int windows; /* -1: not asked yet */
};

struct statement {
  struct session *session;
  uint64_t number;
  uint32_t count;
  uint32_t size;
  struct use *uses;
};

static void statement_free(void *arg) {
  struct statement *statement = arg;
  struct session *session = statement->session;
  for (uint32_t i = 0; i < statement->count; i++) {
    slot_unuse(statement->uses[i].slot);
  }
  free(statement->uses);
  free(statement);
  session_statement_end(session);
}

/* NULL where SQLite keeps no data for this call. */
static struct statement *statement_get(sqlite3_context *ctx,
                                       struct session *session) {
  struct statement *statement = sqlite3_get_auxdata(ctx, AUXDATA);
  if (statement) return statement;
  session_refresh(session);
  statement = calloc(1, sizeof *statement);
  if (statement) {
    uint64_t before = session->statements;
    statement->session = session;
    statement->number = ++session->begun;
    session->running++;
    sqlite3_set_auxdata(ctx, AUXDATA, statement, statement_free);
    if (session->statements == before) return statement;
  }
  session->ended = 1; /* seen to by session_leave() */
  return NULL;
}

uint64_t statement_number(sqlite3_context *ctx) {
  const struct statement *statement = sqlite3_get_auxdata(ctx, AUXDATA);
  return statement ? statement->number : 0;
}

void statement_touch(sqlite3_context *ctx, struct session *session) {
  statement_get(ctx, session);
}

/* NULL where it has not called the slot. */
static struct use *find(const struct statement *statement,
                        const struct slot *slot) {
  for (uint32_t i = 0; i < statement->count; i++) {
    if (statement->uses[i].slot == slot) return &statement->uses[i];
  }
  return NULL;
}

int *statement_windows(sqlite3_context *ctx, struct slot *slot) {
  struct statement *statement = statement_get(ctx, slot->session);
  struct use *use = statement ? find(statement, slot) : NULL;
  return use ? &use->windows : NULL;
}

static int add(struct statement *statement, struct slot *slot) {
  if (statement->count == statement->size) {
    uint32_t size = statement->size * 2 + 4;
    struct use *uses = realloc(statement->uses, size * sizeof *uses);
    if (!uses) return -1;
    statement->uses = uses;
    statement->size = size;
  }
  slot_use(slot);
  statement->uses[statement->count++] = (struct use){slot, -1};
  return 0;
}

int statement_use(sqlite3_context *ctx, struct slot *slot) {
  struct statement *statement = statement_get(ctx, slot->session);
  if (!statement || !find(statement, slot)) {
    if (!slot->function) return -1;
    if (!statement || add(statement, slot)) return 0;
  }
  slot->seen = ctx;
  slot->seen_at = slot->session->statements;
  return 0;
}
