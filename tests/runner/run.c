/*
 * run.c: runs a test file: fetches its records, executes each on its connection and reports it.
 *
 * A record that fails does not stop the file. A line that cannot be understood does, and so does a connection that
 * cannot be opened: whatever came after it would fail for that reason only.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "label.h"
#include "record.h"
#include "result.h"
#include "script.h"

enum { RUN_NAME_LEN = 100 };

enum { RUN_SANITIZER_LEN = 60 };

struct run {
  const char *path;
  const struct conn_config *config;
  struct vars *vars;
  struct tap *tap;
  struct record_names names;
  char sanitizer[RUN_SANITIZER_LEN]; /* "process/thread-sanitizer" */
  struct script script;
  struct record record;
  struct conn_set conns;
  struct label_table labels;
  struct result result;
  struct text name; /* of the current TAP line */
  struct text why;  /* diagnostics: empty as long as the record is good */
  struct text sql;  /* with variables replaced, likewise */
  struct text regex;
  struct text expected;
  const char **values; /* the expected values with variables replaced */
  size_t count;        /* records, skipped ones too */
};

static void run_name(struct run *run, size_t line, const char *kind) {
  text_clear(&run->name);
  text_append_string(&run->name, run->path);
  if (line) text_printf(&run->name, ":%zu", line);
  if (run->config->mode) text_printf(&run->name, " [%s]", run->config->mode);
  text_printf(&run->name, " %s", kind);
}

/* file.test:LINE kind: first line of the SQL */
static void run_record_name(struct run *run) {
  const struct record *record = &run->record;
  const char *sql = text_get(&record->sql);
  size_t len = strcspn(sql, "\n");

  run_name(run, record->line, record->word);
  if (!len) return;
  if (len > RUN_NAME_LEN)
    for (len = RUN_NAME_LEN;
         len > 0 && ((unsigned char)sql[len] & 0xc0) == 0x80; len--)
      ;
  text_append_string(&run->name, ": ");
  text_append(&run->name, sql, len);
}

static void run_report(struct run *run) {
  struct text diagnostics = {0};

  if (run->why.len == 0) {
    tap_ok(run->tap, run->name.data);
    return;
  }
  text_append_string(&diagnostics, run->path);
  if (run->record.line) text_printf(&diagnostics, ":%zu", run->record.line);
  text_printf(&diagnostics, ": %s", run->why.data);
  if (run->sql.len > 0) text_printf(&diagnostics, "SQL:\n%s\n", run->sql.data);
  tap_fail(run->tap, run->name.data, diagnostics.data);
  text_fini(&diagnostics);
}

/* A failure that belongs to no record. */
static void run_fail(struct run *run, size_t line, const char *kind) {
  run_name(run, line, kind);
  run->record.line = line;
  text_clear(&run->sql);
  run_report(run);
}

static const char *const *run_expand(struct run *run) {
  const struct record *record = &run->record;
  const char *p;

  text_clear(&run->sql);
  text_clear(&run->regex);
  if (!run->vars->on) {
    text_append(&run->sql, record->sql.data, record->sql.len);
    text_append(&run->regex, record->regex.data, record->regex.len);
    return record->expected;
  }
  vars_expand(run->vars, record->sql.data, false, &run->sql);
  vars_expand(run->vars, record->regex.data, true, &run->regex);
  text_clear(&run->expected);
  for (size_t i = 0; i < record->expected_count; i++) {
    vars_expand(run->vars, record->expected[i], false, &run->expected);
    text_append(&run->expected, "", 1);
  }
  run->values =
      text_allocate(run->values, record->expected_count * sizeof *run->values);
  p = run->expected.data;
  for (size_t i = 0; i < record->expected_count; i++, p += strlen(p) + 1)
    run->values[i] = p;
  return run->values;
}

static void run_statement(struct run *run, sqlite3 *db) {
  const struct record *record = &run->record;
  int before = sqlite3_total_changes(db);
  int rc = sqlite3_exec(db, run->sql.data, NULL, NULL, NULL);
  int changes = sqlite3_total_changes(db) == before ? 0 : sqlite3_changes(db);

  if (record->kind == RECORD_STATEMENT_ERROR) {
    if (rc == SQLITE_OK)
      text_append_string(&run->why,
                         "the statement succeeded, but should fail\n");
    else
      check_regex(run->regex.data, sqlite3_errmsg(db), &run->why);
  } else if (rc != SQLITE_OK) {
    text_printf(&run->why, "statement failed: %s\n", sqlite3_errmsg(db));
  } else if (record->kind == RECORD_STATEMENT_COUNT &&
             changes != record->number) {
    text_printf(&run->why, "wrong count of rows\nexpected: %lld\ngot: %d\n",
                record->number, changes);
  }
}

static void run_label(struct run *run, const char *const *values, size_t count,
                      const char *hash) {
  const struct label *first;
  char computed[33];

  if (!run->record.label) return;
  if (!hash) {
    result_hash(values, count, computed);
    hash = computed;
  }
  first = label_check(&run->labels, run->record.label, hash, run->record.line);
  if (first)
    text_printf(
        &run->why,
        "the result is not that of line %zu, which has the same label, %s\n",
        first->line, run->record.label);
}

static void run_query(struct run *run, sqlite3 *db,
                      const char *const *expected) {
  const struct record *record = &run->record;
  struct result *result = &run->result;

  if (result_query(result, db, run->sql.data, record->types, &run->why)) return;
  result_sort(result, record->sort, strlen(record->types));
  check_values(expected, record->expected_count, result->values, result->count,
               &run->why);
  run_label(run, result->values, result->count, NULL);
}

/* What is expected of a skipped query is still held against its label. */
static void run_skipped(struct run *run) {
  const struct record *record = &run->record;
  struct text reason = {0};
  const char *hash = NULL;
  size_t count;

  if (record->kind == RECORD_HALT || record->kind == RECORD_HASH_THRESHOLD)
    return;
  run->count++;
  run_record_name(run);
  if (record->kind == RECORD_QUERY && record->expected_count > 0) {
    if (!check_is_hash(record->expected, record->expected_count, &count, &hash))
      hash = NULL;
    run_label(run, record->expected, record->expected_count, hash);
  }
  text_printf(&reason, "%s %s", record->skip_word, record->skip_name);
  if (run->why.len > 0)
    run_report(run);
  else
    tap_skip(run->tap, run->name.data, reason.data);
  text_fini(&reason);
}

/* -1: the file cannot go on. */
static int run_record(struct run *run) {
  const struct record *record = &run->record;
  const char *const *expected = run_expand(run);
  const char *name = record->connection ? record->connection : "default";
  struct conn *conn = conn_set_get(&run->conns, name, &run->why);

  run->count++;
  run_record_name(run);
  if (conn) {
    run->tap->ran += record->kind != RECORD_REOPEN;
    if (record->kind == RECORD_REOPEN)
      conn_reopen(&run->conns, conn, &run->why);
    else if (record->kind == RECORD_QUERY)
      run_query(run, conn->db, expected);
    else
      run_statement(run, conn->db);
  }
  run_report(run);
  return conn && conn->db ? 0 : -1;
}

static void run_records(struct run *run) {
  int rc;

  for (;;) {
    text_clear(&run->why);
    rc = record_next(&run->record, &run->script, &run->names, &run->why);
    if (rc < 0) run_fail(run, run->record.line, "parse error");
    if (rc <= 0) break;
    if (run->record.skip_word) {
      run_skipped(run);
    } else if (run->record.kind == RECORD_HALT) {
      run->count++;
      run_name(run, run->record.line, "halt");
      tap_skip(run->tap, run->name.data, "the rest of the file");
      break;
    } else if (run->record.kind != RECORD_HASH_THRESHOLD && run_record(run)) {
      break;
    }
  }
  text_clear(&run->why);
  if (rc == 0 && run->count == 0) {
    text_append_string(&run->why, "no record in the file\n");
    run_fail(run, run->script.line_number, "end of file");
  }
}

/* Under a sanitizer: what does not go under it says so, in a mode or in both. */
static void run_names_sanitizer(struct run *run) {
  const char *name = getenv("PYUDF_SANITIZER");
  const char *mode = run->config->mode ? run->config->mode : "";

  if (!name || !*name) return;
  snprintf(run->sanitizer, sizeof run->sanitizer, "%s/%s-sanitizer", mode,
           name);
  run->names.names[run->names.count++] = run->sanitizer;
  run->names.names[run->names.count++] = run->sanitizer + strlen(mode) + 1;
}

static void run_names(struct run *run) {
  run->names.names[run->names.count++] = "sqlite";
  run->names.names[run->names.count++] =
      run->config->encoding ? run->config->encoding : "UTF-8";
  if (run->config->mode)
    run->names.names[run->names.count++] = run->config->mode;
  run_names_sanitizer(run);
}

static void run_fini(struct run *run) {
  script_close(&run->script);
  record_fini(&run->record);
  label_table_fini(&run->labels);
  result_fini(&run->result);
  text_fini(&run->name);
  text_fini(&run->why);
  text_fini(&run->sql);
  text_fini(&run->regex);
  text_fini(&run->expected);
  free(run->values);
}

/* Runs the file from a fresh database on, and reports to `tap`. */
void run_file(const char *path, const struct conn_config *config,
              struct vars *vars, struct tap *tap) {
  struct run run = {.path = path, .config = config, .vars = vars, .tap = tap};

  run_names(&run);
  text_clear(&run.why);
  if (script_open(&run.script, path, &run.why)) {
    run_fail(&run, 0, "read");
  } else if (vars_set_file(vars, path)) {
    text_append_string(&run.why, "cannot find the directory of the file\n");
    run_fail(&run, 0, "read");
  } else if (conn_set_init(&run.conns, config, &run.why)) {
    run_fail(&run, 0, "database");
  } else {
    run_records(&run);
    text_clear(&run.why);
    if (conn_set_fini(&run.conns, &run.why))
      run_fail(&run, run.script.line_number, "close");
  }
  run_fini(&run);
}
