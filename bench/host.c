/* host.c - an application that uses SQLite, for bench/run
**
** What the sqlite3 shell is, without its own work in the way: one thread, one
** connection to :memory:. bench/run starts one for each peer that it measures
** and sends it lines, fields separated by tabs; each is answered by one line,
**
**   ok <tab> nanoseconds <tab> value        or
**   error <tab> nanoseconds <tab> message
**
**   load <tab> PATH     loads an extension
**   run <tab> SQL       prepares and runs one statement to its end; the value is
**                       the first column of its last row
**   read <tab> SQL      the same; the value is the sum of all columns of all rows,
**                       each read as an integer
**   again <tab> COUNT <tab> SQL   the same, COUNT times
**   pipe <tab> COUNT    sends a byte to another process and back, COUNT times
**   version             the value is SQLite's version
**
** The nanoseconds are those that the request took, by CLOCK_MONOTONIC. The
** connection has functions in C: c_first(...) returns its first argument;
** c_labs, c_fabs, c_fma and c_cos are those of the C library; c_addup(...) is the
** sum of integers, an aggregate and window function.
*/
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One request's outcome. */
struct reply {
  int failed;
  uint64_t took_ns;
  char value[1024];
};

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_value(struct reply *reply, const char *value) {
  snprintf(reply->value, sizeof reply->value, "%s", value ? value : "NULL");
}

static void fail(struct reply *reply, const char *why) {
  reply->failed = 1;
  set_value(reply, why);
}

/* ---- SQLite ---- */

static void c_first(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_result_value(ctx, argv[0]);
}

static void c_labs(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_result_int64(ctx, labs(sqlite3_value_int64(argv[0])));
}

static void c_fabs(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_result_double(ctx, fabs(sqlite3_value_double(argv[0])));
}

static void c_fma(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_result_double(
      ctx, fma(sqlite3_value_double(argv[0]), sqlite3_value_double(argv[1]),
               sqlite3_value_double(argv[2])));
}

static void c_cos(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_result_double(ctx, cos(sqlite3_value_double(argv[0])));
}

static void c_add(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  int64_t *sum = sqlite3_aggregate_context(ctx, sizeof *sum);
  (void)argc;
  if (sum) *sum += sqlite3_value_int64(argv[0]);
}

static void c_subtract(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  int64_t *sum = sqlite3_aggregate_context(ctx, sizeof *sum);
  (void)argc;
  if (sum) *sum -= sqlite3_value_int64(argv[0]);
}

static void c_sum(sqlite3_context *ctx) {
  const int64_t *sum = sqlite3_aggregate_context(ctx, sizeof *sum);
  if (sum) sqlite3_result_int64(ctx, *sum);
}

static int create(sqlite3 *db, const char *name, int argc,
                  void (*call)(sqlite3_context *, int, sqlite3_value **)) {
  return sqlite3_create_function(db, name, argc, SQLITE_UTF8, NULL, call, NULL,
                                 NULL);
}

static sqlite3 *connect(void) {
  sqlite3 *db = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
      sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL) !=
          SQLITE_OK ||
      create(db, "c_first", 1, c_first) != SQLITE_OK ||
      create(db, "c_first", 3, c_first) != SQLITE_OK ||
      create(db, "c_labs", 1, c_labs) != SQLITE_OK ||
      create(db, "c_fabs", 1, c_fabs) != SQLITE_OK ||
      create(db, "c_fma", 3, c_fma) != SQLITE_OK ||
      create(db, "c_cos", 1, c_cos) != SQLITE_OK ||
      sqlite3_create_window_function(db, "c_addup", 1, SQLITE_UTF8, NULL, c_add,
                                     c_sum, c_sum, c_subtract,
                                     NULL) != SQLITE_OK) {
    fprintf(stderr, "host: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
  return db;
}

static void load(sqlite3 *db, const char *path, struct reply *reply) {
  char *message = NULL;
  uint64_t began = now_ns();
  int rc = sqlite3_load_extension(db, path, NULL, &message);
  reply->took_ns = now_ns() - began;
  if (rc != SQLITE_OK) fail(reply, message ? message : sqlite3_errstr(rc));
  sqlite3_free(message);
}

static void run(sqlite3 *db, const char *sql, struct reply *reply) {
  sqlite3_stmt *statement = NULL;
  uint64_t began = now_ns();
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (rc == SQLITE_OK) {
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
      set_value(reply, (const char *)sqlite3_column_text(statement, 0));
    }
  }
  int rc_end = sqlite3_finalize(statement);
  reply->took_ns = now_ns() - began;
  if (rc != SQLITE_DONE || rc_end != SQLITE_OK) fail(reply, sqlite3_errmsg(db));
}

static void read_all(sqlite3 *db, const char *sql, struct reply *reply) {
  sqlite3_stmt *statement = NULL;
  uint64_t sum = 0;
  uint64_t began = now_ns();
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  int columns = sqlite3_column_count(statement);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    for (int i = 0; i < columns; i++) {
      sum += (uint64_t)sqlite3_column_int64(statement, i);
    }
    rc = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  reply->took_ns = now_ns() - began;
  snprintf(reply->value, sizeof reply->value, "%lld", (long long)sum);
  if (rc != SQLITE_DONE) fail(reply, sqlite3_errmsg(db));
}

/* The time of all; the argument is "COUNT <tab> SQL". */
static void again(sqlite3 *db, char *argument, struct reply *reply) {
  char *sql = strchr(argument, '\t');
  uint64_t took_ns = 0;
  for (long count = atol(argument); sql && count > 0 && !reply->failed;
       count--) {
    run(db, sql + 1, reply);
    took_ns += reply->took_ns;
  }
  reply->took_ns = took_ns;
}

/* ---- the pipe ---- */

/* Sends every byte back until the other side closes. */
_Noreturn static void echo(int from, int to) {
  char byte;
  while (read(from, &byte, 1) == 1) {
    if (write(to, &byte, 1) != 1) break;
  }
  _exit(0);
}

static void pipe_round_trips(long count, struct reply *reply) {
  int there[2], back[2];
  char byte = 'x';
  if (pipe(there) || pipe(back)) {
    fail(reply, strerror(errno));
    return;
  }
  pid_t pid = fork();
  if (pid == 0) {
    close(there[1]);
    close(back[0]);
    echo(there[0], back[1]);
  }
  close(there[0]);
  close(back[1]);
  /* The first one waits until the other process is up. */
  int ok =
      pid > 0 && write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1;
  uint64_t began = now_ns();
  for (long i = 0; ok && i < count; i++) {
    ok = write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1;
  }
  reply->took_ns = now_ns() - began;
  if (!ok) fail(reply, strerror(errno));
  close(there[1]);
  close(back[0]);
  if (pid > 0) waitpid(pid, NULL, 0);
}

/* ---- the conversation ---- */

static void answer(const struct reply *reply) {
  printf("%s\t%llu\t", reply->failed ? "error" : "ok",
         (unsigned long long)reply->took_ns);
  for (const char *c = reply->value; *c; c++) {
    putchar(*c == '\n' || *c == '\t' ? ' ' : *c);
  }
  putchar('\n');
  fflush(stdout);
}

int main(void) {
  sqlite3 *db = connect();
  char *line = NULL;
  size_t size = 0;
  ssize_t len;
  while ((len = getline(&line, &size, stdin)) > 0) {
    struct reply reply = {0};
    if (line[len - 1] == '\n') line[len - 1] = 0;
    char *argument = strchr(line, '\t');
    if (argument) *argument++ = 0;
    if (!strcmp(line, "version")) {
      snprintf(reply.value, sizeof reply.value, "%s %s", sqlite3_libversion(),
               sqlite3_sourceid());
    } else if (!strcmp(line, "load") && argument) {
      load(db, argument, &reply);
    } else if (!strcmp(line, "run") && argument) {
      run(db, argument, &reply);
    } else if (!strcmp(line, "read") && argument) {
      read_all(db, argument, &reply);
    } else if (!strcmp(line, "again") && argument) {
      again(db, argument, &reply);
    } else if (!strcmp(line, "pipe") && argument) {
      pipe_round_trips(atol(argument), &reply);
    } else {
      fail(&reply, "no such request");
    }
    answer(&reply);
  }
  free(line);
  return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
