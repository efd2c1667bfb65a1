/* sqlite.h - SQLite as an extension sees it
**
** Included by every file here instead of sqlite3ext.h: declares the table of
** SQLite's functions that pyudf.c gets when it is loaded, and names what older
** headers lack.
*/
#ifndef PYUDF_SQLITE_H
#define PYUDF_SQLITE_H

#include <sqlite3ext.h>
#include <stdint.h>

SQLITE_EXTENSION_INIT3

/* 3.45: the function may call sqlite3_result_subtype(). Older versions look at
** no flag that they do not know. */
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

#endif
