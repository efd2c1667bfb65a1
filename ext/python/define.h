/* define.h - spaces, and making definitions in them
**
** pyudf/_session.py finds out what a definition registers; this turns it into
** the space's table of functions and the manifest. The functions are in the
** runtime's table (runtime.h) and want the GIL.
*/
#ifndef PYUDF_DEFINE_H
#define PYUDF_DEFINE_H

#include "call.h"

/* Takes what it needs of the package: once a process. Returns 0, or -1 with a
** Python exception set. */
int define_start(void);

struct runtime_space *define_space_new(const char *path, struct err *err);
void define_space_free(struct runtime_space *space);

int define_make(struct runtime_space *space,
                const struct definition *definition, struct buf *manifest,
                struct err *err);
void define_forget(struct runtime_space *space, uint32_t definition_id);

#endif
