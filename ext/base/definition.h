/* definition.h - what a session defined, and what came of it
**
** A definition is what one python_define or python_import said; making it, in
** an engine, gives a manifest: a row for every function that it registers. The
** session keeps its definitions, so that they can be made again in a fresh
** worker or in the other engine; a function is then known by the id of its
** definition and its index in the manifest, the same everywhere.
*/
#ifndef PYUDF_DEFINITION_H
#define PYUDF_DEFINITION_H

#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "value.h"

enum definition_kind {
  DEFINITION_SOURCE = 0, /* python_define(source) */
  DEFINITION_NAMED = 1,  /* python_define(name, source) */
  DEFINITION_IMPORT = 2  /* python_import(module[, names]) */
};

struct definition {
  uint32_t id;     /* small; used again once the definition is forgotten */
  uint32_t kind;   /* enum definition_kind */
  uint32_t reload; /* 1: import the module anew */
  uint64_t serial; /* grows with every definition of the session */
  char *module;    /* SOURCE, NAMED: the __name__ of the module that is made */
  char *name;      /* NAMED: the SQL name; else NULL */
  char *source;    /* source text; IMPORT: module, path or module:callable */
  char *names;     /* IMPORT: the pick, comma-separated, or NULL for all */
  char *expect;    /* made before: the manifest's names, one a line, in order;
                   ** making it again must give these. NULL the first time */
};

/* The fields as values: DEFINITION_FIELDS of them, borrowed. */
enum { DEFINITION_FIELDS = 8 };
void definition_values(const struct definition *definition,
                       struct value values[DEFINITION_FIELDS]);

/* A new definition (malloc) out of such values; NULL and err set where they are
** none. */
struct definition *definition_from_values(
    const struct value values[DEFINITION_FIELDS], struct err *err);

void definition_free(struct definition *definition);

enum function_kind {
  FUNCTION_SCALAR = 0,
  FUNCTION_AGGREGATE = 1,
  FUNCTION_WINDOW = 2,
  FUNCTION_TABLE = 3
};

enum function_flag {
  FUNCTION_DETERMINISTIC = 1,
  FUNCTION_DIRECT_ONLY = 2,
  FUNCTION_INNOCUOUS = 4,
  FUNCTION_NULL_CALL = 8, /* called with NULLs too; else NULL in, NULL out */
  FUNCTION_INVERSE = 16,  /* an aggregate that takes rows away one by one */
  FUNCTION_PARALLEL = 32, /* one whose rows are dealt to several workers */
  FUNCTION_BATCH = 64, /* a scalar one that gets columns: of one row, or more */
  FUNCTION_ASYNC = 128, /* one that awaits: several rows at once in a map */
  FUNCTION_NATIVE = 256 /* one that carries compiled code: native.h */
};

enum function_mode {
  FUNCTION_ANY = 0,
  FUNCTION_PROCESS = 1,
  FUNCTION_THREAD = 2
};

/* A manifest's row. Strings are malloc'ed and never NULL. */
struct function_spec {
  char *name;          /* SQL name, UTF-8 */
  uint32_t kind;       /* enum function_kind */
  uint32_t flags;      /* enum function_flag, or-ed */
  uint32_t mode;       /* enum function_mode: where it must run */
  uint32_t timeout_ms; /* longest call; 0: what the session says */
  int32_t min_args;
  int32_t max_args; /* -1: any number */
  char *arguments;  /* for humans: "s: str, n: int = 3" */
  char *result;     /* for humans: "str", or "" */
  char *module;     /* __module__ of the callable */
  char *source;     /* "slug.py:12", or "" */
  char *parameters; /* their names, one a line; "*name" takes the rest */
  char *columns;    /* of the result, "name\tTYPE" a line; "": one value */
  char *
      ordered_by; /* the columns its rows come ordered by, "name\tASC" a line */
  uint32_t row_estimate; /* rows of a call; 0: not said */
};

struct manifest {
  uint32_t count;
  struct function_spec *functions;
};

/* Manifests travel as MANIFEST_FIELDS values a function, in the order of struct
** function_spec, one after the other (codec.h). */
enum { MANIFEST_FIELDS = 15, MANIFEST_MAX = 10000 /* functions */ };

/* Whatever the bytes are. ERR_SYSTEM where they are no manifest. They may change
** meanwhile: each is looked at once. */
int manifest_decode(const void *data, uint64_t len, struct manifest **manifest,
                    struct err *err);
void manifest_free(struct manifest *manifest);

/* Frees the strings. */
void function_spec_fini(struct function_spec *spec);

/* The names, one a line: what definition.expect holds. New (malloc). */
char *manifest_names(const struct manifest *manifest);

#endif
