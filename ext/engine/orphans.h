/* orphans.h - templates that were told to end
**
** They are init's children, and this process's where it is init (a container's
** first program) or a subreaper: then nobody but us may know that they are to be
** waited for. Everything here wants the lock of template.c's list.
*/
#ifndef PYUDF_ORPHANS_H
#define PYUDF_ORPHANS_H

#include <sys/types.h>

/* Whether it is our child, to be asked as soon as it is there: it never becomes
** one later, and its number may be a child's of the host's then. */
int orphans_is_child(pid_t pid);

/* A child of ours that has just been told. */
void orphans_add(pid_t pid);

/* Waits for those that have ended, and for nobody else's children. */
void orphans_reap(void);

/* In a forked child: they are the parent's. */
void orphans_forget(void);

#endif
