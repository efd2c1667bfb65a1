/* introspect.h - what a session shows of itself as tables
**
** python_settings, python_functions, python_errors, and pragma_python_x for each
** setting: eponymous virtual tables, registered from a table of tables.
*/
#ifndef PYUDF_INTROSPECT_H
#define PYUDF_INTROSPECT_H

#include "session.h"

/* Registers them all; each module takes a ref of the session. Returns SQLite's
** code. */
int introspect_register(struct session *session);

#endif
