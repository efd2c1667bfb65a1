/* nearest.c - the known name that is nearest to a mistyped one: see nearest.h */
#include "nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 256 }; /* longer names are nobody's typing mistake */

/* Insertions, deletions, replacements and swaps of neighbours that make one of
** the other. */
static unsigned distance(const char *a, const char *b) {
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len >= NAME_MAX_LEN || b_len >= NAME_MAX_LEN) return NAME_MAX_LEN;
  unsigned rows[3][NAME_MAX_LEN];
  for (unsigned j = 0; j <= b_len; j++) rows[0][j] = j;
  for (unsigned i = 1; i <= a_len; i++) {
    unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3];
    const unsigned *two_above = rows[(i + 1) % 3];
    row[0] = i;
    int here = tolower((unsigned char)a[i - 1]);
    for (unsigned j = 1; j <= b_len; j++) {
      int there = tolower((unsigned char)b[j - 1]);
      unsigned best = above[j - 1] + (here != there);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && here == tolower((unsigned char)b[j - 2]) &&
          tolower((unsigned char)a[i - 2]) == there &&
          two_above[j - 2] + 1 < best) {
        best = two_above[j - 2] + 1;
      }
      row[j] = best;
    }
  }
  return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *nearest, const char *known) {
  unsigned away = distance(nearest->wanted, known);
  size_t len = strlen(nearest->wanted);
  len -= len < nearest->shared ? len : nearest->shared;
  if (away > 1 + len / 3) return;
  if (nearest->name && away >= nearest->distance) return;
  nearest->name = known;
  nearest->distance = away;
}

char *nearest_hint(const struct nearest *nearest) {
  char *hint = NULL;
  if (!nearest->name) return strdup("");
  if (asprintf(&hint, " (did you mean %s?)", nearest->name) < 0) return NULL;
  return hint;
}
