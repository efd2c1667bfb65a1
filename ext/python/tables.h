/* tables.h - what a worker does about calls of table functions */
#ifndef PYUDF_TABLES_PY_H
#define PYUDF_TABLES_PY_H

#include "server.h"

/* Serves a message about one; -1 where it is about something else. */
int tables_serve(struct server *server, const struct wire_head *head,
                 struct codec_reader *reader);

/* All of them, before the worker ends. */
void tables_free(struct server *server);

#endif
