/* settings.h - the settings of one session
**
** Owns their values. session.c holds them; PRAGMA, python_settings and
** pragma_python_x read and set them here; the engines see engine_settings.
*/
#ifndef PYUDF_SETTINGS_H
#define PYUDF_SETTINGS_H

#include "../engine/engine.h"

enum setting_id {
  SETTING_EXECUTION_MODE,
  SETTING_EXECUTABLE,
  SETTING_PATH,
  SETTING_PRELOAD,
  SETTING_SYSTEM_ENV,
  SETTING_SPIN,
  SETTING_TIMEOUT,
  SETTING_MEMORY_LIMIT,
  SETTING_MAX_CALLS,
  SETTING_WORKERS,
  SETTING_BATCH_SIZE,
  SETTING_ON_CRASH,
  SETTING_ON_ERROR,
  SETTING_METRICS,
  SETTING_PROGRESS,
  SETTING_COUNT
};

enum { SETTING_WORKERS_MAX = 1000, SETTING_BATCH_MAX = 1000000 };

enum setting_source {
  SETTING_DEFAULT,
  SETTING_ENVIRONMENT,
  SETTING_PRAGMA,
  SETTING_UPDATE
};

struct setting {
  char *text; /* as it reads back */
  enum setting_source source;
  char *bad; /* the environment's value is none: the error of every use */
};

struct settings {
  struct engine_settings engine;
  enum engine_mode mode;
  int on_error_null;
  int on_crash_retry;
  int metrics;
  int progress;
  uint32_t batch_size;
  char spin_default[16], workers_default[16];
  struct setting items[SETTING_COUNT];
};

/* Defaults and the environment. A bad value there is no error yet: it is one
** at the first use, and never another value in silence. */
int settings_init(struct settings *settings, struct err *err);
void settings_fini(struct settings *settings);

/* 0, or -1 and the error of a bad value from the environment. */
int settings_check(const struct settings *settings, struct err *err);

/* The number of a setting (any case), or -1 and an error that names the
** nearest. */
int settings_find(const char *name, struct err *err);

/* Borrowed until it is set. NULL and err set for a bad one. */
const char *settings_get(const struct settings *settings, int id,
                         struct err *err);

/* All or nothing. value NULL: the default. */
int settings_set(struct settings *settings, int id, const char *value,
                 enum setting_source source, struct err *err);

const char *setting_name(int id);
const char *setting_help(int id);
const char *setting_default(const struct settings *settings, int id);
const char *setting_source_name(enum setting_source source);

#endif
