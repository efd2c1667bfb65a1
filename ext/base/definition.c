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

/* One row; returns -1 where the values are not of the row's types. */
static int spec_decode(const struct value v[MANIFEST_FIELDS],
                       struct function_spec *spec) {
  static const uint8_t types[MANIFEST_FIELDS] = {
      VALUE_TEXT,    VALUE_INTEGER, VALUE_INTEGER, VALUE_INTEGER,
      VALUE_INTEGER, VALUE_INTEGER, VALUE_INTEGER, VALUE_TEXT,
      VALUE_TEXT,    VALUE_TEXT,    VALUE_TEXT};
  for (int i = 0; i < MANIFEST_FIELDS; i++) {
    if (v[i].type != types[i]) return -1;
  }
  *spec = (struct function_spec){
      .name = value_strdup(&v[0]),
      .kind = (uint32_t)v[1].integer,
      .flags = (uint32_t)v[2].integer,
      .mode = (uint32_t)v[3].integer,
      .timeout_ms = (uint32_t)v[4].integer,
      .min_args = (int32_t)v[5].integer,
      .max_args = (int32_t)v[6].integer,
      .arguments = value_strdup(&v[7]),
      .result = value_strdup(&v[8]),
      .module = value_strdup(&v[9]),
      .source = value_strdup(&v[10]),
  };
  return spec->name && spec->arguments && spec->result && spec->module &&
                 spec->source
             ? 0
             : -1;
}

static int manifest_add(struct manifest *manifest,
                        const struct value fields[MANIFEST_FIELDS]) {
  struct function_spec *functions =
      realloc(manifest->functions, (manifest->count + 1) * sizeof *functions);
  if (!functions) return -1;
  manifest->functions = functions;
  functions[manifest->count] = (struct function_spec){0};
  return spec_decode(fields, &functions[manifest->count++]);
}

int manifest_decode(const void *data, uint64_t len, struct manifest **out,
                    struct err *err) {
  struct manifest *manifest = calloc(1, sizeof *manifest);
  if (!manifest) return err_nomem(err);
  struct codec_reader reader = {data, (const uint8_t *)data + len};
  while (reader.at < reader.end) {
    struct value fields[MANIFEST_FIELDS];
    int bad = 0;
    for (int i = 0; i < MANIFEST_FIELDS && !bad; i++) {
      bad = codec_get(&reader, &fields[i]);
    }
    if (bad || manifest_add(manifest, fields)) {
      manifest_free(manifest);
      return err_set(err, ERR_SYSTEM, "a manifest that cannot be read");
    }
  }
  *out = manifest;
  return 0;
}

void manifest_free(struct manifest *manifest) {
  if (!manifest) return;
  for (uint32_t i = 0; i < manifest->count; i++) {
    struct function_spec *spec = &manifest->functions[i];
    free(spec->name);
    free(spec->arguments);
    free(spec->result);
    free(spec->module);
    free(spec->source);
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
