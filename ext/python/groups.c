/* groups.c - what a worker does about groups of aggregate functions: see groups.h */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

#include "group.h"

enum { GROUPS_MAX = 1 << 28 };

struct server_group {
  struct runtime_group
      *group;     /* NULL: there is none, or it could not be made */
  struct err err; /* what failed for it first */
};

int groups_has_no_reply(uint32_t type) {
  return type == WIRE_OPEN || type == WIRE_STEP || type == WIRE_INVERSE ||
         type == WIRE_MERGE || type == WIRE_FREE;
}

/* The group of that number; a new, empty one for the next. */
static struct server_group *find(struct server *server, uint32_t number) {
  if (number >= GROUPS_MAX) server_give_up();
  if (number >= server->group_count) {
    uint32_t count = number * 2 + 16;
    struct server_group *groups =
        realloc(server->groups, count * sizeof *groups);
    if (!groups) server_give_up();
    memset(groups + server->group_count, 0,
           (count - server->group_count) * sizeof *groups);
    server->groups = groups;
    server->group_count = count;
  }
  return &server->groups[number];
}

static void forget(struct server *server, struct server_group *group) {
  server->runtime->group_free(group->group);
  err_clear(&group->err);
  group->group = NULL;
}

/* All statements were interrupted: whose rows are here still has no use for them.
** The signal that says so to the one that runs may come too late for it. */
static int is_interrupted(struct server *server) {
  if (shm_alarm_get(server->shm.control, server->seq) != SHM_ALARM_INTERRUPT) {
    return 0;
  }
  server->alarm = SHM_ALARM_INTERRUPT;
  return 1;
}

/* The group has failed: an exception that the host had raised is told as what it
** is. In a child that the function has forked: its end. */
static void fail(struct server *server, struct server_group *group) {
  server_end_child(-1, &group->err);
  server_name_alarm(server, &group->err);
  shm_broken_add(server->shm.control);
}

static void serve_open(struct server *server, uint32_t number,
                       struct codec_reader *reader) {
  enum { DEFINITION, INDEX, WINDOWED, ARGC, FIELDS };
  struct value values[FIELDS];
  struct server_group *group = find(server, number);
  for (int i = 0; i < FIELDS; i++) {
    if (codec_get(reader, &values[i])) server_give_up();
  }
  wire_done(&server->wire);
  forget(server, group);
  group->group = server->runtime->group_new(
      server->space, (uint32_t)values[DEFINITION].integer,
      (uint32_t)values[INDEX].integer, values[WINDOWED].integer != 0,
      (uint32_t)values[ARGC].integer, &group->err);
  if (!group->group) {
    fail(server, group);
  } else {
    server_end_child(0, NULL);
  }
}

/* A row that comes or leaves, or the state of another group. */
static void serve_step(struct server *server, const struct wire_head *head,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct server_group *group = find(server, head->a);
  int failed = group->err.code || !group->group;
  if (!failed && is_interrupted(server)) {
    failed = 1;
    err_set(&group->err, ERR_INTERRUPT, "interrupted");
    fail(server, group);
  }
  struct err dropped = {.code = ERR_PYTHON};
  const struct callable *callable = group->group && head->type != WIRE_MERGE
                                        ? group_callable(group->group)
                                        : NULL;
  /* Of a group that has failed, rows are read and not run. */
  int rc = arguments_receive(server, reader, callable, &arguments,
                             failed ? &dropped : &group->err);
  if (failed) return;
  if (!rc && head->type == WIRE_MERGE) {
    if (arguments.count != 1) server_give_up();
    rc = group_merge_object(server->space, group->group, arguments.args[0],
                            &group->err);
    arguments_fini(&arguments);
  } else if (!rc) {
    rc = group_step_objects(server->space, group->group, arguments.args,
                            arguments.count, head->type == WIRE_INVERSE,
                            &group->err);
  }
  if (rc) {
    fail(server, group);
  } else {
    server_end_child(0, NULL);
  }
}

static int answer(struct server *server, struct runtime_group *group,
                  uint32_t type, struct value *result, struct err *err) {
  const struct runtime *runtime = server->runtime;
  switch (type) {
    case WIRE_CHECK:
      return 0;
    case WIRE_PART:
      return runtime->group_part(server->space, group, result, err);
    default:
      return runtime->group_value(server->space, group, type == WIRE_FINAL,
                                  result, err);
  }
}

/* A value, the state, or whether the group has failed. */
static void serve_value(struct server *server, const struct wire_head *head) {
  struct server_group *group = find(server, head->a);
  struct value result = value_null();
  int rc = group->err.code || !group->group ? -1 : 0;
  wire_done(&server->wire);
  if (rc && !group->err.code) {
    err_set(&group->err, ERR_SYSTEM, "no group %u", head->a);
  }
  if (!rc) {
    rc = answer(server, group->group, head->type, &result, &group->err);
  }
  server_reply(server, head->seq, rc, &result, &group->err);
  if (!rc && (result.flags & VALUE_HELD)) {
    server->runtime->release(server->space);
  }
}

int groups_serve(struct server *server, const struct wire_head *head,
                 struct codec_reader *reader) {
  switch (head->type) {
    case WIRE_OPEN:
      serve_open(server, head->a, reader);
      return 0;
    case WIRE_STEP:
    case WIRE_INVERSE:
    case WIRE_MERGE:
      serve_step(server, head, reader);
      return 0;
    case WIRE_VALUE:
    case WIRE_FINAL:
    case WIRE_CHECK:
    case WIRE_PART:
      serve_value(server, head);
      return 0;
    case WIRE_FREE:
      wire_done(&server->wire);
      forget(server, find(server, head->a));
      server_end_child(0, NULL);
      return 0;
    default:
      return -1;
  }
}

void groups_free(struct server *server) {
  for (uint32_t i = 0; i < server->group_count; i++) {
    forget(server, &server->groups[i]);
  }
  free(server->groups);
}
