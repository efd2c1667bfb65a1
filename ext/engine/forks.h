/* forks.h - has the host forked since?
**
** A child of the host's shares memory files and sockets with its parent, and
** must not use them: it starts afresh. What is global in the host is guarded by
** locks that a thread may have held which is not in the child.
*/
#ifndef PYUDF_FORKS_H
#define PYUDF_FORKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* A number that is another one in a forked child than in its parent, never 0.
** One load where nothing happened: the kernel marks the child by clearing a
** page. */
uint32_t forks_epoch(void);

/* A mutex that is free again in a forked child. */
struct forks_lock {
  pthread_mutex_t mutex;
  _Atomic uint32_t epoch; /* forks_epoch() of the process it was last used in */
};

#define FORKS_LOCK_INIT \
  { PTHREAD_MUTEX_INITIALIZER, 0 }

/* Locks. Returns 1 where what the lock guards is a parent's, once: it has to be
** reset then. */
int forks_lock_enter(struct forks_lock *lock);
void forks_lock_leave(struct forks_lock *lock);

#endif
