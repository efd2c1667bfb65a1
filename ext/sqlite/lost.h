/* lost.h - can a program that runs lose the rows of python_rows?
*/
#ifndef PYUDF_LOST_H
#define PYUDF_LOST_H

#include "session.h"

/* 1 where one can store or copy them as what they look like, a NULL, or tests
** them for it; also where its program is not to be had. Asked for once a
** statement, as long as no other one runs. */
int lost_possible(struct session *session);

#endif
