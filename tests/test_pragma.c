/*
** test_pragma EXTENSION: the PRAGMA hook on every kind of database, tried through ext_pragma.c as a loadable extension.
** Links libsqlite3; TAP on standard output; works in a directory of its own under TMPDIR.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "pragma_tap.h"

/* Prevents: a kind of database on which our PRAGMAs are ignored, or others are touched. */
static void test_kind(const char *what, sqlite3 *db, const char *state) {
  sqlite3_stmt *stmt = NULL;

  is(db, what, "SELECT pragma_hook('state')", state);
  is(db, what, "PRAGMA python_execution_mode", "process");
  is(db, what, "PRAGMA python_execution_mode = thread", "thread");
  is(db, what, "PRAGMA Python_Execution_MODE", "thread");
  is(db, what, "SELECT pragma_hook('mode')", "thread");
  is(db, what, "PRAGMA python_execution_mode = x",
     "error: python_execution_mode is process or thread, not 'x'");
  is(db, what, "PRAGMA python_execution_mod",
     "error: no setting python_execution_mod");
  is(db, what, "PRAGMA python_execution_mode", "thread");
  is(db, what, "PRAGMA python_level = -5", "-5");
  is(db, what, "PRAGMA python_level(1.5)", "1.5");
  is(db, what, "PRAGMA python_level = 'it''s'", "it's");
  is(db, what, "PRAGMA main.python_level = \"a b\"", "a b");
  is(db, what, "PRAGMA \"main\".[python_level]", "a b");
  is(db, what, "PRAGMA temp.python_level", "a b");
  is(db, what, "PRAGMA python_level = ''", "");
  is(db, what, "PRAGMA nosuch.python_level", "error: unknown database nosuch");
  is(db, what, "PRAGMA python_foreign", "none");
  is(db, what, "SELECT pragma_hook('count')", "14");
  is(db, what, "PRAGMA nosuch = 3", "none");
  is(db, what, "PRAGMA python", "none");
  run(db, "PRAGMA cache_size = 77");
  is(db, what, "PRAGMA cache_size", "77");
  is(db, what, "SELECT pragma_hook('count')", "14");
  /* Answered at prepare, as SQLite does with all that files answer; EXPLAIN makes no difference to it. */
  ok(sqlite3_prepare_v2(db, "PRAGMA python_level = 2", -1, &stmt, NULL) ==
         SQLITE_OK,
     "%s: prepare only", what);
  is(db, what, "PRAGMA python_level", "2");
  run(db, "PRAGMA python_level = 3");
  ok(sqlite3_step(stmt) == SQLITE_ROW && sqlite3_reset(stmt) == SQLITE_OK,
     "%s: a step", what);
  is(db, what, "PRAGMA python_level", "3");
  ok(sqlite3_step(stmt) == SQLITE_ROW && sqlite3_reset(stmt) == SQLITE_OK,
     "%s: a second one prepares anew", what);
  is(db, what, "PRAGMA python_level", "2");
  sqlite3_finalize(stmt);
  run(db, "EXPLAIN PRAGMA python_level = 4");
  is(db, what, "PRAGMA python_level", "4");
  closes(db, what);
}

static void test_kinds(void) {
  static sqlite3_vfs other;
  const sqlite3_io_methods *before;
  struct stat status;
  int persist = 1, wal = -1;
  sqlite3 *db = open_loaded("new.db");

  sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
  ok(sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &wal) ==
             SQLITE_OK &&
         wal == 1,
     "other file controls pass");
  run(db, "PRAGMA python_level");
  ok(stat("new.db", &status) == 0 && status.st_size == 0,
     "a PRAGMA writes nothing into a new file");
  closes(db, "a new file");
  test_kind("file", open_loaded("file.db"), "authorizer, file");
  db = open_plain("wal.db", RW, NULL);
  run(db, "PRAGMA journal_mode = wal; CREATE TABLE t(a)");
  test_kind("WAL", load(db), "authorizer, file");
  test_kind("read-only", load(open_plain("wal.db", SQLITE_OPEN_READONLY, NULL)),
            "authorizer, file");
  test_kind("immutable", load(open_plain("file:wal.db?immutable=1", RW, NULL)),
            "authorizer, file");
  test_kind("unix-none", load(open_plain("none.db", RW, "unix-none")),
            "authorizer, file");
  test_kind("unix-dotfile", load(open_plain("dot.db", RW, "unix-dotfile")),
            "authorizer, file");
  test_kind("unix-excl", load(open_plain("excl.db", RW, "unix-excl")),
            "authorizer, file");
  test_kind("memory", open_loaded(":memory:"), "authorizer");
  test_kind("temporary", open_loaded(""), "authorizer");
  test_kind("shared memory", open_loaded("file::memory:?cache=shared"),
            "authorizer");
  test_kind("memdb", load(open_plain("file:/one?vfs=memdb", RW, NULL)),
            "authorizer");
  test_kind("no mutex",
            load(open_plain("file.db", RW | SQLITE_OPEN_NOMUTEX, NULL)),
            "authorizer, file");

  other = *sqlite3_vfs_find("unix");
  other.zName = "other";
  sqlite3_vfs_register(&other, 0);
  db = open_plain("other.db", RW, "other");
  before = methods_of(db, "main");
  load(db);
  ok(methods_of(db, "main") == before,
     "files of an unknown VFS keep their methods");
  test_kind("unknown VFS", db, "authorizer");
  sqlite3_vfs_unregister(&other);
  db = open_loaded(":memory:");
  run(db, "PRAGMA python_level = 9; CREATE TABLE t(a); PRAGMA python_level");
  ok(methods_of(db, "main") == NULL, "memory: the file stays closed");
  closes(db, "memory");
}

/* Prevents: the two ways covering each other's failures. */
static void test_ways(void) {
  setenv("PYUDF_PRAGMA", "authorizer", 1);
  test_kind("authorizer only", open_loaded("file.db"), "authorizer");
  setenv("PYUDF_PRAGMA", "file", 1);
  sqlite3 *db = open_loaded("wal.db");
  is(db, "file only", "SELECT pragma_hook('state')",
     "file (no authorizer: PYUDF_PRAGMA in the environment)");
  is(db, "file only", "PRAGMA python_level = 2", "2");
  is(db, "file only", "PRAGMA main.python_level", "2");
  is(db, "file only", "PRAGMA python_x", "error: no setting python_x");
  is(db, "file only", "PRAGMA python_foreign", "none");
  run(db, "ATTACH 'aux.db' AS aux; SELECT pragma_hook('refresh')");
  if (sqlite3_libversion_number() >= 3039000)
    is(db, "file only", "PRAGMA aux.python_level", "2");
  run(db, "DETACH aux; SELECT pragma_hook('refresh')");
  is(db, "file only", "PRAGMA python_level", "2");
  closes(db, "file only");
  setenv("PYUDF_PRAGMA", "off", 1);
  db = open_loaded("file.db");
  is(db, "off", "SELECT pragma_hook('state')",
     "off: PYUDF_PRAGMA in the environment");
  is(db, "off", "PRAGMA python_level", "none");
  is(db, "off", "SELECT pragma_hook('refresh')", "NULL");
  is(db, "off", "PRAGMA python_level", "none");
  closes(db, "off");
  unsetenv("PYUDF_PRAGMA");
}

static void fill(sqlite3 *db) {
  run(db,
      "PRAGMA python_level = 5; CREATE TABLE big(a INTEGER PRIMARY KEY, b);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE "
      "i<300)"
      " INSERT INTO big SELECT i, randomblob(5000) FROM n; PRAGMA python_level "
      "= 6;"
      "CREATE TEMP TABLE IF NOT EXISTS spill AS SELECT * FROM big; PRAGMA "
      "temp.python_level");
}

static void whole(sqlite3 *db, const char *what) {
  is(db, what, "PRAGMA integrity_check", "ok");
  is(db, what, "SELECT count(*)||' '||sum(length(b)) FROM big", "300 1500000");
  is(db, what, "PRAGMA python_level", "6");
  is(db, what, "PRAGMA python_execution_mode = thread", "thread");
}

static int copy(sqlite3 *to, sqlite3 *from) {
  sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
  int rc = backup == NULL ? SQLITE_ERROR : SQLITE_OK;
  char got[50];

  while (rc == SQLITE_OK) {
    rc = sqlite3_backup_step(backup, 30);
    query(from, "PRAGMA python_level", got, sizeof(got));
  }
  sqlite3_backup_finish(backup);
  return rc;
}

/* Prevents: pages lost or wrong where the file's methods changed hands in the middle of something. */
static void test_content(const char *what, const char *path) {
  static const char *const journals[] = {
      "wal", "delete", "truncate", "persist", "memory", "off", "wal"};
  sqlite3 *db = open_loaded(path), *peer = open_loaded(""),
          *memory = open_loaded(":memory:");
  char sql[300];
  size_t i;

  run(db, "PRAGMA cache_size = 10");
  fill(db);
  whole(db, what);
  run(db, "PRAGMA page_size = 1024; VACUUM");
  whole(db, what);
  run(db,
      "BEGIN; DELETE FROM big; PRAGMA python_level = 7; ROLLBACK; PRAGMA "
      "python_level = 6");
  whole(db, what);
  for (i = 0; i < sizeof(journals) / sizeof(*journals); i++) {
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode = %s; PRAGMA python_level = 6; UPDATE big "
             "SET b = randomblob(5000);"
             "PRAGMA wal_checkpoint(truncate); PRAGMA python_level; BEGIN; "
             "UPDATE big SET b = randomblob(5000);"
             "PRAGMA python_level; COMMIT",
             journals[i]);
    run(db, sql);
  }
  whole(db, what);
  run(peer, "PRAGMA python_level = 6");
  run(memory, "PRAGMA python_level = 6; PRAGMA page_size = 1024");
  ok(copy(peer, db) == SQLITE_DONE && copy(memory, db) == SQLITE_DONE,
     "%s: backup from it", what);
  whole(peer, "backup in a temporary database");
  whole(memory, "backup in memory");
  run(db, "DROP TABLE big");
  ok(copy(db, peer) == SQLITE_DONE, "%s: backup onto it", what);
  whole(db, what);
  run(db,
      "PRAGMA incremental_vacuum; PRAGMA optimize; PRAGMA locking_mode = "
      "exclusive; UPDATE big SET b = zeroblob(5000)");
  whole(db, what);
  closes(db, what);
  closes(peer, what);
  closes(memory, what);
}

/* Prevents: a database that sqlite3_serialize no longer knows as its own, and one that a deserialize unhooks. */
static void test_serialize(const char *what, const char *path) {
  sqlite3 *db = open_loaded(path);
  sqlite3_int64 size = 0;
  unsigned char *image;

  fill(db);
  image = sqlite3_serialize(db, "main", &size, 0);
  ok(image != NULL && size > 1500000, "%s: serialize", what);
  ok(sqlite3_deserialize(
         db, "main", image, size, size,
         SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) == 0,
     "%s: deserialize", what);
  whole(db, what);
  is(db, what, "SELECT pragma_hook('refresh')", "NULL");
  ok(sqlite3_serialize(db, "main", &size, SQLITE_SERIALIZE_NOCOPY) != NULL,
     "%s: serialize without a copy", what);
  whole(db, what);
  is(db, what, "SELECT pragma_hook('state')", "authorizer");
  closes(db, what);
}

static void test_attached(void) {
  static const char *const files[] = {"'aux.db'", "'wal.db'", "':memory:'",
                                      "''", "'file:ro.db?mode=memory'"};
  const char *path[] = {"main.db", ":memory:"};
  char sql[200];
  size_t i, j;

  for (j = 0; j < 2; j++) {
    sqlite3 *db = open_loaded(path[j]);
    run(db, "PRAGMA python_level = 8");
    for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
      snprintf(sql, sizeof(sql), "ATTACH %s AS aux", files[i]);
      run(db, sql);
      is(db, files[i], "PRAGMA aux.python_level", "8");
      is(db, files[i], "PRAGMA aux.python_nothing",
         "error: no setting python_nothing");
      run(db,
          "CREATE TABLE aux.x(a); INSERT INTO aux.x VALUES(1); SELECT "
          "pragma_hook('refresh'); DROP TABLE aux.x;"
          "SELECT pragma_hook('refresh'); PRAGMA aux.python_level; DETACH aux");
      is(db, files[i], "PRAGMA aux.python_level",
         "error: unknown database aux");
    }
    closes(db, "attached");
  }
}

struct host {
  int seen, pragmas, gone;
  int deny, deny_rc;
};

static int host_authorizer(void *arg, int code, const char *a, const char *b,
                           const char *c, const char *d) {
  struct host *host = arg;

  (void)a, (void)b, (void)c, (void)d;
  host->seen++;
  host->pragmas += code == SQLITE_PRAGMA;
  return code == host->deny ? host->deny_rc : SQLITE_OK;
}

static void host_sql(sqlite3 *db) {
  run(db,
      "CREATE TABLE IF NOT EXISTS h(a, b); INSERT INTO h VALUES(1, 2); SELECT "
      "a, b FROM h WHERE a = 1; PRAGMA python_level;"
      "DELETE FROM h; PRAGMA cache_size; DROP TABLE h");
}

/* Prevents: a host's authorizer that no longer sees or no longer decides. */
static void test_host_before(const char *what, const char *path) {
  struct host plain = {0}, host = {0};
  sqlite3 *db = open_plain(path, RW, NULL);

  sqlite3_set_authorizer(db, host_authorizer, &plain);
  host_sql(db);
  closes(db, what);
  db = open_plain(path, RW, NULL);
  sqlite3_set_authorizer(db, host_authorizer, &host);
  load(db);
  host_sql(db);
  ok(host.seen == plain.seen && host.pragmas == 2,
     "%s: the host's authorizer saw %d of %d", what, host.seen, plain.seen);
  is(db, what, "PRAGMA python_level = 2", "2");
  host.deny = SQLITE_ATTACH;
  host.deny_rc = SQLITE_DENY;
  is(db, what, "ATTACH 'aux.db' AS aux", "error: not authorized");
  host.deny = SQLITE_PRAGMA;
  is(db, what, "PRAGMA python_level = 3", "error: not authorized");
  host.deny_rc = SQLITE_IGNORE;
  is(db, what, "PRAGMA python_level = 4", "none");
  host.deny_rc = 99;
  is(db, what, "PRAGMA python_level = 5", "error: authorizer malfunction");
  host.deny = -1;
  is(db, what, "PRAGMA python_level", "2");
  run(db, "SELECT pragma_hook('end')");
  host.deny = SQLITE_ATTACH;
  host.deny_rc = SQLITE_DENY;
  is(db, what, "ATTACH 'aux.db' AS aux", "error: not authorized");
  is(db, what, "PRAGMA python_level", "none");
  closes(db, what);
}

/* Prevents: a host that sets its authorizer after us being overridden, or called after it unset it. */
static void test_host_after(const char *what, const char *path, int file) {
  struct host host = {0}, second = {0};
  sqlite3 *db = open_loaded(path);
  int seen;

  logged[0] = 0;
  sqlite3_set_authorizer(db, host_authorizer, &host);
  is(db, what, "PRAGMA python_level = 2", file ? "2" : "none");
  is(db, what, "SELECT pragma_hook('state')",
     file ? "file (no authorizer: the host replaced ours)"
          : "off: the host replaced ours");
  run(db, "SELECT pragma_hook('refresh')");
  ok(strstr(logged, "authorizer") != NULL, "%s: the log says so", what);
  is(db, what, "SELECT pragma_hook('state')",
     file ? "authorizer, file" : "authorizer");
  is(db, what, "PRAGMA python_level = 3", "3");
  is(db, what, "PRAGMA temp.python_level", "3");
  host.deny = SQLITE_ATTACH;
  host.deny_rc = SQLITE_DENY;
  is(db, what, "ATTACH 'aux.db' AS aux", "error: not authorized");
  sqlite3_set_authorizer(db, host_authorizer, &second);
  seen = host.seen;
  run(db, "SELECT pragma_hook('refresh'); SELECT pragma_hook('refresh')");
  is(db, what, "PRAGMA python_level", "3");
  ok(host.seen == seen && second.pragmas == 1,
     "%s: the host's second authorizer took over", what);
  sqlite3_set_authorizer(db, NULL, NULL);
  seen = second.seen;
  run(db, "SELECT pragma_hook('refresh')");
  is(db, what, "PRAGMA python_level", "3");
  ok(second.seen == seen, "%s: unset, it is not called", what);
  closes(db, what);
}

/* Prevents: use of a session that has ended, in a connection that has not. */
static void test_lifetime(void) {
  sqlite3_stmt *stmt = NULL;
  sqlite3 *db = open_loaded("life.db");

  run(db, "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)");
  sqlite3_prepare_v2(db, "SELECT pragma_hook('refresh') FROM t", -1, &stmt,
                     NULL);
  sqlite3_step(stmt);
  ok(sqlite3_close_v2(db) == SQLITE_OK, "closed with a statement open");
  ok(sqlite3_step(stmt) == SQLITE_ROW && sqlite3_step(stmt) == SQLITE_DONE,
     "which goes on");
  ok(sqlite3_finalize(stmt) == SQLITE_OK, "and ends");
  db = open_loaded("life.db");
  run(db, "SELECT pragma_hook('end'); INSERT INTO t VALUES(3)");
  is(db, "ended", "PRAGMA python_level", "none");
  is(db, "ended", "SELECT pragma_hook('state')", "off: no session");
  run(db, "SELECT pragma_hook('refresh')");
  load(db);
  is(db, "loaded again", "PRAGMA python_level", "1");
  is(db, "loaded again", "SELECT pragma_hook('state')", "authorizer, file");
  is(db, "loaded again", "SELECT sum(a) FROM t", "6");
  closes(db, "loaded again");
}

static double load_ms(void) {
  double best = 1e9;
  int i;

  for (i = 0; i < 20; i++) {
    sqlite3 *db = open_plain("file.db", RW, NULL);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    load(db);
    clock_gettime(CLOCK_MONOTONIC, &to);
    sqlite3_close(db);
    double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 +
                (double)(to.tv_nsec - from.tv_nsec) / 1e6;
    best = ms < best ? ms : best;
  }
  return best;
}

int main(int argc, char **argv) {
  double ms;

  pragma_start(argc, argv);
  test_kinds();
  test_ways();
  test_content("file", "content.db");
  test_content("memory", ":memory:");
  test_content("temporary", "");
  test_serialize("file", "serialize.db");
  test_serialize("memory", ":memory:");
  test_attached();
  test_host_before("host first, file", "host.db");
  test_host_before("host first, memory", ":memory:");
  test_host_after("host later, file", "host.db", 1);
  test_host_after("host later, memory", ":memory:", 0);
  test_lifetime();
  ms = load_ms();
  ok(ms < 2, "loads in %.3f ms", ms);
  return pragma_end();
}
