/* define.c - python_define and its kin: see define.h
**
** HOW IT WORKS. The engine of the session's mode makes a definition and says in
** a manifest which functions came of it; a plan registers them. The definition
** is then in the program, from which the other engine, or a fresh worker, makes
** it again. Whatever fails takes the definition out of the program again.
*/
#include "define.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "plan.h"
#include "session.h"
#include "statement.h"

/* One of these functions at work. */
struct work {
  sqlite3_context *ctx;
  const char *function;
  struct session *session;
  struct plan plan;
  struct err err;
};

static void begin(struct work *work, sqlite3_context *ctx,
                  const char *function) {
  struct session *session = sqlite3_user_data(ctx);
  *work = (struct work){.ctx = ctx, .function = function, .session = session};
  statement_touch(ctx, session);
  session_enter(session);
  plan_init(&work->plan, session);
}

/* The result is the error, if there is one, else `result`, which is freed. */
static void end(struct work *work, char *result) {
  struct session *session = work->session;
  if (!work->err.code && !result) err_nomem(&work->err);
  if (work->err.code) {
    error_log_add(&session->errors, work->function, session->settings.mode,
                  &work->err);
    errors_result(work->ctx, "", work->function, &work->err);
  } else {
    sqlite3_result_text(work->ctx, result, -1, SQLITE_TRANSIENT);
  }
  free(result);
  plan_fini(&work->plan);
  session_leave(session);
}

/* Gives it id and serial, has it made and adds it to the program, with one ref
** for the caller. Takes the definition. */
static struct program_item *make(struct session *session,
                                 struct definition *definition,
                                 struct manifest **manifest, struct err *err) {
  struct program *program = &session->program;
  struct program_item *item = NULL;
  struct engine *engine = NULL;
  if (session->defining) {
    err_set(err, ERR_USAGE, "another definition is being made");
    goto done;
  }
  definition->id = program_free_id(program);
  definition->serial = program_next_serial(program);
  if (session_engine(session, session->settings.mode, &engine, err)) goto done;
  session->defining = 1;
  int rc = engine_define(engine, definition, manifest, err);
  session->defining = 0;
  if (rc) goto done;
  definition->expect = manifest_names(*manifest);
  item = calloc(1, sizeof *item);
  if (!item || !definition->expect || program_reserve(program, err)) {
    err_nomem(err);
    engine_forget(engine, definition->id);
    free(item);
    item = NULL;
    goto done;
  }
  item->definition = definition;
  definition = NULL;
  program_add(program, item);
done:
  if (!item) {
    manifest_free(*manifest);
    *manifest = NULL;
  }
  definition_free(definition);
  return item;
}

/* Makes a definition and puts it into the plan. The caller's ref goes to *item,
** also on failure. Takes the definition. */
static int make_and_plan(struct work *work, struct definition *definition,
                         struct program_item *replaces,
                         struct program_item **item) {
  struct manifest *manifest = NULL;
  *item = make(work->session, definition, &manifest, &work->err);
  if (!*item) return -1;
  int rc = -1;
  if (!manifest->count && !replaces) {
    err_set(&work->err, ERR_USAGE, "there is no function in it");
  } else {
    rc = plan_add(&work->plan, *item, manifest, replaces, &work->err);
  }
  manifest_free(manifest);
  return rc;
}

/* All that is planned comes true. Returns the names. */
static char *commit(struct work *work) {
  struct buf names = {0};
  if (plan_bind(&work->plan, &work->err)) return NULL;
  plan_names(&work->plan, &names);
  char *text = buf_take(&names);
  if (text) plan_commit(&work->plan);
  return text;
}

/* A definition of the arguments' texts, each NULL on failure; taken. */
static struct definition *definition_new(enum definition_kind kind, char *name,
                                         char *source, char *names) {
  struct definition *definition = calloc(1, sizeof *definition);
  if (!definition) {
    free(name);
    free(source);
    free(names);
    return NULL;
  }
  definition->kind = kind;
  definition->name = name;
  definition->source = source;
  definition->names = names;
  return definition;
}

/* The rest of python_define and python_import. */
static void define(struct work *work, struct definition *definition) {
  struct session *session = work->session;
  struct program_item *item = NULL;
  char *names = NULL;
  if (!definition) err_nomem(&work->err);
  if (work->err.code) {
    definition_free(definition);
  } else if (!make_and_plan(work, definition, NULL, &item)) {
    names = commit(work);
  }
  if (item) program_unref(&session->program, item);
  end(work, names);
}

/* python_define(source), python_define(name, source) */
void define_source(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct work work;
  begin(&work, ctx, "python_define");
  char *name = NULL;
  if (argc == 2) name = arguments_text(argv[0], "the name", &work.err);
  char *source = arguments_text(argv[argc - 1], "the source", &work.err);
  struct definition *definition = definition_new(
      argc == 2 ? DEFINITION_NAMED : DEFINITION_SOURCE, name, source, NULL);
  if (definition) {
    unsigned long long serial = program_next_serial(&work.session->program);
    if (asprintf(&definition->module, "python_define_%llu", serial) < 0) {
      definition->module = NULL;
      err_nomem(&work.err);
    }
  }
  define(&work, definition);
}

/* python_import(module), python_import(module, names) */
void define_import(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  struct work work;
  begin(&work, ctx, "python_import");
  char *names = NULL;
  char *module =
      arguments_module(arguments_text(argv[0], "the module", &work.err));
  if (argc == 2) names = arguments_text(argv[1], "the names", &work.err);
  define(&work, definition_new(DEFINITION_IMPORT, NULL, module, names));
}

/* The imports there are, with a ref each: new. */
static struct program_item **imports(struct program *program, uint32_t *count) {
  struct program_item **items = calloc(program->list.count + 1, sizeof *items);
  for (uint32_t i = 0; items && i < program->list.count; i++) {
    struct program_item *item = program->items[i];
    if (!item || !item->refs) continue;
    if (item->definition->kind != DEFINITION_IMPORT) continue;
    program_ref(item);
    items[(*count)++] = item;
  }
  return items;
}

/* The same import once more. */
static struct definition *again(const struct definition *definition) {
  char *source = strdup(definition->source);
  char *names = definition->names ? strdup(definition->names) : NULL;
  struct definition *copy =
      definition_new(DEFINITION_IMPORT, NULL, source, names);
  if (copy) copy->reload = 1;
  if (copy && (!source || (definition->names && !names))) {
    definition_free(copy);
    copy = NULL;
  }
  return copy;
}

/* python_reload() */
void define_reload(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  struct work work;
  begin(&work, ctx, "python_reload");
  struct program *program = &work.session->program;
  uint32_t count = 0;
  char *names = NULL;
  struct program_item **old = imports(program, &count);
  struct program_item **made = calloc(count + 1, sizeof *made);
  if (!old || !made) err_nomem(&work.err);
  for (uint32_t i = 0; i < count && !work.err.code; i++) {
    struct definition *definition = again(old[i]->definition);
    if (!definition) {
      err_nomem(&work.err);
    } else {
      make_and_plan(&work, definition, old[i], &made[i]);
    }
  }
  if (!work.err.code) names = commit(&work);
  for (uint32_t i = 0; i < count; i++) {
    if (made && made[i]) program_unref(program, made[i]);
    program_unref(program, old[i]);
  }
  free(made);
  free(old);
  end(&work, names);
}

/* python_drop(name) */
void define_drop(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  struct work work;
  begin(&work, ctx, "python_drop");
  char *name = arguments_text(argv[0], "the name", &work.err);
  if (name) registry_drop(&work.session->registry, name, &work.err);
  end(&work, name);
}
