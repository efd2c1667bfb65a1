/*
** File methods that answer PRAGMAs: for as long as a file is open (wrapped), or once (lent). Owns the wrapped files, the
** loans, and the lock under which methods are changed. Called by pragma.c, pragma_auth.c and, as file methods, by SQLite.
**
** HOW IT WORKS, a wrapped file. sqlite3_file.pMethods of an open file is pointed at a copy of its methods, of the size its
** iVersion has, in which xFileControl and xClose are ours. The copy belongs to the file: xClose puts the original methods
** back, frees the copy and closes. It is never taken off an open file before that, since with a shared cache another
** thread may be reading through it; when its hooks are gone it only passes on. A hook holds links to the files it answers
** for, a file links to its hooks; whichever ends first takes the link away, under the lock.
**
** Never wrapped: what a VFS we do not know opened (it may look at pMethods), and memdb, whose sqlite3_serialize and
** sqlite3_deserialize do look: with SQLITE_SERIALIZE_NOCOPY a wrapped one gives NULL (seen in 3.35 to 3.54).
**
** HOW IT WORKS, a loan. A file that is not wrapped, and that of a database in memory, which is never opened, gets methods
** between the authorizer and the file control that follows at once; they are taken back before anything is answered. No
** one else sees them: both happen in one sqlite3_prepare, which holds the mutexes of the connection and of its b-trees.
** One reader does not take these: sqlite3BtreeOpen, where it joins a shared cache, reads pMethods and may send
** SQLITE_FCNTL_PDB, under SQLITE_MUTEX_STATIC_OPEN only (read in 3.35 to 3.54; without this, 3.38 crashed). So a loan
** takes that mutex, but only tries: who has it may be waiting for our b-tree. Such a one cannot get to its reading before
** the loan ends. As it has not been seen to wait, all that the methods lent point to lives for ever, and they pass on
** what is no PRAGMA.
*/
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "pragma_hook.h"

SQLITE_EXTENSION_INIT3

struct file_wrap {
  sqlite3_io_methods methods; /* first: pMethods points here */
  const sqlite3_io_methods *original;
  struct pragma_hook
      *asker; /* set by the authorizer for the file control that follows */
  struct pragma_file_link *links;
};

/* In two lists: those of a file, those of a hook. */
struct pragma_file_link {
  struct file_wrap *wrap;
  struct pragma_hook *hook;
  struct pragma_file_link *next_of_wrap;
  struct pragma_file_link *next_of_hook;
};

/* Innermost: held with connection and b-tree mutexes taken, so under it none of SQLite's but the allocator's is waited for. */
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;

static struct pragma_hook *file_loans;

/* Nothing but a file control can reach a file while it is lent. */
static int loan_control(sqlite3_file *file, int op, void *arg);
static const sqlite3_io_methods loan_methods = {.iVersion = 1,
                                                .xFileControl = loan_control};

enum { FILE_TRIES = 120, FILE_TRIES_YIELD = 100, FILE_TRY_US = 50 };

/* Bytes of methods by iVersion. */
static const size_t file_methods_len[] = {
    0,
    offsetof(sqlite3_io_methods, xShmMap),
    offsetof(sqlite3_io_methods, xFetch),
    sizeof(sqlite3_io_methods),
};

static const char *const file_vfs_known[] = {
    "unix", "unix-none", "unix-dotfile", "unix-excl", "unix-namedsem"};

/* A store that another thread, in a shared cache, sees whole: pairs with SQLite's plain loads of pMethods. */
static void file_set_methods(sqlite3_file *file,
                             const sqlite3_io_methods *methods) {
  __atomic_store_n(&file->pMethods, methods, __ATOMIC_RELEASE);
}

static void link_remove(struct pragma_file_link *link) {
  struct pragma_file_link **at;

  for (at = &link->wrap->links; *at != link; at = &(*at)->next_of_wrap)
    ;
  *at = link->next_of_wrap;
  for (at = &link->hook->links; *at != link; at = &(*at)->next_of_hook)
    ;
  *at = link->next_of_hook;
  sqlite3_free(link);
}

/* Without memory the file has no such hook: the authorizer is still there, and the next refresh. */
static void link_add(struct file_wrap *wrap, struct pragma_hook *hook) {
  struct pragma_file_link *link;

  for (link = wrap->links; link != NULL; link = link->next_of_wrap)
    if (link->hook == hook) return;
  link = sqlite3_malloc(sizeof(*link));
  if (link == NULL) {
    hook->file_lost = 1;
    return;
  }
  link->wrap = wrap;
  link->hook = hook;
  link->next_of_wrap = wrap->links;
  link->next_of_hook = hook->links;
  wrap->links = hook->links = link;
}

static int file_close(sqlite3_file *file) {
  struct file_wrap *wrap = (struct file_wrap *)file->pMethods;
  const sqlite3_io_methods *original = wrap->original;

  pthread_mutex_lock(&file_lock);
  while (wrap->links != NULL) {
    wrap->links->hook->file_lost = 1;
    link_remove(wrap->links);
  }
  file_set_methods(file, original);
  pthread_mutex_unlock(&file_lock);
  sqlite3_free(wrap);
  return original->xClose(file);
}

/*
** Whose PRAGMA is it? With a shared cache the file has several connections, some without a hook: theirs is not ours to
** answer. The authorizer knows. Where it is not ours, the one that compiles now. The hook found cannot end meanwhile: that
** takes its connection's mutex, and this thread has it.
*/
static struct pragma_hook *file_asker(struct file_wrap *wrap, int *unsure) {
  struct pragma_hook *hook = NULL;
  struct pragma_file_link *link;

  *unsure = 0;
  pthread_mutex_lock(&file_lock);
  hook = wrap->asker;
  wrap->asker = NULL;
  for (link = wrap->links; link != NULL && hook == NULL;
       link = link->next_of_wrap) {
    /* Without a mutex another thread may be in that connection: looked at only where the file has no second hook. */
    if (link->hook->mutex == NULL && wrap->links->next_of_wrap != NULL &&
        sqlite3_threadsafe() != 0)
      *unsure = 1;
    else if (pragma_compiles(link->hook))
      hook = link->hook;
  }
  pthread_mutex_unlock(&file_lock);
  return hook;
}

static int file_refuse(char **args) {
  args[0] = sqlite3_mprintf(
      "%s: this file is shared by connections without mutexes;"
      " use UPDATE python_settings SET value=... WHERE name='%q'",
      args[1], args[1]);
  return SQLITE_ERROR;
}

static int file_control(sqlite3_file *file, int op, void *arg) {
  struct file_wrap *wrap = (struct file_wrap *)file->pMethods;

  if (op == SQLITE_FCNTL_PRAGMA && pragma_ours(((char **)arg)[1])) {
    int unsure;
    struct pragma_hook *hook = file_asker(wrap, &unsure);
    int rc = SQLITE_NOTFOUND;
    if (hook != NULL)
      rc = pragma_reply(hook, arg);
    else if (unsure)
      rc = file_refuse(arg);
    if (rc != SQLITE_NOTFOUND) return rc;
  }
  return wrap->original->xFileControl(file, op, arg);
}

static struct file_wrap *wrap_new(const sqlite3_io_methods *original) {
  struct file_wrap *wrap = sqlite3_malloc(sizeof(*wrap));

  if (wrap == NULL) return NULL;
  memset(wrap, 0, sizeof(*wrap));
  memcpy(&wrap->methods, original, file_methods_len[original->iVersion]);
  wrap->methods.xFileControl = file_control;
  wrap->methods.xClose = file_close;
  wrap->original = original;
  return wrap;
}

/* Wraps a file, or joins those that answer for it already. A database in memory has no methods. */
static void file_wrap(struct pragma_hook *hook, sqlite3_file *file) {
  const sqlite3_io_methods *methods;
  struct file_wrap *wrap = NULL;

  pthread_mutex_lock(&file_lock);
  methods = file->pMethods;
  if (methods == &loan_methods)
    hook->file_lost =
        1; /* to another connection of a shared cache, this very moment: at the next refresh */
  else if (methods != NULL && methods->xFileControl == file_control)
    wrap = (struct file_wrap *)methods;
  else if (methods != NULL && methods->iVersion >= 1 &&
           methods->iVersion <= 3 && (wrap = wrap_new(methods)) != NULL)
    file_set_methods(file, &wrap->methods);
  if (wrap != NULL) link_add(wrap, hook);
  pthread_mutex_unlock(&file_lock);
}

static void file_attach_schema(struct pragma_hook *hook, const char *schema) {
  sqlite3_vfs *vfs = NULL;
  sqlite3_file *file = NULL;
  size_t i;

  if (sqlite3_file_control(hook->db, schema, SQLITE_FCNTL_VFS_POINTER, &vfs) !=
          SQLITE_OK ||
      vfs == NULL)
    return;
  for (i = 0; strcmp(vfs->zName, file_vfs_known[i]) != 0;)
    if (++i == sizeof(file_vfs_known) / sizeof(*file_vfs_known)) return;
  if (sqlite3_file_control(hook->db, schema, SQLITE_FCNTL_FILE_POINTER,
                           &file) == SQLITE_OK &&
      file != NULL)
    file_wrap(hook, file);
}

/* The main database and, where SQLite can list them, the attached ones; the temporary one changes its file as it grows. */
void pragma_file_attach(struct pragma_hook *hook) {
  hook->file_lost = 0;
  file_attach_schema(hook, "main");
#if SQLITE_VERSION_NUMBER >= 3039000
  if (sqlite3_libversion_number() >= 3039000) {
    const char *schema;
    int i;
    for (i = 2; (schema = sqlite3_db_name(hook->db, i)) != NULL; i++)
      file_attach_schema(hook, schema);
  }
#endif
}

void pragma_file_detach(struct pragma_hook *hook) {
  pthread_mutex_lock(&file_lock);
  while (hook->links != NULL) link_remove(hook->links);
  pthread_mutex_unlock(&file_lock);
}

/* Under the lock. Gives the file its own methods again. */
static void loan_remove(struct pragma_hook *hook) {
  struct pragma_hook **at;

  for (at = &file_loans; *at != hook; at = &(*at)->lent_next)
    ;
  *at = hook->lent_next;
  file_set_methods(hook->lent_to, hook->lent_from);
  hook->lent_to = NULL;
}

static int loan_control(sqlite3_file *file, int op, void *arg) {
  const sqlite3_io_methods *methods;
  struct pragma_hook *hook;
  int rc = SQLITE_NOTFOUND;

  pthread_mutex_lock(&file_lock);
  for (hook = file_loans; hook != NULL && hook->lent_to != file;
       hook = hook->lent_next)
    ;
  methods = hook != NULL ? hook->lent_from : file->pMethods;
  if (hook != NULL && op == SQLITE_FCNTL_PRAGMA)
    loan_remove(hook);
  else
    hook = NULL;
  pthread_mutex_unlock(&file_lock);
  if (hook != NULL) {
    pragma_mutex_leave(hook->lent_mutex);
    rc = pragma_reply(hook, arg);
  }
  if (rc == SQLITE_NOTFOUND && methods != NULL && methods != &loan_methods)
    rc = methods->xFileControl(file, op, arg);
  return rc;
}

/* NULL where it was not got in a millisecond or two; see the top. */
static sqlite3_mutex *loan_mutex(void) {
  sqlite3_mutex *mutex;
  int i;

  if (sqlite3_threadsafe() == 0) return NULL;
  mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_OPEN);
  for (i = 0; i < FILE_TRIES; i++) {
    if (pragma_mutex_try(mutex) == SQLITE_OK) return mutex;
    if (i < FILE_TRIES_YIELD)
      sched_yield();
    else
      usleep(FILE_TRY_US);
  }
  return NULL;
}

void pragma_file_lend(struct pragma_hook *hook, sqlite3_file *file) {
  const sqlite3_io_methods *methods;
  sqlite3_mutex *mutex;

  pthread_mutex_lock(&file_lock);
  methods = file->pMethods;
  if (methods != NULL && methods->xFileControl == file_control)
    ((struct file_wrap *)methods)->asker = hook;
  pthread_mutex_unlock(&file_lock);
  if (methods != NULL && methods->xFileControl == file_control) return;

  mutex = loan_mutex();
  pthread_mutex_lock(&file_lock);
  hook->lent_mutex = mutex;
  hook->lent_from = file->pMethods;
  hook->lent_to = file;
  hook->lent_next = file_loans;
  file_loans = hook;
  file_set_methods(file, &loan_methods);
  pthread_mutex_unlock(&file_lock);
}

int pragma_file_loan_end(struct pragma_hook *hook) {
  int lent;

  pthread_mutex_lock(&file_lock);
  lent = hook->lent_to != NULL;
  if (lent) loan_remove(hook);
  pthread_mutex_unlock(&file_lock);
  if (lent) pragma_mutex_leave(hook->lent_mutex);
  return lent;
}
