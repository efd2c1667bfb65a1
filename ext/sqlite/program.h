/* program.h - the definitions that a session has
**
** Owns them, in the order in which they were made, and their ids. What the
** engines make again in a fresh worker is program.list.
*/
#ifndef PYUDF_PROGRAM_H
#define PYUDF_PROGRAM_H

#include "../engine/engine.h"

/* One definition in the program. */
struct program_item {
  struct definition *definition;
  uint32_t refs;             /* its functions, and whoever is making it */
  uint32_t at;               /* its place in the program */
  int replaced;              /* by one that python_reload() made */
  struct program_item *next; /* of the dead */
};

struct program {
  struct engine_program list;
  struct program_item **items; /* in step with list.items, gaps and all */
  uint32_t *free_ids;          /* those that were used and are free again */
  uint32_t size;               /* room in all three */
  uint32_t gaps;
  uint32_t free_count;
  uint32_t ids;              /* ever used, from 0 */
  uint64_t last_serial;      /* of any definition ever made */
  struct program_item *dead; /* items without a ref */
};

/* Starts as {0}. */
void program_fini(struct program *program);

/* The serial that the next definition gets. */
uint64_t program_next_serial(const struct program *program);

/* A free id. It is taken once the definition is added. */
uint32_t program_free_id(const struct program *program);

/* Room for one more item, so that program_add() cannot fail. */
int program_reserve(struct program *program, struct err *err);

/* Takes a definition that has id and serial, with one ref; needs
** program_reserve(). */
struct program_item *program_add(struct program *program,
                                 struct program_item *item);

void program_ref(struct program_item *item);

/* The last one only marks the item: it stays in the program, and its id taken,
** until program_sweep(). */
void program_unref(struct program *program, struct program_item *item);

/* Takes the dead items away and frees them; calls forget for each, which may run
** code of the user's (close()) that adds definitions and lets others die, but must
** not sweep. Only while no engine works. */
void program_sweep(struct program *program,
                   void (*forget)(void *arg, uint32_t definition_id),
                   void *arg);

#endif
