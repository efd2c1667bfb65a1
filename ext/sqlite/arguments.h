/* arguments.h - arguments of pyudf's own functions
*/
#ifndef PYUDF_ARGUMENTS_H
#define PYUDF_ARGUMENTS_H

#include "../base/err.h"
#include "sqlite.h"

/* A new C string (malloc) of an argument that has to be text without NUL. NULL
** and an error naming it by `what` where it is none. */
char *arguments_text(sqlite3_value *value, const char *what, struct err *err);

#endif
