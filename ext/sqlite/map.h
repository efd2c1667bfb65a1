/* map.h - python_map, the virtual table
*/
#ifndef PYUDF_MAP_H
#define PYUDF_MAP_H

#include "session.h"

/* Returns SQLite's code. */
int map_register(struct session *session);

#endif
