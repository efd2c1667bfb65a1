/* serve.h - the worker's loop: requests in, replies out */
#ifndef PYUDF_SERVE_H
#define PYUDF_SERVE_H

/* Serves the host through the memory behind shm_fd until told to quit, and
** exits the process. Python's stack goes to crash_fd when a signal kills the
** process. `path`: see runtime.h, space_new. Called with the GIL, in a process
** fresh from fork(). */
_Noreturn void serve_run(int shm_fd, int crash_fd, const char *path);

/* alarm(): the handler of CONTROL_ALARM_SIGNAL calls it; raises TimeoutError or
** KeyboardInterrupt where the request under way is to end, else returns None. */
struct _object *serve_alarm(struct _object *module, struct _object *none);

#endif
