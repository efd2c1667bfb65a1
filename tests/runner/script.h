/* script.h: a test file as lines; see script.c. */
#ifndef SQLTEST_SCRIPT_H
#define SQLTEST_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct script {
  struct text content;
  size_t next;        /* offset of the line after the current one */
  size_t line_number; /* of the current line, from 1 */
  char *line;         /* NUL-terminated, lives as long as the script */
  size_t line_len;
};

int script_open(struct script *script, const char *path, struct text *error);
bool script_next(struct script *script);
void script_close(struct script *script);

#endif
