/* gil.h - taking and leaving the GIL from the host's threads
**
** A host thread that Python does not know gets a thread state once, which stays
** pinned to it: a state made for each call would be slow, and threading.local
** data and the like would die with it.
*/
#ifndef PYUDF_GIL_H
#define PYUDF_GIL_H

#include "../base/runtime.h"

/* runtime.h tells what these promise. Every attach is followed by a detach on
** the same thread. */
void gil_attach(void);
void gil_detach(void);

/* See runtime.h, may_raise and raise. */
int gil_may_raise(unsigned long thread);
void gil_raise(unsigned long thread, enum runtime_raise what);

#endif
