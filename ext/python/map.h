/* map.h - running a function for every row of a batch
**
** Wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_MAP_H
#define PYUDF_MAP_H

#include "../base/runtime.h"

/* In the runtime's table. */
int map_batch(struct runtime_space *space, uint32_t definition_id,
              uint32_t index, const struct batch *in,
              const struct batch_options *options, struct buf *out,
              uint32_t *done, struct err *err);

#endif
