/* modes.h - the engines' constructors, for engine.c alone */
#ifndef PYUDF_MODES_H
#define PYUDF_MODES_H

#include "engine.h"

/* A new engine that has started nothing; NULL without memory. */
struct engine *process_new(const struct engine_host *host);
struct engine *thread_new(const struct engine_host *host);
struct engine *parallel_new(struct pool *pool);

/* As engine_map_wait(): in thread mode nothing is ever on its way. */
void process_map_wait(struct engine *const *engines, uint32_t count,
                      uint32_t most_ms);

#endif
