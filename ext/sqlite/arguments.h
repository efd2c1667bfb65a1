/* arguments.h - what users hand over: arguments of pyudf's own functions, paths
*/
#ifndef PYUDF_ARGUMENTS_H
#define PYUDF_ARGUMENTS_H

#include "../base/err.h"
#include "sqlite.h"

/* A new C string (malloc) of an argument that has to be text without NUL. NULL
** and an error naming it by `what` where it is none. */
char *arguments_text(sqlite3_value *value, const char *what, struct err *err);

/* A path (len bytes) that holds also where the working directory is another, as a
** worker's may be: new (malloc). Only a relative one changes, and not where the
** directory is unknown. NULL without memory. */
char *arguments_absolute(const char *path, size_t len);

/* What python_import imports: a relative path of a file (m.py, ./m.py:f) made
** absolute, all else as it is. Takes the text; NULL without memory. */
char *arguments_module(char *text);

#endif
