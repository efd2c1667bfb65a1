/* group.h - groups of an aggregate function: their states
**
** A group's state is an object of the user's: an accumulator, an instance of a
** class with step() and finalize(), or, for a function of a whole group, the
** list of its rows. Rows come (step), in a moving window they leave again in the
** order in which they came (inverse), and the group has a value at any time.
**
** HOW IT WORKS. Where a row leaves and the function has no inverse, the rows are
** kept and the state is made anew out of those that are left when a value is
** wanted: only in windows, as whoever opens the group says (`windowed`).
**
** Everything here wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_GROUP_H
#define PYUDF_GROUP_H

#include "../base/runtime.h"
#include "call.h"
#include "py.h"

/* pyudf/_aggregate.py has the same numbers. */
enum aggregate_form {
  AGGREGATE_ACCUMULATOR = 0, /* PyFlink's: functions that get the state first */
  AGGREGATE_OBJECT = 1,      /* SQLite's: a class, its methods by their names */
  AGGREGATE_ROWS = 2         /* a function of all rows */
};

/* How an aggregate function is run. */
struct aggregate;

/* From the tuple that pyudf/_aggregate.py makes; NULL with a Python exception
** set. */
struct aggregate *aggregate_new(PyObject *how);

/* NULL-safe. */
void aggregate_unref(struct aggregate *aggregate);

/* Once a process. Returns 0, or -1 with a Python exception set. */
int group_start(void);

/* As group_step, with objects: args[-1] and args[-2] must be ours to use, and the
** references in args are taken, whatever comes. */
int group_step_objects(struct runtime_space *space, struct runtime_group *group,
                       PyObject **args, uint32_t argc, int inverse,
                       struct err *err);

/* As group_merge, with a bytes object, borrowed. */
int group_merge_object(struct runtime_space *space, struct runtime_group *group,
                       PyObject *packed, struct err *err);

/* What converts the group's arguments. */
const struct callable *group_callable(const struct runtime_group *group);

/* These are in the runtime's table. */
struct runtime_group *group_new(struct runtime_space *space,
                                uint32_t definition_id, uint32_t index,
                                int windowed, uint32_t argc, struct err *err);
int group_step(struct runtime_space *space, struct runtime_group *group,
               const struct value *argv, uint32_t argc, int inverse,
               struct err *err);
int group_value(struct runtime_space *space, struct runtime_group *group,
                int last, struct value *result, struct err *err);
int group_part(struct runtime_space *space, struct runtime_group *group,
               struct value *result, struct err *err);
int group_merge(struct runtime_space *space, struct runtime_group *group,
                const struct value *part, struct err *err);
void group_free(struct runtime_group *group);

#endif
