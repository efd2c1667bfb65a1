/* tablecall.h - a call of a table function
**
** SQL gives parameters by position, by name or not at all, so a call says which of
** them it has values for.
*/
#ifndef PYUDF_TABLECALL_H
#define PYUDF_TABLECALL_H

#include <stdint.h>

#include "value.h"

enum { TABLECALL_PARAMETERS = 128 };

/* Borrowed. */
struct tablecall {
  const struct value *argv; /* of the parameters that are given, in order */
  uint32_t argc;
  uint64_t given[TABLECALL_PARAMETERS / 64]; /* a bit for each of them */
  int quick;        /* 1: its rows are known to take little time */
  uint32_t columns; /* of the result, as SQL was told */
  uint64_t used; /* a bit for each column that will be looked at; the last one
                 ** for all from there on */
};

static inline int tablecall_has(const struct tablecall *call, uint32_t i) {
  return call->given[i / 64] >> i % 64 & 1;
}

static inline void tablecall_give(struct tablecall *call, uint32_t i) {
  call->given[i / 64] |= UINT64_C(1) << i % 64;
}

/* 1 where column i will be looked at. */
static inline int tablecall_uses(uint64_t used, uint32_t i) {
  return used >> (i < 63 ? i : 63) & 1;
}

#endif
