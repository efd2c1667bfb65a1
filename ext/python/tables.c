/* tables.c - what a worker does about calls of table functions: see tables.h
**
** HOW IT WORKS. The host asks for a number of rows, which it reads while the next
** ones are made. A batch ends early once it has taken ROWS_US, so that a slow
** function does not run ahead of a statement that may want no more of it; the first
** rows of each are shown to the host one by one.
*/
#include "tables.h"

#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "rows.h"

enum {
  TABLES_MAX = 1 << 28,
  ROWS_US = 1000,
  ROWS_BYTES = 64 * 1024,
  EAGER = 16,      /* rows of a batch that go out at once */
  CLOCK_EVERY = 16 /* rows between two looks at the clock after that */
};

struct server_table {
  struct runtime_rows *rows; /* NULL: there is none */
  struct value *values;      /* of a row */
};

static struct server_table *find(struct server *server, uint32_t number) {
  if (number >= TABLES_MAX) server_give_up();
  if (number >= server->table_count) {
    uint32_t count = number * 2 + 16;
    struct server_table *tables =
        realloc(server->tables, count * sizeof *tables);
    if (!tables) server_give_up();
    memset(tables + server->table_count, 0,
           (count - server->table_count) * sizeof *tables);
    server->tables = tables;
    server->table_count = count;
  }
  return &server->tables[number];
}

/* A generator is closed. The call may have others made: `table` is looked up
** anew. */
static int end(struct server *server, uint32_t number, struct err *err) {
  struct runtime_rows *rows = find(server, number)->rows;
  find(server, number)->rows = NULL;
  free(find(server, number)->values);
  find(server, number)->values = NULL;
  return server->runtime->rows_free(server->space, rows, err);
}

/* Sends a row; at once where the host waits for it. */
static int send_row(struct server *server, uint64_t seq,
                    const struct value *values, uint32_t columns, int eager,
                    struct err *err) {
  struct wire_head head = {.type = WIRE_ROW, .seq = seq};
  for (uint32_t i = 0; i < columns; i++) {
    if (server_check(server, &values[i], err)) return -1;
  }
  if (wire_post(&server->wire, &head, values, columns, err)) {
    if (err->code != ERR_USAGE) server_give_up();
    return -1;
  }
  if (eager || ring_is_awaited(&server->wire.out)) wire_flush(&server->wire);
  return 0;
}

/* So many rows, or fewer. Returns 1 where there are more, 0 at the end, -1. */
static int send_rows(struct server *server, const struct wire_head *head,
                     struct err *err) {
  const struct server_table table = *find(server, head->a);
  uint32_t columns = rows_columns(table.rows);
  int64_t began = clock_us();
  uint32_t pos = server->wire.out.pos;
  for (uint32_t i = 1;; i++) {
    int got = server->runtime->rows_next(server->space, table.rows,
                                         table.values, err);
    server_end_child(got < 0 ? -1 : 0, err);
    if (got <= 0) return got;
    if (send_row(server, head->seq, table.values, columns, i <= EAGER, err)) {
      return -1;
    }
    if (i >= head->b || server->wire.out.pos - pos >= ROWS_BYTES) return 1;
    if (shm_stop_get(server->shm.control, head->seq)) return 1;
    if ((i <= EAGER || i % CLOCK_EVERY == 0) && clock_us() - began >= ROWS_US) {
      return 1;
    }
  }
}

static void serve_rows(struct server *server, const struct wire_head *head,
                       int rc, struct err *err) {
  if (!rc) rc = send_rows(server, head, err);
  if (rc < 1) {
    struct err late = {0};
    int closed = end(server, head->a, &late);
    if (rc == 0 && closed) {
      rc = -1;
      err_take(err, &late);
    }
    err_clear(&late);
  }
  struct value more = value_integer(rc);
  server_reply(server, head->seq, rc < 0 ? -1 : 0, &more, err);
}

/* The conversions of arguments that are not those of the first parameters. */
static const struct callable *in_order(const struct callable *callable,
                                       const struct tablecall *call,
                                       struct callable *other) {
  if (!call->argc || rows_parameter(call, call->argc - 1) == call->argc - 1) {
    return callable;
  }
  *other = *callable;
  for (uint32_t i = 0; i < call->argc; i++) {
    other->codes[i] = callable->codes[rows_parameter(call, i)];
  }
  return other;
}

static void serve_open(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct value fields[WIRE_ROWS_FIELDS];
  struct arguments arguments;
  struct callable other;
  struct err err = {0};
  for (int i = 0; i < WIRE_ROWS_FIELDS; i++) {
    if (codec_get(reader, &fields[i])) server_give_up();
  }
  struct tablecall call = {
      .argc = server_count(reader),
      .columns = (uint32_t)fields[5].integer,
      .used = (uint64_t)fields[2].integer,
      .given = {(uint64_t)fields[3].integer, (uint64_t)fields[4].integer}};
  struct callable *callable =
      call_table(server->space, (uint32_t)fields[0].integer,
                 (uint32_t)fields[1].integer, call.argc, &err);
  int rc = arguments_receive(
      server, reader, callable ? in_order(callable, &call, &other) : NULL,
      &arguments, &err);
  struct runtime_rows *rows = NULL;
  if (!rc) {
    rows =
        rows_new_objects(server->space, callable, arguments.args, &call, &err);
    rc = rows ? 0 : -1;
    server_end_child(rc, &err);
  }
  struct server_table *table = find(server, head->a);
  if (rows) {
    table->rows = rows;
    table->values = calloc(rows_columns(rows), sizeof *table->values);
    if (!table->values) rc = err_nomem(&err);
  }
  serve_rows(server, head, rc, &err);
}

int tables_serve(struct server *server, const struct wire_head *head,
                 struct codec_reader *reader) {
  struct err err = {0};
  struct value none = value_null();
  switch (head->type) {
    case WIRE_ROWS:
      serve_open(server, head, reader);
      return 0;
    case WIRE_NEXT:
      wire_done(&server->wire);
      if (!find(server, head->a)->rows) server_give_up();
      serve_rows(server, head, 0, &err);
      return 0;
    case WIRE_CLOSE:
      wire_done(&server->wire);
      server_reply(server, head->seq, end(server, head->a, &err), &none, &err);
      return 0;
    default:
      return -1;
  }
}

void tables_free(struct server *server) {
  for (uint32_t i = 0; i < server->table_count; i++) end(server, i, NULL);
  free(server->tables);
  server->table_count = 0;
}
