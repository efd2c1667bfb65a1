/*
 * script.c: reads a test file whole and hands out its lines.
 *
 * Lines are cut in place, so that records can point to them as long as the script is open. A line may end in CR LF.
 * One that holds only white space is an empty one, as in SQLite's sqllogictest.
 */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int script_open(struct script *script, const char *path, struct text *error) {
  static char block[1 << 16];
  FILE *file;
  size_t len;
  int rc = -1;

  memset(script, 0, sizeof *script);
  file = fopen(path, "rb");
  if (file) {
    text_clear(&script->content);
    while ((len = fread(block, 1, sizeof block, file)) > 0)
      text_append(&script->content, block, len);
  }
  if (!file || ferror(file))
    text_printf(error, "cannot read %s: %s\n", path, strerror(errno));
  else if (memchr(script->content.data, 0, script->content.len))
    text_printf(error, "%s holds a NUL byte\n", path);
  else
    rc = 0;
  if (file) fclose(file);
  if (rc) script_close(script);
  return rc;
}

/* False at the end of the file; the current line is then empty. */
bool script_next(struct script *script) {
  char *start = script->content.data + script->next, *end;
  size_t len;

  script->line = start;
  script->line_len = 0;
  if (script->next >= script->content.len) return false;
  end = memchr(start, '\n', script->content.len - script->next);
  len = end ? (size_t)(end - start) : script->content.len - script->next;
  script->next += len + (end != NULL);
  script->line_number++;
  if (len > 0 && start[len - 1] == '\r') len--;
  for (size_t i = 0; i < len; i++) {
    if (!isspace((unsigned char)start[i])) {
      script->line_len = len;
      break;
    }
  }
  start[script->line_len] = 0;
  return true;
}

void script_close(struct script *script) { text_fini(&script->content); }
