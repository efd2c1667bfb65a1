/* template.h - the process that workers are forked from, seen from the host
**
** One template serves all sessions of the host that want the same Python, the
** same paths and the same preloads. It is started by the first of them that
** calls something, and ends with the last. All functions may be called from any
** thread.
*/
#ifndef PYUDF_TEMPLATE_H
#define PYUDF_TEMPLATE_H

#include <sys/types.h>

#include "../base/delay.h"
#include "../base/err.h"
#include "engine.h"

struct template;

/* The running template for the host's settings; starts one where there is
** none, which takes as long as Python takes. For template_put(). */
int template_get(const struct engine_host *host, struct template **out,
                 struct err *err);
void template_put(struct template *template);

/* A new worker, which gets both descriptors; they stay the caller's. */
int template_fork(struct template *template, const struct engine_host *host,
                  int shm_fd, int crash_fd, pid_t *pid, struct err *err);

/* Has a worker look at its alarm (shm_alarm_set). */
void template_alarm(struct template *template, pid_t pid);

/* Ends a worker at once, or after a grace in which it may end by itself. */
void template_kill(struct template *template, pid_t pid);
void template_retire(struct template *template, pid_t pid);

/* Whether it has had a processor: a worker gets what it is told that much later. */
struct delay template_delay(const struct template *template);

/* Ends one that does not do its work, with all its workers. */
void template_fail(struct template *template);

/* 0 once the template has died; template_get() then starts another. */
int template_alive(struct template *template);

#endif
