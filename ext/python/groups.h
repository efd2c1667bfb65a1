/* groups.h - what a worker does about groups of aggregate functions
**
** The groups are known by the host's numbers for them. What fails for a group is
** kept until the host asks for something (wire.h).
*/
#ifndef PYUDF_GROUPS_H
#define PYUDF_GROUPS_H

#include "server.h"

/* 1 for a message that the host does not wait for. */
int groups_has_no_reply(uint32_t type);

/* Serves one message. Returns -1 where it is not about a group. */
int groups_serve(struct server *server, const struct wire_head *head,
                 struct codec_reader *reader);

/* All that there are. */
void groups_free(struct server *server);

#endif
