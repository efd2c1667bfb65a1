/* gil.c - taking and leaving the GIL from the host's threads: see gil.h
**
** HOW IT WORKS. PyGILState_Ensure makes a thread state where the thread has
** none, and PyGILState_Release destroys it with the last level. One level more
** than we need, taken the first time and never given back, keeps it alive;
** PyEval_SaveThread lets the GIL go all the same. When the thread ends, a
** pthread key's destructor gives that level back.
**
** What each level found is kept in a stack, as the GIL may have been left by
** others in between: a function calls sqlite3's execute, which leaves the GIL,
** and SQLite calls us again on the same thread.
*/
#include "gil.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "py.h"

enum { LEVELS_INLINE = 64 };

/* One host thread. `levels` is `few` until that is not enough. */
struct host_thread {
  PyGILState_STATE *levels;
  size_t depth;
  size_t size;
  pid_t pinned; /* the process that pinned a state; 0: none is */
  PyThreadState *state;
  PyGILState_STATE few[LEVELS_INLINE];
};

static __thread struct host_thread self;
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static int
    end_usable; /* 0 where the process is out of keys: nothing is freed */

/* The pinned state, from a thread that is ending. glibc has emptied
** Python's own key by now, without calling anything (seen with 2.36), so
** that PyGILState_Ensure makes another state; ours is cleared under it and
** deleted after it, as deleting empties the key again. */
static void unpin(struct host_thread *thread) {
  PyGILState_STATE level = PyGILState_Ensure();
  if (PyGILState_GetThisThreadState() == thread->state) {
    PyGILState_Release(level);
    PyGILState_Release(PyGILState_UNLOCKED);
    return;
  }
  PyThreadState_Clear(thread->state);
  PyGILState_Release(level);
  PyThreadState_Delete(thread->state);
}

/* The host thread ends: its state goes. Not in a child that the host forked,
** where another thread may have held the GIL, and not once Python finalises,
** which ends any thread that asks for the GIL. */
static void thread_end(void *arg) {
  struct host_thread *thread = arg;
  if (thread->pinned == getpid() && Py_IsInitialized()) unpin(thread);
  thread->pinned = 0;
  if (thread->levels != thread->few) free(thread->levels);
  thread->levels = NULL;
  thread->size = 0;
}

static void end_init(void) {
  end_usable = !pthread_key_create(&end_key, thread_end);
}

static void watch_end(struct host_thread *thread) {
  pthread_once(&end_once, end_init);
  if (end_usable) pthread_setspecific(end_key, thread);
}

/* Makes a state for a thread that has none, and keeps it. */
static void pin(struct host_thread *thread) {
  PyGILState_Ensure();
  thread->state = PyEval_SaveThread();
  thread->pinned = getpid();
  watch_end(thread);
}

/* Room for one level more. Without memory for some bytes there is no going on:
** the caller is promised the GIL. */
static void grow(struct host_thread *thread) {
  if (!thread->levels) {
    thread->levels = thread->few;
    thread->size = LEVELS_INLINE;
    return;
  }
  size_t size = thread->size * 2;
  PyGILState_STATE *old = thread->levels == thread->few ? NULL : thread->levels;
  PyGILState_STATE *levels = realloc(old, size * sizeof *levels);
  if (!levels) abort();
  if (!old) {
    for (size_t i = 0; i < thread->depth; i++) levels[i] = thread->few[i];
    watch_end(thread);
  }
  thread->levels = levels;
  thread->size = size;
}

void gil_attach(void) {
  struct host_thread *thread = &self;
  if (!thread->pinned && !PyGILState_GetThisThreadState()) pin(thread);
  if (thread->depth == thread->size) grow(thread);
  thread->levels[thread->depth++] = PyGILState_Ensure();
}

void gil_detach(void) {
  struct host_thread *thread = &self;
  PyGILState_Release(thread->levels[--thread->depth]);
}

void gil_raise(unsigned long thread, enum runtime_raise what) {
  PyObject *const classes[] = {NULL, PyExc_KeyboardInterrupt,
                               PyExc_TimeoutError};
  PyThreadState_SetAsyncExc(thread, classes[what]);
}
