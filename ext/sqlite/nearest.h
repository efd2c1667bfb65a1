/* nearest.h - the known name that is nearest to a mistyped one
**
** Used for "did you mean" in errors.
*/
#ifndef PYUDF_NEAREST_H
#define PYUDF_NEAREST_H

/* Starts as {wanted}, or {wanted, shared}. */
struct nearest {
  const char *wanted;
  unsigned shared;  /* bytes at the front that all names share: no likeness */
  const char *name; /* the best so far, borrowed; NULL with none near enough */
  unsigned distance;
};

/* Takes a known name into account. ASCII case does not matter. */
void nearest_offer(struct nearest *nearest, const char *known);

/* " (did you mean X?)", or "": a new string (malloc), NULL without memory. */
char *nearest_hint(const struct nearest *nearest);

#endif
