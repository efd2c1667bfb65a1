/* module.h - the extension module itself */
#ifndef PYUDF_MODULE_H
#define PYUDF_MODULE_H

#include "../base/err.h"

/* runtime.h's `start`. */
int module_start(const char *package_parent, int owned, struct err *err);

#endif
