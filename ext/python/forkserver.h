/* forkserver.h - the template's loop: forks workers, and sees them end */
#ifndef PYUDF_FORKSERVER_H
#define PYUDF_FORKSERVER_H

/* forkserver_prepare(): the first thing that the template does, before it
** imports what may take long: meets the host, and makes sure that this process
** ends with it. */
struct _object *forkserver_prepare(struct _object *module,
                                   struct _object *none);

/* forkserver(path): serves the host on CONTROL_FD until it is gone, and exits
** the process; returns only where it cannot start, with an exception set. In
** the workers that it forks it runs the worker's loop. `path`: see
** runtime.h, space_new. */
struct _object *forkserver_run(struct _object *module, struct _object *path);

#endif
