/* test_big.c - values as large as SQLite takes, in both modes
**
** Loads $PYUDF_BUILD/pyudf.so. A copy is counted in the peak of resident memory
** of host and worker together.
*/
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

enum { BIG = 900000000, MIB = 1 << 20 };

static sqlite3 *db;
static char message[1024]; /* of the last statement that failed */

/* The first column of the first row as an integer, or -1 and *rc. */
static sqlite3_int64 ask(const char *sql, int *rc) {
  sqlite3_stmt *stmt = NULL;
  sqlite3_int64 answer = -1;
  *rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (*rc == SQLITE_OK) *rc = sqlite3_step(stmt);
  if (*rc == SQLITE_ROW) {
    answer = sqlite3_column_int64(stmt, 0);
    *rc = SQLITE_OK;
  } else {
    snprintf(message, sizeof message, "%s", sqlite3_errmsg(db));
  }
  sqlite3_finalize(stmt);
  return answer;
}

/* A field of a process's status in MiB. */
static long status_mib(int pid, const char *field) {
  char path[64], line[256];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    if (!strncmp(line, field, strlen(field))) {
      kib = strtol(line + strlen(field) + 1, NULL, 10);
    }
  }
  if (file) fclose(file);
  return kib / 1024;
}

/* From here on VmHWM is the peak since now. */
static void reset_peak(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
  FILE *file = fopen(path, "w");
  if (file) {
    fputs("5", file);
    fclose(file);
  }
}

/* A value is cut, copied too often, or the process goes down with it. */
static void test_mode(const char *mode) {
  char sql[256];
  int rc;
  snprintf(sql, sizeof sql, "PRAGMA python_execution_mode=%s", mode);
  ask(sql, &rc);
  ok(rc == SQLITE_OK, "%s mode", mode);
  ask("SELECT python_define('size', 'lambda b: len(b)'), python_define('same', "
      "'lambda b: b'), python_define('more', 'lambda b: b + b''x'''), "
      "python_define('made', 'lambda n: bytes(n)'), python_define('text', "
      "'lambda n: ''x'' * n')",
      &rc);
  if (!ok(rc == SQLITE_OK, "%s: definitions", mode)) printf("# %s\n", message);
  int worker =
      (int)ask("SELECT python_eval('__import__(''os'').getpid()')", &rc);
  int other = worker != getpid();
  static const char *const big[][2] = {
      {"SELECT size(zeroblob(900000000))", "into len()"},
      {"SELECT length(same(zeroblob(900000000)))", "and back"},
      {"SELECT length(more(zeroblob(899999999)))",
       "and back with one byte more"},
  };
  for (int i = 0; i < 3; i++) {
    reset_peak(getpid());
    long before = status_mib(getpid(), "VmRSS:");
    if (other) {
      reset_peak(worker);
      before += status_mib(worker, "VmRSS:");
    }
    sqlite3_int64 got = ask(big[i][0], &rc);
    if (!ok(rc == SQLITE_OK && got == BIG, "%s: 900 MB %s", mode, big[i][1])) {
      printf("# rc %d, got %lld: %s\n", rc, got, message);
    }
    long peak = status_mib(getpid(), "VmHWM:");
    if (other) peak += status_mib(worker, "VmHWM:");
    double copies = (double)(peak - before) * MIB / BIG;
    const char *sanitizer = getenv("PYUDF_SANITIZER");
    if (sanitizer && *sanitizer) {
      ok(1, "%s: few copies # SKIP a sanitizer keeps freed memory", mode);
    } else {
      ok(copies > 0.9 && copies < 4.1, "%s: in %.2f copies", mode, copies);
    }
  }
  sqlite3_int64 got = ask("SELECT length(made(1000000000))", &rc);
  ok(rc == SQLITE_OK && got == 1000000000, "%s: a blob of just the limit",
     mode);
  ask("SELECT length(made(1000000001))", &rc);
  ok(rc == SQLITE_TOOBIG, "%s: one byte more is SQLITE_TOOBIG (%d)", mode, rc);
  ask("SELECT length(text(1000000001))", &rc);
  ok(rc == SQLITE_TOOBIG, "%s: so is a text (%d)", mode, rc);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000);
  got = ask("SELECT length(made(1000))", &rc);
  ok(rc == SQLITE_OK && got == 1000, "%s: the host's own limit", mode);
  ask("SELECT length(made(1001))", &rc);
  ok(rc == SQLITE_TOOBIG, "%s: and one byte more (%d)", mode, rc);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000000);
  int now = (int)ask("SELECT python_eval('__import__(''os'').getpid()')", &rc);
  ok(now == worker, "%s: the worker lived through all of it", mode);
}

int main(void) {
  char path[4096];
  const char *build = getenv("PYUDF_BUILD");
  snprintf(path, sizeof path, "%s/pyudf", build ? build : ".");
  long mib = sysconf(_SC_AVPHYS_PAGES) / (MIB / sysconf(_SC_PAGESIZE));
  if (mib < 5000) {
    printf("1..0 # SKIP needs 5000 MiB of free memory, there are %ld\n", mib);
    return 0;
  }
  char *error = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_enable_load_extension(db, 1);
  if (!ok(!sqlite3_load_extension(db, path, NULL, &error), "the extension")) {
    printf("# %s\n", error);
    return tap_done();
  }
  test_mode("process");
  test_mode("thread");
  ok(sqlite3_close(db) == SQLITE_OK, "closed");
  return tap_done();
}
