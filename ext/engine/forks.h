/* forks.h - has the host forked since?
**
** A child of the host's shares memory files and sockets with its parent, and
** must not use them: it starts afresh.
*/
#ifndef PYUDF_FORKS_H
#define PYUDF_FORKS_H

#include <stdint.h>

/* A number that is another one in a forked child than in its parent. One load
** where nothing happened: the kernel marks the child by clearing a page. */
uint32_t forks_epoch(void);

#endif
