/* run.h: one test file in one mode; see run.c. */
#ifndef SQLTEST_RUN_H
#define SQLTEST_RUN_H

#include "conn.h"
#include "tap.h"
#include "vars.h"

void run_file(const char *path, const struct conn_config *config,
              struct vars *vars, struct tap *tap);

#endif
