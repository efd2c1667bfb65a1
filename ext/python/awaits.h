/* awaits.h - async functions: several rows of a batch await at once
**
** pyudf/_async.py runs them. Wants the GIL and leaves no Python exception set.
*/
#ifndef PYUDF_AWAITS_H
#define PYUDF_AWAITS_H

#include "../base/runtime.h"
#include "call.h"

/* runtime->map() for one. */
int awaits_map(struct runtime_space *space, const struct callable *callable,
               const struct batch *in, const struct batch_options *options,
               struct buf *out, uint32_t *done, struct err *err);

#endif
