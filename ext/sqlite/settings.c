/* settings.c - the settings of one session: see settings.h */
#include "settings.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/buf.h"
#include "arguments.h"
#include "nearest.h"

#ifndef PYUDF_DEFAULT_PYTHON
#define PYUDF_DEFAULT_PYTHON "python3"
#endif

enum { SPIN_MAX_US = 1000000, SPIN_DEFAULT_US = 50 };

enum setting_type {
  TYPE_CHOICE, /* one of `choices` */
  TYPE_SWITCH, /* on, off and their other spellings */
  TYPE_COUNT,  /* `min` to `max` */
  TYPE_TEXT,   /* anything */
  TYPE_PATHS,  /* the same; relative paths are made absolute when it is set */
  TYPE_FILLED  /* anything but the empty text */
};

struct setting_spec {
  const char *name;
  enum setting_type type;
  const char *initial; /* NULL: known at run time */
  const char *choices[3];
  uint32_t min, max;
  int restarts;      /* the engines start anew when it changes */
  const char *alias; /* an environment variable that is looked at before */
  const char *accepts;
  const char *help;
};

static const struct setting_spec specs[SETTING_COUNT] = {
    [SETTING_EXECUTION_MODE] =
        {.name = "python_execution_mode",
         .type = TYPE_CHOICE,
         .initial = "process",
         .choices = {"process", "thread"},
         .accepts = "process or thread",
         .help = "where functions run: in worker processes, or in this one"},
    [SETTING_EXECUTABLE] =
        {.name = "python_executable",
         .type = TYPE_FILLED,
         .initial = PYUDF_DEFAULT_PYTHON,
         .restarts = 1,
         .alias = "PYUDF_PYTHON",
         .accepts = "the path of a Python",
         .help =
             "the Python that runs the functions, a virtual environment's too"},
    [SETTING_PATH] = {.name = "python_path",
                      .type = TYPE_PATHS,
                      .initial = "",
                      .restarts = 1,
                      .accepts = "directories with ':' between",
                      .help = "entries put before sys.path, with ':' between"},
    [SETTING_PRELOAD] = {.name = "python_preload",
                         .type = TYPE_TEXT,
                         .initial = "",
                         .restarts = 1,
                         .accepts = "module names with ',' between",
                         .help = "modules imported once, before workers are "
                                 "forked, with ',' between"},
    [SETTING_SYSTEM_ENV] = {.name = "python_system_env",
                            .type = TYPE_SWITCH,
                            .initial = "on",
                            .restarts = 1,
                            .accepts = "on or off",
                            .help = "whether workers inherit the environment"},
    [SETTING_SPIN] =
        {.name = "python_spin",
         .type = TYPE_COUNT,
         .max = SPIN_MAX_US,
         .accepts = "microseconds from 0 to 1000000",
         .help = "microseconds to spin for a worker's answer before sleeping"},
    [SETTING_TIMEOUT] = {.name = "python_timeout",
                         .type = TYPE_COUNT,
                         .initial = "0",
                         .max = INT32_MAX,
                         .accepts = "milliseconds from 0 (none) to 2147483647",
                         .help = "milliseconds that a call may take; 0: any"},
    [SETTING_MEMORY_LIMIT] =
        {.name = "python_memory_limit",
         .type = TYPE_COUNT,
         .initial = "0",
         .max = INT32_MAX,
         .restarts = 1,
         .accepts = "MiB from 0 (none) to 2147483647",
         .help = "MiB that a worker may map; 0: any; process mode only"},
    [SETTING_MAX_CALLS] =
        {.name = "python_max_calls",
         .type = TYPE_COUNT,
         .initial = "0",
         .max = INT32_MAX,
         .restarts = 1,
         .accepts = "a number from 0 (any) to 2147483647",
         .help = "calls after which a worker is replaced; 0: never; process "
                 "mode only"},
    [SETTING_WORKERS] = {.name = "python_workers",
                         .type = TYPE_COUNT,
                         .min = 1,
                         .max = SETTING_WORKERS_MAX,
                         .accepts = "a number from 1 to 1000",
                         .help =
                             "workers that this connection may have at a time"},
    [SETTING_BATCH_SIZE] = {.name = "python_batch_size",
                            .type = TYPE_COUNT,
                            .initial = "1000",
                            .min = 1,
                            .max = SETTING_BATCH_MAX,
                            .accepts = "a number from 1 to 1000000",
                            .help = "rows that a batch of python_map has at "
                                    "most; a batch function gets so many"},
    [SETTING_ON_CRASH] =
        {.name = "python_on_crash",
         .type = TYPE_CHOICE,
         .initial = "raise",
         .choices = {"raise", "retry"},
         .accepts = "raise or retry",
         .help =
             "what the death of a worker makes of a call: an error, or one "
             "more try in a fresh worker, if the function is deterministic"},
    [SETTING_ON_ERROR] =
        {.name = "python_on_error",
         .type = TYPE_CHOICE,
         .initial = "raise",
         .choices = {"raise", "null"},
         .accepts = "raise or null",
         .help = "what an exception in a function makes: an error, or NULL; "
                 "PRAGMA wants quotes: python_on_error = 'null'"},
    [SETTING_METRICS] = {.name = "python_metrics",
                         .type = TYPE_SWITCH,
                         .initial = "on",
                         .accepts = "on or off",
                         .help =
                             "whether the time spent in functions is sampled"},
    [SETTING_PROGRESS] =
        {.name = "python_progress",
         .type = TYPE_SWITCH,
         .initial = "off",
         .accepts = "on or off",
         .help = "whether a python_map that takes long says how far it is, "
                 "where standard error is a terminal"},
};

const char *setting_name(int id) { return specs[id].name; }

const char *setting_help(int id) { return specs[id].help; }

const char *setting_default(const struct settings *settings, int id) {
  if (specs[id].initial) return specs[id].initial;
  return id == SETTING_WORKERS ? settings->workers_default
                               : settings->spin_default;
}

const char *setting_source_name(enum setting_source source) {
  static const char *const names[] = {"default", "environment", "pragma",
                                      "update"};
  return names[source];
}

/* The value as it reads back, borrowed; NULL where it is not accepted. */
static const char *canonical(const struct setting_spec *spec, const char *value,
                             char number[16]) {
  static const char *const switches[][2] = {
      {"on", "on"}, {"off", "off"}, {"true", "on"}, {"false", "off"},
      {"1", "on"},  {"0", "off"},   {"yes", "on"},  {"no", "off"}};
  switch (spec->type) {
    case TYPE_CHOICE:
      for (int i = 0; spec->choices[i]; i++) {
        if (!strcasecmp(value, spec->choices[i])) return spec->choices[i];
      }
      return NULL;
    case TYPE_SWITCH:
      for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (!strcasecmp(value, switches[i][0])) return switches[i][1];
      }
      return NULL;
    case TYPE_COUNT: {
      if (!*value || strspn(value, "0123456789") != strlen(value)) return NULL;
      unsigned long long n = strtoull(value, NULL, 10);
      if (n < spec->min || n > spec->max) return NULL;
      snprintf(number, 16, "%llu", n);
      return number;
    }
    case TYPE_FILLED:
      return *value ? value : NULL;
    case TYPE_TEXT:
    case TYPE_PATHS:
      return value;
  }
  return NULL;
}

/* Relative to the directory that the host is in now, and not to a worker's. */
static char *absolute_paths(const char *text) {
  struct buf paths = {0};
  buf_add_text(&paths, "");
  for (;;) {
    size_t len = strcspn(text, ":");
    char *path = arguments_absolute(text, len);
    if (path) {
      buf_add_text(&paths, path);
    } else {
      paths.failed = 1;
    }
    free(path);
    text += len;
    if (!*text) return buf_take(&paths);
    buf_add_text(&paths, ":");
    text++;
  }
}

/* A new copy of an accepted value, as it is kept. */
static char *keep(const struct setting_spec *spec, const char *text) {
  return spec->type == TYPE_PATHS ? absolute_paths(text) : strdup(text);
}

static int refuse(const struct setting_spec *spec, const char *from,
                  const char *value, struct err *err) {
  struct nearest nearest = {.wanted = value};
  for (int i = 0; i < 3 && spec->choices[i]; i++) {
    nearest_offer(&nearest, spec->choices[i]);
  }
  char *hint = nearest_hint(&nearest);
  err_set(err, ERR_USAGE, "%s%s accepts %s, not '%.200s'%s", spec->name, from,
          spec->accepts, value, hint ? hint : "");
  free(hint);
  return -1;
}

/* What the texts mean. */
static void apply(struct settings *settings) {
  const struct setting *items = settings->items;
  struct engine_settings *engine = &settings->engine;
  settings->mode = strcmp(items[SETTING_EXECUTION_MODE].text, "thread")
                       ? ENGINE_PROCESS
                       : ENGINE_THREAD;
  settings->on_error_null = !strcmp(items[SETTING_ON_ERROR].text, "null");
  settings->on_crash_retry = !strcmp(items[SETTING_ON_CRASH].text, "retry");
  settings->metrics = !strcmp(items[SETTING_METRICS].text, "on");
  settings->progress = !strcmp(items[SETTING_PROGRESS].text, "on");
  settings->batch_size =
      (uint32_t)strtoul(items[SETTING_BATCH_SIZE].text, NULL, 10);
  engine->executable = items[SETTING_EXECUTABLE].text;
  engine->path = items[SETTING_PATH].text;
  engine->preload = items[SETTING_PRELOAD].text;
  engine->system_env = !strcmp(items[SETTING_SYSTEM_ENV].text, "on");
  engine->spin_us = (uint32_t)strtoul(items[SETTING_SPIN].text, NULL, 10);
  engine->memory_limit_mib =
      (uint32_t)strtoul(items[SETTING_MEMORY_LIMIT].text, NULL, 10);
  engine->max_calls =
      (uint32_t)strtoul(items[SETTING_MAX_CALLS].text, NULL, 10);
  engine->workers = (uint32_t)strtoul(items[SETTING_WORKERS].text, NULL, 10);
  engine->timeout_ms = (uint32_t)strtoul(items[SETTING_TIMEOUT].text, NULL, 10);
}

/* The environment's value for a setting and the variable's name; NULL where
** there is none, or an empty one. */
static const char *environment(const struct setting_spec *spec,
                               char variable[64]) {
  if (spec->alias) {
    const char *value = secure_getenv(spec->alias);
    snprintf(variable, 64, "%s", spec->alias);
    if (value && *value) return value;
  }
  snprintf(variable, 64, "PYUDF_%s", spec->name + strlen("python_"));
  for (char *p = variable; *p; p++) *p = (char)toupper((unsigned char)*p);
  const char *value = secure_getenv(variable);
  return value && *value ? value : NULL;
}

static int init_one(struct settings *settings, int id, struct err *err) {
  const struct setting_spec *spec = &specs[id];
  struct setting *setting = &settings->items[id];
  char variable[64], number[16], from[96];
  const char *value = environment(spec, variable);
  const char *text = setting_default(settings, id);
  if (value) {
    setting->source = SETTING_ENVIRONMENT;
    text = canonical(spec, value, number);
    if (!text) {
      struct err bad = {0};
      snprintf(from, sizeof from, " (from the environment's %s)", variable);
      refuse(spec, from, value, &bad);
      setting->bad = bad.text;
      bad.text = NULL;
      err_clear(&bad);
      if (!setting->bad) return err_nomem(err);
      text = value;
    }
  }
  setting->text = keep(spec, text);
  return setting->text ? 0 : err_nomem(err);
}

int settings_init(struct settings *settings, struct err *err) {
  cpu_set_t usable;
  int processors =
      sched_getaffinity(0, sizeof usable, &usable) ? 2 : CPU_COUNT(&usable);
  snprintf(settings->spin_default, sizeof settings->spin_default, "%d",
           processors == 1 ? 0 : SPIN_DEFAULT_US);
  snprintf(settings->workers_default, sizeof settings->workers_default, "%d",
           processors);
  for (int id = 0; id < SETTING_COUNT; id++) {
    if (init_one(settings, id, err)) return -1;
  }
  settings->engine.epoch = 1;
  apply(settings);
  return 0;
}

void settings_fini(struct settings *settings) {
  for (int id = 0; id < SETTING_COUNT; id++) {
    free(settings->items[id].text);
    free(settings->items[id].bad);
  }
}

int settings_check(const struct settings *settings, struct err *err) {
  for (int id = 0; id < SETTING_COUNT; id++) {
    if (!settings_get(settings, id, err)) return -1;
  }
  return 0;
}

int settings_find(const char *name, struct err *err) {
  struct nearest nearest = {.wanted = name, .shared = strlen("python_")};
  for (int id = 0; id < SETTING_COUNT; id++) {
    if (!strcasecmp(name, specs[id].name)) return id;
    nearest_offer(&nearest, specs[id].name);
  }
  char *hint = nearest_hint(&nearest);
  err_set(err, ERR_USAGE, "no such setting: %.200s%s", name, hint ? hint : "");
  free(hint);
  return -1;
}

const char *settings_get(const struct settings *settings, int id,
                         struct err *err) {
  const struct setting *setting = &settings->items[id];
  if (!setting->bad) return setting->text;
  err_set(err, ERR_USAGE, "%s", setting->bad);
  return NULL;
}

int settings_set(struct settings *settings, int id, const char *value,
                 enum setting_source source, struct err *err) {
  const struct setting_spec *spec = &specs[id];
  struct setting *setting = &settings->items[id];
  char number[16];
  const char *text =
      value ? canonical(spec, value, number) : setting_default(settings, id);
  if (!text) return refuse(spec, "", value, err);
  char *copy = keep(spec, text);
  if (!copy) return err_nomem(err);
  int changed = strcmp(copy, setting->text) != 0;
  free(setting->text);
  free(setting->bad);
  *setting = (struct setting){.text = copy,
                              .source = value ? source : SETTING_DEFAULT};
  if (changed && spec->restarts) settings->engine.epoch++;
  apply(settings);
  return 0;
}
