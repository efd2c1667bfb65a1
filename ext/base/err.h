/* err.h - what went wrong, said once
**
** Below ext/sqlite/ a function returns 0 or -1 and fills a `struct err *` at
** the place where the failure is known. errors.c on the SQLite side turns it
** into SQLite's, error.c of the runtime turns Python's into it.
**
** The text is the same in both modes because both fill it with err_set() and
** both cut it at the same lengths.
*/
#ifndef PYUDF_ERR_H
#define PYUDF_ERR_H

#include <stddef.h>

/* The numbers are on the wire: append only. */
enum err_code {
  ERR_NONE = 0,
  ERR_PYTHON = 1,    /* an exception of Python's; `type` is its class */
  ERR_USAGE = 2,     /* the caller asked for something that cannot be */
  ERR_NOMEM = 3,     /* ours or MemoryError */
  ERR_TOOBIG = 4,    /* over SQLite's length limit */
  ERR_INTERRUPT = 5, /* sqlite3_interrupt() */
  ERR_TIMEOUT = 6,   /* the call's deadline passed */
  ERR_CRASH = 7,     /* the worker died */
  ERR_SYSTEM = 8,    /* the operating system refused something */
  ERR_OOM = 9        /* the worker died: the kernel killed it for memory */
};

enum {
  ERR_TEXT_MAX = 16 * 1024,     /* bytes of a text; longer ones end in "..." */
  ERR_TRACEBACK_MAX = 32 * 1024 /* bytes of a traceback; the middle goes */
};

/* Owns its strings (malloc). Starts as {0}; err_clear() frees. */
struct err {
  enum err_code code;
  int line;   /* in `file`, 0 where unknown */
  char *type; /* class of the exception, NULL where there is none */
  char *text; /* what failed; never NULL once code is set, but for no memory */
  char *file; /* where it was raised, NULL where unknown */
  char *traceback; /* all of it, NULL where there is none */
};

/* Fills an empty *err and returns -1, so that `return err_set(...)` reads well.
** An err that is already set keeps its first cause. err may be NULL. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ERR_NOMEM, with no allocation of its own. Returns -1. */
int err_nomem(struct err *err);

/* ERR_SYSTEM: "<what>: <strerror(errnum)>". Returns -1. */
int err_system(struct err *err, int errnum, const char *what);

/* The parts of an exception; each is copied and cut to its limit, may be NULL
** and need not be NUL-terminated. Returns -1. */
int err_set_exception(struct err *err, enum err_code code, const char *type,
                      const char *text, size_t text_len, const char *file,
                      int line, const char *traceback, size_t traceback_len);

/* Replaces the traceback. */
void err_set_traceback(struct err *err, const char *text, size_t len);

/* Takes from's content, leaving it empty; what *to held is freed. */
void err_take(struct err *to, struct err *from);

/* Frees the strings and makes it empty. NULL-safe. */
void err_clear(struct err *err);

/* "ValueError: bad input (slug.py:12)": a new string (malloc), NULL without
** memory. */
char *err_format(const struct err *err);

/* The code as a word: "python", "usage", "nomem", ... */
const char *err_code_name(enum err_code code);

#endif
