/* oom.h - has the kernel run out of memory?
**
** A process that the kernel kills for memory ends by SIGKILL, as any that is
** killed; only a count tells one from the other.
*/
#ifndef PYUDF_OOM_H
#define PYUDF_OOM_H

#include <stdint.h>

/* How many processes the kernel has killed for memory: of this process's memory
** cgroup where that says, else of the machine. 0 where nothing says. */
uint64_t oom_kills(void);

/* The kernel is to take this process before others; without effect where it
** may not be said. */
void oom_volunteer(void);

#endif
