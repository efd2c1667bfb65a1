/* modes.h - the engines' constructors, for engine.c alone */
#ifndef PYUDF_MODES_H
#define PYUDF_MODES_H

#include "engine.h"

/* A new engine that has started nothing; NULL without memory. */
struct engine *process_new(const struct engine_host *host);
struct engine *thread_new(const struct engine_host *host);
struct engine *parallel_new(enum engine_mode mode, struct engine *first);

#endif
