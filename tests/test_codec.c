/* test_codec.c - values as bytes and back, definitions and manifests */
#include <stdlib.h>
#include <string.h>

#include "../ext/base/codec.h"
#include "../ext/base/definition.h"
#include "tap.h"

/* A value comes back changed, or the next one is not found behind it. */
static void test_round_trip(void) {
  static const char long_text[1000] = {'x', 0, (char)0xff};
  const struct value values[] = {
      value_null(),
      value_integer(0),
      value_integer(INT64_MIN),
      value_integer(INT64_MAX),
      value_real(-0.5),
      value_real(1.0 / 0.0),
      value_bytes(VALUE_TEXT, "", 0),
      value_bytes(VALUE_TEXT, "a", 1),
      value_bytes(VALUE_TEXT, "a\0b\xff", 4),
      value_bytes(VALUE_BLOB, "12345678", 8),
      value_bytes(VALUE_BLOB, long_text, sizeof long_text),
  };
  enum { COUNT = sizeof values / sizeof *values };
  struct buf buf = {0};
  for (int i = 0; i < COUNT; i++) codec_add(&buf, &values[i]);
  struct codec_reader reader = {(uint8_t *)buf.data,
                                (uint8_t *)buf.data + buf.len};
  for (int i = 0; i < COUNT; i++) {
    struct value got;
    int rc = codec_get(&reader, &got);
    int same =
        !rc && got.type == values[i].type && got.len == values[i].len &&
        (value_is_bytes(&got) ? !memcmp(got.data, values[i].data, got.len)
                              : got.integer == values[i].integer);
    ok(same, "value %d comes back", i);
  }
  ok(reader.at == reader.end, "nothing is left over");
  buf_fini(&buf);
}

/* A hostile length makes the reader leave its bytes. */
static void test_hostile(void) {
  _Alignas(8) uint8_t bytes[64];
  struct value value = value_bytes(VALUE_BLOB, "12345678", 8);
  struct value got;
  codec_put(bytes, &value);
  struct codec_reader reader = {bytes, bytes + 24};
  ok(!codec_get(&reader, &got) && got.len == 8, "the honest one is read");
  for (size_t cut = 0; cut < 24; cut++) {
    reader = (struct codec_reader){bytes, bytes + cut};
    if (!codec_get(&reader, &got)) break;
    if (cut == 23) ok(1, "every shorter one is refused");
  }
  const uint64_t lengths[] = {9, 17, 1u << 31, UINT64_MAX, UINT64_MAX - 7};
  int refused = 0;
  for (int i = 0; i < 5; i++) {
    memcpy(bytes + 8, &lengths[i], 8);
    reader = (struct codec_reader){bytes, bytes + 24};
    refused += codec_get(&reader, &got) != 0;
  }
  ok(refused == 5, "lengths over the end are refused (%d of 5)", refused);
  bytes[0] = 6;
  reader = (struct codec_reader){bytes, bytes + 24};
  ok(codec_get(&reader, &got) && codec_get_argument(&reader, &got),
     "an unknown type is refused");
}

/* A worker hands the host a pointer, or a set of rows. */
static void test_rows(void) {
  _Alignas(8) uint8_t bytes[CODEC_HEAD];
  struct value rows = value_bytes(VALUE_ROWS, NULL, 1000), got;
  struct codec_reader reader = {bytes, bytes + sizeof bytes};
  codec_put_head(bytes, &rows);
  ok(codec_get(&reader, &got) && codec_get_argument(&reader, &got),
     "rows that are not streamed are refused");
  rows.flags = VALUE_STREAMED;
  codec_put(bytes, &rows);
  ok(codec_get(&reader, &got), "rows are nothing that a worker may send");
  ok(!codec_get_argument(&reader, &got) && got.type == VALUE_ROWS &&
         got.len == 1000 && got.flags == VALUE_STREAMED && !got.data &&
         reader.at == reader.end,
     "and an argument");
  rows.len = UINT64_MAX;
  codec_put(bytes, &rows);
  reader.at = bytes;
  ok(codec_get_argument(&reader, &got), "but for a length that is none");
  reader.end = bytes + 8;
  ok(codec_get_argument(&reader, &got), "or half a head");
}

/* A field of a definition is lost or swapped on its way to a worker. */
static void test_definition(void) {
  char *text = strdup("text");
  struct definition from = {.id = 7,
                            .kind = DEFINITION_NAMED,
                            .reload = 1,
                            .module = text,
                            .name = NULL,
                            .source = text,
                            .names = NULL,
                            .expect = text};
  struct value values[DEFINITION_FIELDS];
  definition_values(&from, values);
  struct definition *to = definition_from_values(values, NULL);
  ok(to && to->id == 7 && to->kind == DEFINITION_NAMED && to->reload == 1 &&
         !strcmp(to->module, text) && !to->name && !strcmp(to->source, text) &&
         !to->names && !strcmp(to->expect, text),
     "a definition comes back");
  definition_free(to);
  values[5] = value_null();
  struct err err = {0};
  ok(!definition_from_values(values, &err) && err.code == ERR_SYSTEM,
     "a definition without source is refused");
  err_clear(&err);
  free(text);
}

static void test_manifest(void) {
  struct buf buf = {0};
  for (int i = 0; i < 2; i++) {
    const struct value row[MANIFEST_FIELDS] = {
        value_text(i ? "two" : "one"),
        value_integer(FUNCTION_SCALAR),
        value_integer(FUNCTION_DIRECT_ONLY),
        value_integer(FUNCTION_ANY),
        value_integer(0),
        value_integer(1),
        value_integer(-1),
        value_text("s"),
        value_text("str"),
        value_text("mod"),
        value_text("f.py:3"),
        value_text("s\n*rest"),
        value_text("a\tINTEGER\nb\t"),
        value_text("a\tASC"),
        value_integer(25)};
    for (int j = 0; j < MANIFEST_FIELDS; j++) codec_add(&buf, &row[j]);
  }
  struct manifest *manifest = NULL;
  struct err err = {0};
  ok(!manifest_decode(buf.data, buf.len, &manifest, &err) &&
         manifest->count == 2 && !strcmp(manifest->functions[1].name, "two") &&
         manifest->functions[1].max_args == -1 &&
         !strcmp(manifest->functions[0].source, "f.py:3") &&
         !strcmp(manifest->functions[1].parameters, "s\n*rest") &&
         !strcmp(manifest->functions[1].columns, "a\tINTEGER\nb\t") &&
         !strcmp(manifest->functions[1].ordered_by, "a\tASC") &&
         manifest->functions[1].row_estimate == 25,
     "a manifest comes back");
  char *names = manifest_names(manifest);
  ok(names && !strcmp(names, "one\ntwo"), "its names, one a line");
  free(names);
  manifest_free(manifest);
  manifest = NULL;
  ok(manifest_decode(buf.data, buf.len - 16, &manifest, &err) && !manifest,
     "half a row is refused");
  err_clear(&err);
  buf_fini(&buf);
  ok(!manifest_decode("", 0, &manifest, &err) && manifest->count == 0,
     "no rows are no error");
  manifest_free(manifest);
}

int main(void) {
  test_round_trip();
  test_hostile();
  test_rows();
  test_definition();
  test_manifest();
  return tap_done();
}
