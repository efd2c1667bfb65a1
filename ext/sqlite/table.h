/* table.h - calls of table functions
*/
#ifndef PYUDF_TABLE_H
#define PYUDF_TABLE_H

#include "slot.h"

/* Registers the module of a slot whose nargs is SLOT_TABLE, unless the one that
** there is has the same columns and parameters. */
int table_bind(struct slot *slot, const struct function_spec *spec,
               struct err *err);

#endif
