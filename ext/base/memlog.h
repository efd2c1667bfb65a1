/* memlog.h - what another process has to say, in a memory file of bounded size
**
** A template's words while it starts, a worker's last ones. Whoever writes is not
** trusted, and may write for ever: after MEMLOG_MAX bytes its writes fail.
*/
#ifndef PYUDF_MEMLOG_H
#define PYUDF_MEMLOG_H

#include <stddef.h>

#include "err.h"

enum { MEMLOG_MAX = 64 * 1024 };

/* A new one, close-on-exec. The writer gets the descriptor, or a copy. -1 and err
** set on failure. */
int memlog_open(const char *name, struct err *err);

/* The last bytes that were written, at most size - 1, NUL-terminated. Returns how
** many. */
size_t memlog_tail(int fd, char *text, size_t size);

/* The line of a Python's that says why it ended: its fatal error, else the last
** one. New (malloc), or NULL. */
char *memlog_words(int fd);

#endif
