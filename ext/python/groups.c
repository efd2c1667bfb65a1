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
         type == WIRE_FREE;
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

/* The group has failed: an exception that the host had raised is told as what it
** is. In a child that the function has forked: its end. */
static void fail(struct server *server, struct server_group *group) {
  server_end_child(-1, &group->err);
  if (server->alarm) {
    group->err.code =
        server->alarm == SHM_ALARM_TIMEOUT ? ERR_TIMEOUT : ERR_INTERRUPT;
  }
  shm_broken_add(server->shm.control);
}

static void serve_open(struct server *server, uint32_t number,
                       struct codec_reader *reader) {
  enum { DEFINITION, INDEX, WINDOWED, FIELDS };
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
      &group->err);
  if (!group->group) {
    fail(server, group);
  } else {
    server_end_child(0, NULL);
  }
}

static void serve_step(struct server *server, uint32_t number, int inverse,
                       struct codec_reader *reader) {
  struct arguments arguments;
  struct server_group *group = find(server, number);
  int failed = group->err.code || !group->group;
  struct err dropped = {.code = ERR_PYTHON};
  const struct callable *callable =
      group->group ? group_callable(group->group) : NULL;
  /* Of a group that has failed, rows are read and not run. */
  int rc = arguments_receive(server, reader, callable, &arguments,
                             failed ? &dropped : &group->err);
  if (failed) return;
  if (!rc) {
    rc = group_step_objects(server->space, group->group, arguments.args,
                            arguments.count, inverse, &group->err);
  }
  if (rc) {
    fail(server, group);
  } else {
    server_end_child(0, NULL);
  }
}

/* A value, or whether there is one to be had. */
static void serve_value(struct server *server, const struct wire_head *head) {
  struct server_group *group = find(server, head->a);
  struct value result = value_null();
  int rc = group->err.code || !group->group ? -1 : 0;
  wire_done(&server->wire);
  if (rc && !group->err.code) {
    err_set(&group->err, ERR_SYSTEM, "no group %u", head->a);
  }
  if (!rc && head->type != WIRE_CHECK) {
    rc = server->runtime->group_value(server->space, group->group,
                                      head->type == WIRE_FINAL, &result,
                                      &group->err);
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
      serve_step(server, head->a, head->type == WIRE_INVERSE, reader);
      return 0;
    case WIRE_VALUE:
    case WIRE_FINAL:
    case WIRE_CHECK:
      serve_value(server, head);
      return 0;
    case WIRE_FREE:
      wire_done(&server->wire);
      forget(server, find(server, head->a));
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
