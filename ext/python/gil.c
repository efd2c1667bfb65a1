/* gil.c - taking and leaving the GIL from the host's threads: see gil.h
**
** HOW IT WORKS. PyGILState_Ensure makes a thread state where the thread has
** none, and PyGILState_Release destroys it with the last level. One level more
** than we need, taken the first time and never given back, keeps it alive;
** PyEval_SaveThread lets the GIL go all the same. When the thread ends, a
** pthread key's destructor gives that level back.
**
** What each level found is kept in a stack of bits, as the GIL may have been left
** by others in between: a function calls sqlite3's execute, which leaves the GIL,
** and SQLite calls us again on the same thread.
*/
#include "gil.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "py.h"

/* A level of SQL in Python in SQL takes kilobytes of the C stack: there are never
** so many. */
enum { LEVELS = 4096 };

/* One host thread. */
struct host_thread {
  size_t depth;
  pid_t pinned; /* the process that pinned a state; 0: none is */
  PyThreadState *state;
  uint64_t held[LEVELS / 64]; /* 1: the thread had the GIL at that level */
};

static __thread struct host_thread self;
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static int end_usable; /* 0 without a key: the state outlives its thread */

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
}

static void end_init(void) {
  end_usable = !pthread_key_create(&end_key, thread_end);
}

/* Makes a state for a thread that has none, and keeps it. */
static void pin(struct host_thread *thread) {
  PyGILState_Ensure();
  thread->state = PyEval_SaveThread();
  thread->pinned = getpid();
  pthread_once(&end_once, end_init);
  if (end_usable) pthread_setspecific(end_key, thread);
}

void gil_attach(void) {
  struct host_thread *thread = &self;
  if (!thread->pinned && !PyGILState_GetThisThreadState()) pin(thread);
  size_t level = thread->depth++ % LEVELS;
  uint64_t bit = UINT64_C(1) << level % 64;
  if (PyGILState_Ensure() == PyGILState_LOCKED) {
    thread->held[level / 64] |= bit;
  } else {
    thread->held[level / 64] &= ~bit;
  }
}

void gil_detach(void) {
  struct host_thread *thread = &self;
  size_t level = --thread->depth % LEVELS;
  int held = thread->held[level / 64] >> level % 64 & 1;
  PyGILState_Release(held ? PyGILState_LOCKED : PyGILState_UNLOCKED);
}

/* 1 where the thread is in importlib's own code: an exception there, behind the
** acquisition of a module's lock, would leave it locked (seen with 3.11), and
** whoever imports that module then waits for ever. In a module's body, which may
** not end, importlib sees to its locks. */
static int in_importlib(unsigned long thread) {
  static const char internal[] = "<frozen importlib";
  PyObject *get = PySys_GetObject("_current_frames");
  PyObject *frames = get ? PyObject_CallObject(get, NULL) : NULL;
  PyObject *ident = PyLong_FromUnsignedLong(thread);
  PyObject *frame =
      frames && ident ? PyDict_GetItemWithError(frames, ident) : NULL;
  PyObject *code = frame ? PyObject_GetAttrString(frame, "f_code") : NULL;
  PyObject *file = code ? PyObject_GetAttrString(code, "co_filename") : NULL;
  PyObject *text = file ? PyUnicode_EncodeFSDefault(file) : NULL;
  const char *name = text ? PyBytes_AsString(text) : NULL;
  int is = name && !strncmp(name, internal, sizeof internal - 1);
  PyErr_Clear();
  Py_XDECREF(text);
  Py_XDECREF(file);
  Py_XDECREF(code);
  Py_XDECREF(ident);
  Py_XDECREF(frames);
  return is;
}

int gil_may_raise(unsigned long thread) { return !in_importlib(thread); }

void gil_raise(unsigned long thread, enum runtime_raise what) {
  PyObject *const classes[] = {NULL, PyExc_KeyboardInterrupt,
                               PyExc_TimeoutError};
  PyThreadState_SetAsyncExc(thread, classes[what]);
}
