/* calls_host.c - a program with two connections, for the tests of faults in calls
**
** tests/faults/rig.py starts it: calls_host EXTENSION IN OUT: reads requests from one descriptor, a line each,
** and answers each with a line on the other, so that standard input and output
** are free for what functions may do to them. Fields are separated by tabs,
** and escaped: \n, \t, \\, and \0 for NUL.
**
**   o CONNECTION            opens it, and loads the extension
**   c CONNECTION            closes it
**   s CONNECTION MS SQL     runs one statement; MS > 0: another thread calls
**                           sqlite3_interrupt() after so long, until it ends
**
** The answer: SQLite's code, the message, the values of all rows as text.
*/
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS = 2, TICK_MS = 10 };

static const char *extension;
static sqlite3 *dbs[CONNECTIONS];
static FILE *out;

struct interrupter {
  sqlite3 *db;
  int after_ms;
  atomic_int done;
};

static void *interrupt(void *arg) {
  struct interrupter *it = arg;
  const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
  for (int ms = 0; !atomic_load(&it->done); ms += TICK_MS) {
    nanosleep(&tick, NULL);
    if (ms >= it->after_ms) sqlite3_interrupt(it->db);
  }
  return NULL;
}

static void put(const char *text, size_t len) {
  putc('\t', out);
  for (size_t i = 0; i < len; i++) {
    switch (text[i]) {
      case '\n':
        fputs("\\n", out);
        break;
      case '\t':
        fputs("\\t", out);
        break;
      case '\\':
        fputs("\\\\", out);
        break;
      case 0:
        fputs("\\0", out);
        break;
      default:
        putc(text[i], out);
    }
  }
}

/* In place. */
static void unescape(char *text) {
  char *to = text;
  for (; *text; text++) {
    if (*text == '\\' && text[1]) {
      text++;
      *to++ = *text == 'n' ? '\n' : *text == 't' ? '\t' : *text;
    } else {
      *to++ = *text;
    }
  }
  *to = 0;
}

/* Values are written to a buffer first: the code stands before them. */
static void run(sqlite3 *db, int after_ms, const char *sql) {
  char *values = NULL;
  size_t size = 0;
  FILE *answer = out;
  sqlite3_stmt *statement = NULL;
  struct interrupter it = {.db = db, .after_ms = after_ms};
  pthread_t thread;
  int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  int watched = after_ms > 0 && !pthread_create(&thread, NULL, interrupt, &it);
  out = open_memstream(&values, &size);
  while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
      const char *text = (const char *)sqlite3_column_text(statement, i);
      put(text ? text : "NULL",
          text ? (size_t)sqlite3_column_bytes(statement, i) : 4);
    }
    rc = SQLITE_OK;
  }
  fclose(out);
  out = answer;
  atomic_store(&it.done, 1);
  if (watched) pthread_join(thread, NULL);
  fprintf(out, "%d", rc == SQLITE_DONE ? 0 : rc & 0xff);
  const char *message = rc == SQLITE_DONE ? "" : sqlite3_errmsg(db);
  put(message, strlen(message));
  fwrite(values, 1, size, out);
  free(values);
  sqlite3_finalize(statement);
}

static void open_db(int i) {
  char *message = NULL;
  int rc = sqlite3_open(":memory:", &dbs[i]);
  sqlite3_db_config(dbs[i], SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (!rc) rc = sqlite3_load_extension(dbs[i], extension, NULL, &message);
  fprintf(out, "%d", rc);
  put(message ? message : "", message ? strlen(message) : 0);
  sqlite3_free(message);
}

static int serve(char *line) {
  int i, after_ms = 0, sql = 0;
  char what;
  if (sscanf(line, "%c %d\t%d\t%n", &what, &i, &after_ms, &sql) < 2) return -1;
  if (i < 0 || i >= CONNECTIONS) return -1;
  if (what == 'o') {
    open_db(i);
  } else if (what == 'c') {
    fprintf(out, "%d\t", sqlite3_close(dbs[i]));
  } else if (what == 's' && sql) {
    unescape(line + sql);
    run(dbs[i], after_ms, line + sql);
  } else {
    return -1;
  }
  putc('\n', out);
  return fflush(out) ? -1 : 0;
}

int main(int argc, char **argv) {
  char *line = NULL;
  size_t size = 0;
  if (argc != 4) return 99;
  extension = argv[1];
  FILE *in = fdopen(atoi(argv[2]), "re");
  out = fdopen(atoi(argv[3]), "we");
  if (!in || !out) return 99;
  signal(SIGPIPE, SIG_IGN);
  ssize_t len;
  while ((len = getline(&line, &size, in)) > 0) {
    if (line[len - 1] == '\n') line[len - 1] = 0;
    if (serve(line)) return 99;
  }
  free(line);
  fclose(in);
  fclose(out);
  return 0;
}
