/* maps.h - what a worker does about batches
**
** The other end is ext/engine/maps.c; map.c runs the function.
*/
#ifndef PYUDF_MAPS_H
#define PYUDF_MAPS_H

#include "server.h"

/* Serves a WIRE_MAP. */
void maps_serve(struct server *server, const struct wire_head *head,
                struct codec_reader *reader);

#endif
