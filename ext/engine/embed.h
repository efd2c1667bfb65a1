/* embed.h - CPython in the host process
**
** For the thread engine. Where the host has Python up already, that one is
** used; else the chosen executable is asked where its libpython lies, which is
** loaded and initialised, once a process and for good. Knows no Python.h: all
** it needs is looked up by name.
*/
#ifndef PYUDF_EMBED_H
#define PYUDF_EMBED_H

#include "../base/err.h"
#include "../base/runtime.h"
#include "engine.h"

/* The runtime of this process; *owned is 1 where Python is ours and not the
** host's. A failure is not remembered: the next call tries again. */
int embed_runtime(const struct engine_host *host,
                  const struct runtime **runtime, int *owned, struct err *err);

/* 0 once the host has finalised its Python, or forked while ours was up: then
** no function of the runtime may be called any more. */
int embed_alive(void);

#endif
