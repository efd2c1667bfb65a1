/* package.h - where the Python package pyudf lies
*/
#ifndef PYUDF_PACKAGE_H
#define PYUDF_PACKAGE_H

#include "../base/err.h"

/* Finds it, once a process: when the extension is loaded, while the working
** directory is still the one that a relative path was meant in. */
void package_find(void);

/* The directory that holds the package: absolute, for the process's life. NULL
** and err set where it was not found. */
const char *package_parent(struct err *err);

#endif
