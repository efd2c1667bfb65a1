/* control.h - messages between a host and its template
**
** Over a SOCK_SEQPACKET pair: a message is sent and received whole, and may
** carry descriptors. What does not have to be fast goes here: forking a worker,
** killing one.
**
**   CONTROL_READY   template to host, once: Python and the preloads are up
**   CONTROL_FORK    host to template, with the two descriptors of CONTROL_FDS
**   CONTROL_FORKED  template to host: pid, or error (an errno) and pid 0; the
**                   seq is the request's, as the host may not have waited
**   CONTROL_KILL    host to template: SIGKILL for the worker pid; with pid 0 for
**                   the one that was forked for the CONTROL_FORK of that seq,
**                   which nobody waits for any more
**   CONTROL_ALARM   host to template: CONTROL_ALARM_SIGNAL for the worker pid,
**                   which then looks into the shared memory (shm_alarm_get)
**   CONTROL_RETIRE  host to template: the worker pid was told to quit; SIGKILL
**                   after CONTROL_GRACE_MS, or once CONTROL_RETIRED_MAX others
**                   were told later
**
** The host's end closing means: kill all workers, and exit.
*/
#ifndef PYUDF_CONTROL_H
#define PYUDF_CONTROL_H

#include <stdint.h>

#include "err.h"

enum control_type {
  CONTROL_READY = 1,
  CONTROL_FORK = 2,
  CONTROL_FORKED = 3,
  CONTROL_KILL = 4,
  CONTROL_RETIRE = 5,
  CONTROL_ALARM = 6
};

enum {
  CONTROL_FD = 3, /* the template's end, in the template */
  CONTROL_GRACE_MS = 1000,
  CONTROL_RETIRED_MAX = 64 /* processes that only end never pile up */
};

struct control {
  uint32_t type;
  int32_t pid;
  int32_t error;
  uint32_t seq;
};

/* Not one that functions are likely to use. Needs <signal.h>. */
#define CONTROL_ALARM_SIGNAL (SIGRTMAX - 1)

/* What a CONTROL_FORK carries. */
enum { CONTROL_FD_SHM, CONTROL_FD_CRASH, CONTROL_FDS };

/* Sends a message, with count (0 or CONTROL_FDS) descriptors. Waits where the
** peer has not read some hundreds of them, as long as the socket's SO_SNDTIMEO
** says. */
int control_send(int fd, const struct control *message, const int *fds,
                 int count, struct err *err);

/* Receives what is there or comes; never raises SIGPIPE. Descriptors that come
** are close-on-exec and the caller's, whatever is returned; those that did not
** come are -1. Returns 1, 0 where the peer is gone (or sent nothing, as a
** message), -1 on failure. */
int control_recv(int fd, struct control *message, int fds[CONTROL_FDS],
                 struct err *err);

#endif
