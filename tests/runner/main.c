/*
 * main.c: sqltest, a runner for sqllogictest files on SQLite, with or without an extension. Options, and which file
 * runs in which mode. record.c describes the files, result.c how values look, vars.c the variables.
 *
 * Without --load and --mode it runs a foreign file as it is. With --load alone every file runs twice, once in each
 * execution mode, against the same expectations. Exits 0 if at least one record ran and all that ran passed.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

static const char main_usage[] = "usage: sqltest [option]... FILE...\n";

static const char main_help[] =
    "Runs sqllogictest files on SQLite and reports in TAP.\n"
    "\n"
    "  --load FILE       load this extension on every connection; each test "
    "file then\n"
    "                    runs twice, in both execution modes, unless --mode is "
    "given\n"
    "  --mode MODE       run in this execution mode only: thread or process\n"
    "  --db FILE         use this database, which is removed before each test "
    "file;\n"
    "                    default: one in memory for each connection\n"
    "  --encoding E      UTF-8, UTF-16le or UTF-16be, for new databases\n"
    "  --var NAME=VALUE  replace ${NAME} in SQL and in expected results; with "
    "at least\n"
    "                    one --var, ${TEST_DIR} is the directory of the test "
    "file\n"
    "  --help            this text\n"
    "\n"
    "Names for skipif and onlyif: sqlite, the execution mode, the encoding;\n"
    "with $PYUDF_SANITIZER=X also X-sanitizer and MODE/X-sanitizer.\n"
    "Exit status: 0 all passed, 1 something failed or nothing ran, 2 wrong "
    "usage.\n";

enum {
  MAIN_LOAD = 256,
  MAIN_MODE,
  MAIN_DB,
  MAIN_ENCODING,
  MAIN_VAR,
  MAIN_HELP
};

static const char *const main_modes[] = {"thread", "process", NULL};
static const char *const main_encodings[] = {"UTF-8", "UTF-16le", "UTF-16be",
                                             NULL};

/* The one of `choices` that is meant, or NULL and a message. */
static const char *main_choose(const char *option, const char *value,
                               const char *const *choices) {
  for (; *choices; choices++)
    if (!strcmp(value, *choices)) return *choices;
  fprintf(stderr, "sqltest: --%s cannot be %s; see --help\n", option, value);
  return NULL;
}

/* 0: go on; 1: --help was given; -1: wrong usage, said on standard error. */
static int main_options(int argc, char **argv, struct conn_config *config,
                        struct vars *vars) {
  static const struct option options[] = {
      {"load", required_argument, NULL, MAIN_LOAD},
      {"mode", required_argument, NULL, MAIN_MODE},
      {"db", required_argument, NULL, MAIN_DB},
      {"encoding", required_argument, NULL, MAIN_ENCODING},
      {"var", required_argument, NULL, MAIN_VAR},
      {"help", no_argument, NULL, MAIN_HELP},
      {NULL, 0, NULL, 0},
  };
  int option, bad = 0;

  while (!bad && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option == MAIN_LOAD) {
      config->load = optarg;
    } else if (option == MAIN_MODE) {
      bad = !(config->mode = main_choose("mode", optarg, main_modes));
    } else if (option == MAIN_DB) {
      config->db = optarg;
    } else if (option == MAIN_ENCODING) {
      bad =
          !(config->encoding = main_choose("encoding", optarg, main_encodings));
    } else if (option == MAIN_VAR) {
      bad = vars_add(vars, optarg);
      if (bad)
        fprintf(stderr, "sqltest: --var needs NAME=VALUE, not %s\n", optarg);
    } else if (option == MAIN_HELP) {
      return 1;
    } else {
      bad = 1;
    }
  }
  if (!bad && optind == argc) {
    fputs("sqltest: no FILE\n", stderr);
    bad = 1;
  }
  return bad ? -1 : 0;
}

static void main_run(const char *path, const struct conn_config *config,
                     struct vars *vars, struct tap *tap) {
  struct conn_config one = *config;

  if (config->mode || !config->load) {
    run_file(path, &one, vars, tap);
    return;
  }
  for (const char *const *mode = main_modes; *mode; mode++) {
    one.mode = *mode;
    run_file(path, &one, vars, tap);
  }
}

int main(int argc, char **argv) {
  struct conn_config config = {0};
  struct vars vars = {0};
  struct tap tap;
  int status = 1;
  int rc = main_options(argc, argv, &config, &vars);

  if (rc) {
    fputs(main_usage, rc < 0 ? stderr : stdout);
    if (rc > 0) fputs(main_help, stdout);
    status = rc < 0 ? 2 : 0;
    goto done;
  }
  tap_open(&tap, config.load != NULL);
  for (int i = optind; i < argc; i++) main_run(argv[i], &config, &vars, &tap);
  if (tap.failed == 0 && tap.ran == 0)
    tap_fail(&tap, "something ran", "no record ran\n");
  tap_close(&tap);
  status = tap.failed == 0 && !ferror(stdout) ? 0 : 1;
done:
  vars_fini(&vars);
  return status;
}
