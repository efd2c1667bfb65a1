/* definition.c - what a session defined, and what came of it: see definition.h */
#include "definition.h"

#include <stdlib.h>
#include <string.h>

#include "codec.h"

void definition_values(const struct definition *definition,
                       struct value values[DEFINITION_FIELDS]) {
  values[0] = value_integer(definition->id);
  values[1] = value_integer(definition->kind);
  values[2] = value_integer(definition->reload);
  values[3] = value_text(definition->module);
  values[4] = value_text(definition->name);
  values[5] = value_text(definition->source);
  values[6] = value_text(definition->names);
  values[7] = value_text(definition->expect);
}

struct definition *definition_from_values(
    const struct value values[DEFINITION_FIELDS], struct err *err) {
  struct definition *definition = calloc(1, sizeof *definition);
  if (!definition) {
    err_nomem(err);
    return NULL;
  }
  definition->id = (uint32_t)values[0].integer;
  definition->kind = (uint32_t)values[1].integer;
  definition->reload = (uint32_t)values[2].integer;
  definition->module = value_strdup(&values[3]);
  definition->name = value_strdup(&values[4]);
  definition->source = value_strdup(&values[5]);
  definition->names = value_strdup(&values[6]);
  definition->expect = value_strdup(&values[7]);
  if (!definition->source) {
    definition_free(definition);
    err_set(err, ERR_SYSTEM, "a definition without source");
    return NULL;
  }
  return definition;
}

void definition_free(struct definition *definition) {
  if (!definition) return;
  free(definition->module);
  free(definition->name);
  free(definition->source);
  free(definition->names);
  free(definition->expect);
  free(definition);
}

/* What the fields of a row are, and between which numbers. */
static const struct {
  uint8_t type;
  int64_t least, most;
} fields_are[MANIFEST_FIELDS] = {
    {VALUE_TEXT, 0, 0},
    {VALUE_INTEGER, 0, UINT32_MAX},
    {VALUE_INTEGER, 0, UINT32_MAX},
    {VALUE_INTEGER, 0, FUNCTION_THREAD},
    {VALUE_INTEGER, 0, UINT32_MAX},
    {VALUE_INTEGER, INT32_MIN, INT32_MAX},
    {VALUE_INTEGER, -1, INT32_MAX},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_TEXT, 0, 0},
    {VALUE_INTEGER, 0, UINT32_MAX},
};

static int unreadable(struct err *err) {
  return err_set(err, ERR_SYSTEM, "a manifest that cannot be read");
}

/* One field; a TEXT as a new string in *text. */
static int field_decode(struct codec_reader *reader, int i, struct value *value,
                        char **text, struct err *err) {
  /* A streamed one has a length and no bytes. */
  if (codec_get(reader, value) || value->type != fields_are[i].type ||
      value->flags & VALUE_STREAMED) {
    return unreadable(err);
  }
  if (value->type == VALUE_INTEGER) {
    return value->integer < fields_are[i].least ||
                   value->integer > fields_are[i].most
               ? unreadable(err)
               : 0;
  }
  *text = value_strdup(value);
  if (!*text) return err_nomem(err);
  return strlen(*text) == value->len ? 0 : unreadable(err);
}

void function_spec_fini(struct function_spec *spec) {
  free(spec->name);
  free(spec->arguments);
  free(spec->result);
  free(spec->module);
  free(spec->source);
  free(spec->parameters);
  free(spec->columns);
  free(spec->ordered_by);
}

/* One row. */
static int spec_decode(struct codec_reader *reader, struct function_spec *spec,
                       struct err *err) {
  struct value v[MANIFEST_FIELDS];
  char *texts[MANIFEST_FIELDS] = {0};
  int rc = 0;
  for (int i = 0; i < MANIFEST_FIELDS && !rc; i++) {
    v[i] = value_null();
    rc = field_decode(reader, i, &v[i], &texts[i], err);
  }
  *spec = (struct function_spec){.name = texts[0],
                                 .arguments = texts[7],
                                 .result = texts[8],
                                 .module = texts[9],
                                 .source = texts[10],
                                 .parameters = texts[11],
                                 .columns = texts[12],
                                 .ordered_by = texts[13]};
  if (rc) {
    function_spec_fini(spec);
    return -1;
  }
  spec->kind = (uint32_t)v[1].integer;
  spec->flags = (uint32_t)v[2].integer;
  spec->mode = (uint32_t)v[3].integer;
  spec->timeout_ms = (uint32_t)v[4].integer;
  spec->min_args = (int32_t)v[5].integer;
  spec->max_args = (int32_t)v[6].integer;
  spec->row_estimate = (uint32_t)v[14].integer;
  return 0;
}

static int manifest_add(struct manifest *manifest, struct codec_reader *reader,
                        struct err *err) {
  if (manifest->count == MANIFEST_MAX) {
    return err_set(err, ERR_USAGE, "it defines more than %d functions",
                   MANIFEST_MAX);
  }
  struct function_spec *functions =
      realloc(manifest->functions, (manifest->count + 1) * sizeof *functions);
  if (!functions) return err_nomem(err);
  manifest->functions = functions;
  if (spec_decode(reader, &functions[manifest->count], err)) return -1;
  manifest->count++;
  return 0;
}

int manifest_decode(const void *data, uint64_t len, struct manifest **out,
                    struct err *err) {
  struct manifest *manifest = calloc(1, sizeof *manifest);
  if (!manifest) return err_nomem(err);
  struct codec_reader reader = {data, (const uint8_t *)data + len};
  while (reader.at < reader.end) {
    if (manifest_add(manifest, &reader, err)) {
      manifest_free(manifest);
      return -1;
    }
  }
  *out = manifest;
  return 0;
}

void manifest_free(struct manifest *manifest) {
  if (!manifest) return;
  for (uint32_t i = 0; i < manifest->count; i++) {
    function_spec_fini(&manifest->functions[i]);
  }
  free(manifest->functions);
  free(manifest);
}

char *manifest_names(const struct manifest *manifest) {
  struct buf names = {0};
  for (uint32_t i = 0; i < manifest->count; i++) {
    if (i) buf_add_text(&names, "\n");
    buf_add_text(&names, manifest->functions[i].name);
  }
  return buf_take(&names);
}
