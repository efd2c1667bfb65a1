/* host_forks.c - hosts that fork, and programs that they start
**
** A child has copies of the parent's connections, memory files and sockets.
** Whatever it does with them, the parent's worker and its state stay; and the
** parent's end leaves nothing behind that a child holds open.
*/
#include <spawn.h>
#include <sys/resource.h>

#include "host.h"

/* Waits for a child whose checks are its exit status. */
static void child_was_good(pid_t child, const char *what) {
  int status = -1;
  waitpid(child, &status, 0);
  ok(status == 0, "%s: %#x", what, (unsigned)status);
}

/* A child: its checks count as one. */
static pid_t fork_host(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    tap_failed = 0;
    alarm(60);
  }
  return pid;
}

_Noreturn static void child_ends(void) {
  fflush(stdout);
  _exit(tap_failed != 0);
}

/* In a child: what can be done where Python was up at the fork. In thread mode a
** thread that is not there may hold the GIL. */
static void use_in_child(sqlite3 *db) {
  if (!strcmp(ask(db, "PRAGMA python_execution_mode"), "thread")) {
    matches(db, "SELECT python_eval('1')",
            "this process was forked while Python was up in it");
    ask(db, "PRAGMA python_execution_mode=process");
  }
  works(db);
}

static void both_go_on(void) {
  sqlite3 *db = witness_open();
  pid_t child = fork_host();
  if (!child) {
    sqlite3 *own = open_db();
    use_in_child(own);
    close_db(own);
    child_ends();
  }
  works(db);
  child_was_good(child, "a connection of the child's own");
  witness_close(db);
}

static void child_uses_the_inherited(void) {
  sqlite3 *db = witness_open();
  pid_t child = fork_host();
  if (!child) {
    use_in_child(db);
    is(db, "SELECT tick()", "1"); /* a fresh worker's */
    close_db(db);
    child_ends();
  }
  child_was_good(child, "the inherited connection");
  witness_close(db);
}

static void child_closes_the_inherited(void) {
  sqlite3 *db = witness_open();
  pid_t child = fork_host();
  if (!child) {
    close_db(db);
    child_ends();
  }
  child_was_good(child, "closed");
  witness_close(db);
}

static void child_exits(void) {
  sqlite3 *db = witness_open();
  sqlite3_stmt *statement =
      prepare(db, "SELECT python_eval('1') UNION ALL SELECT python_eval('2')");
  next_is(statement, "1");
  for (int i = 0; i < 3; i++) {
    pid_t child = fork_host();
    if (!child) {
      if (i == 0) exit(0);
      if (i == 1) _exit(0);
      sqlite3_finalize(statement);
      exit(0);
    }
    child_was_good(child, "it exits");
  }
  next_is(statement, "2");
  next_is(statement, "done");
  sqlite3_finalize(statement);
  witness_close(db);
}

static void child_is_killed(void) {
  sqlite3 *db = witness_open();
  pid_t child = fork_host();
  if (!child) {
    sqlite3 *own = open_db();
    use_in_child(own);
    kill(getpid(), SIGKILL);
  }
  int status;
  waitpid(child, &status, 0);
  ok(status == SIGKILL, "it was killed: %#x", (unsigned)status);
  witness_close(db);
}

static void grandchildren(void) {
  sqlite3 *db = witness_open();
  pid_t child = fork_host();
  if (!child) {
    sqlite3 *own = open_db();
    use_in_child(own);
    pid_t grandchild = fork_host();
    if (!grandchild) {
      use_in_child(own);
      close_db(own);
      sqlite3 *another = open_db();
      use_in_child(another);
      close_db(another);
      close_db(db);
      child_ends();
    }
    child_was_good(grandchild, "the grandchild");
    works(own);
    close_db(own);
    child_ends();
  }
  child_was_good(child, "the child");
  witness_close(db);
}

/* Python takes the GIL with it into no child. */
static void *busy(void *db) {
  ask(db, "SELECT python_eval('sum(1 for i in range(10**8))')");
  return NULL;
}

static void forks_in_python(void) {
  sqlite3 *db = witness_open(), *other = open_db();
  pthread_t thread;
  pthread_create(&thread, NULL, busy, other);
  pause_ms(300);
  pid_t child = fork_host();
  if (!child) {
    sqlite3 *own = open_db();
    use_in_child(own);
    close_db(own);
    child_ends();
  }
  child_was_good(child, "forked while a thread was in Python");
  sqlite3_interrupt(other);
  pthread_join(thread, NULL);
  close_db(other);
  witness_close(db);
}

/* A thread waits for Python to come up while another one forks: the locks that it
** holds are free in the child. */
static void *start_slowly(void *db) {
  char text[ASKED];
  ok(!strcmp(ask_in(db, "SELECT python_eval('7')", text), "7"), "%s", text);
  return NULL;
}

static void forks_while_starting(void) {
  write_file(in_folder("pyudf_slow.py"), "import time\ntime.sleep(1)\n");
  setenv("PYUDF_PATH", folder, 1);
  setenv("PYUDF_PRELOAD", "pyudf_slow", 1);
  sqlite3 *db = open_db();
  pthread_t thread;
  pthread_create(&thread, NULL, start_slowly, db);
  pause_ms(300);
  pid_t child = fork_host();
  if (!child) {
    sqlite3 *own = open_db();
    ask(own, "PRAGMA python_execution_mode=process");
    works(own);
    close_db(own);
    child_ends();
  }
  child_was_good(child, "a child");
  pthread_join(thread, NULL);
  works(db);
  close_db(db);
}

/* A child holds the sockets open: the parent's end of them must close all the
** same. */
static void parent_closes_first(void) {
  sqlite3 *db = open_db();
  works(db);
  long template = !strcmp(mode, "process") ? template_of(db) : 0;
  long worker = !strcmp(mode, "process") ? worker_of(db) : 0;
  pid_t child = fork_host();
  if (!child) {
    pause();
    _exit(0);
  }
  close_db(db);
  if (template) {
    ok(gone(worker), "the worker ends with its connection");
    ok(gone(template), "the template ends with its last connection");
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void parent_is_killed_first(void) {
  long template, worker;
  pid_t parent = fork_host(), child = 0;
  if (!parent) {
    sqlite3 *db = open_db();
    FILE *file = fopen(in_folder("pids.tmp"), "we");
    if (!strcmp(mode, "process")) {
      template = template_of(db);
      worker = worker_of(db);
    } else {
      works(db);
      template = worker = 1;
    }
    child = fork();
    if (!child) {
      pause();
      _exit(0);
    }
    fprintf(file, "%d %ld %ld\n", (int)child, template, worker);
    fclose(file);
    rename(in_folder("pids.tmp"), in_folder("pids"));
    kill(getpid(), SIGKILL);
  }
  waitpid(parent, NULL, 0);
  FILE *file = fopen(in_folder("pids"), "re");
  int got = file ? fscanf(file, "%d %ld %ld", &child, &template, &worker) : 0;
  if (file) fclose(file);
  ok(got == 3, "it was killed");
  if (!strcmp(mode, "process"))
    ok(gone(template) && gone(worker), "with its template and worker");
  if (got == 3) kill(child, SIGKILL);
}

/* Programs that the host starts meanwhile see nothing of ours. */
static void starts_programs(void) {
  sqlite3 *db = witness_open();
  sqlite3_stmt *statement =
      prepare(db, "SELECT python_eval('1') UNION ALL SELECT python_eval('2')");
  next_is(statement, "1");
  char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                  (char *)(uintptr_t)
                  /* What pyudf opens; the folder may well be named so. */
                  "for fd in /proc/$$/fd/*; do readlink $fd; done | grep "
                  "-e memfd -e socket -e anon_inode -e 'pyudf[.]so' "
                  "-e _runtime && exit 1; exit 0",
                  NULL};
  pid_t pid;
  ok(!posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), "posix_spawn");
  child_was_good(pid, "it has no descriptor of ours");
  pid = vfork();
  if (!pid) {
    execv("/bin/sh", argv);
    _exit(127);
  }
  child_was_good(pid, "after vfork, too");
  ok(!system("true"), "system");
  next_is(statement, "2");
  sqlite3_finalize(statement);
  witness_close(db);
}

static const struct host hosts[] = {
    {"the host forks, both go on", NOTHING, NOTHING, both_go_on, 0,
     NOT_SANITIZED},
    {"a child uses the inherited connection", NOTHING, NOTHING,
     child_uses_the_inherited, 0, 0},
    {"a child closes the inherited connection", NOTHING, NOTHING,
     child_closes_the_inherited, 0, 0},
    {"children exit with a statement open", NOTHING, NOTHING, child_exits, 0,
     0},
    {"a child is killed", NOTHING, NOTHING, child_is_killed, 0, 0},
    {"a child forks again", NOTHING, NOTHING, grandchildren, 0, NOT_SANITIZED},
    {"the host forks while a thread is in Python", NOTHING, NOTHING,
     forks_in_python, 0, NOT_SANITIZED},
    {"the host forks while Python starts", NOTHING, NOTHING,
     forks_while_starting, 0, COLD},
    {"the parent closes before its child ends", NOTHING, NOTHING,
     parent_closes_first, 0, 0},
    {"the parent is killed before its child ends", THE_HOST, THE_HOST,
     parent_is_killed_first, 0, COLD},
    {"the host starts programs", NOTHING, NOTHING, starts_programs, 0, 0},
};

HOSTS_MAIN(hosts)
