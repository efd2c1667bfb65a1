/* native.c - calling compiled code by its address: see native.h */
#include "native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int64_t least, most; /* of the integers, as SQLite's can say them */
} types[NATIVE_TYPES] = {
    [NATIVE_BOOL] = {"bool", INT64_MIN, INT64_MAX},
    [NATIVE_INT8] = {"int8", INT8_MIN, INT8_MAX},
    [NATIVE_INT16] = {"int16", INT16_MIN, INT16_MAX},
    [NATIVE_INT32] = {"int32", INT32_MIN, INT32_MAX},
    [NATIVE_INT64] = {"int64", INT64_MIN, INT64_MAX},
    [NATIVE_UINT8] = {"uint8", 0, UINT8_MAX},
    [NATIVE_UINT16] = {"uint16", 0, UINT16_MAX},
    [NATIVE_UINT32] = {"uint32", 0, UINT32_MAX},
    [NATIVE_UINT64] = {"uint64", 0, INT64_MAX},
    [NATIVE_FLOAT] = {"float", 0, 0},
    [NATIVE_DOUBLE] = {"double", 0, 0},
};

int native_init(struct native *native) {
  uint32_t reals = 0, integers = native->tells;
  if (native->count > NATIVE_ARGS_MAX || native->result >= NATIVE_TYPES) {
    return -1;
  }
  for (uint32_t i = 0; i < native->count; i++) {
    if (native->types[i] >= NATIVE_TYPES) return -1;
    if (native_is_real(native->types[i])) {
      reals++;
    } else {
      integers++;
    }
  }
  native->integers = (uint8_t)integers;
  native->few = integers <= 2 && reals <= 2;
  if (!NATIVE_DIRECT || integers > NATIVE_INTEGERS || reals > NATIVE_REALS) {
    native->address = NULL;
  }
  return 0;
}

void native_fini(struct native *native) {
  free(native->names);
  native->names = NULL;
}

/* ---- errors ---- */

static int fail(struct err *err, const char *type, const char *text) {
  return err_set_exception(err, ERR_PYTHON, type, text, strlen(text), NULL, 0,
                           NULL, 0);
}

static __attribute__((cold, noinline)) int misfit(const struct native *native,
                                                  uint32_t i,
                                                  const struct value *value,
                                                  struct err *err) {
  static const char *const came[] = {"NULL", "INTEGER", "REAL", "TEXT", "BLOB"};
  uint8_t type = native->types[i];
  const char *name = native->names;
  char text[512];
  for (uint32_t skip = i; skip; skip--) name = strchr(name, '\n') + 1;
  int len = (int)strcspn(name, "\n");
  if (len > 255) len = 255;
  if (value->type == VALUE_INTEGER) {
    snprintf(text, sizeof text,
             "argument %u (%.*s): %lld is out of range of %s", i + 1, len, name,
             (long long)value->integer, types[type].name);
    return fail(err, "OverflowError", text);
  }
  snprintf(text, sizeof text, "argument %u (%.*s) must be %s for %s, not %s",
           i + 1, len, name, native_is_real(type) ? "a number" : "an INTEGER",
           types[type].name, came[value->type]);
  return fail(err, "TypeError", text);
}

static __attribute__((cold, noinline)) int miscount(const struct native *native,
                                                    uint32_t argc,
                                                    struct err *err) {
  return err_set(err, ERR_USAGE, "takes %u argument%s, got %u", native->count,
                 native->count == 1 ? "" : "s", argc);
}

/* ---- arguments ---- */

int native_fits(uint8_t type, int64_t integer) {
  return integer >= types[type].least && integer <= types[type].most;
}

double native_narrow(double number) {
  float narrow = (float)number;
  uint32_t half;
  memcpy(&half, &narrow, sizeof half);
  uint64_t bits = half;
  memcpy(&number, &bits, sizeof number);
  return number;
}

static int has_null(const struct value *argv, uint32_t argc) {
  for (uint32_t i = 0; i < argc; i++) {
    if (argv[i].type == VALUE_NULL) return 1;
  }
  return 0;
}

/* 1 where it does not fit. */
static inline int put(uint8_t type, const struct value *value,
                      struct native_registers *to) {
  if (value->type == VALUE_INTEGER) {
    return native_put_integer(type, value->integer, to);
  }
  return value->type != VALUE_REAL || native_put_real(type, value->real, to);
}

int native_check(const struct native *native, const struct value *argv,
                 uint32_t argc, struct err *err) {
  struct native_registers registers;
  if (argc != native->count) return miscount(native, argc, err);
  if (has_null(argv, argc)) return 1;
  for (uint32_t i = 0; i < argc; i++) {
    native_begin(native, &registers); /* there may be more than fit into it */
    if (put(native->types[i], &argv[i], &registers)) {
      return misfit(native, i, &argv[i], err);
    }
  }
  return 0;
}

/* ---- calls ---- */

typedef int64_t (*few_integer)(int64_t, int64_t, double, double);
typedef double (*few_real)(int64_t, int64_t, double, double);
typedef int64_t (*all_integer)(int64_t, int64_t, int64_t, int64_t, int64_t,
                               int64_t, double, double, double, double, double,
                               double, double, double);
typedef double (*all_real)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                           double, double, double, double, double, double,
                           double, double);

/* clang's -fsanitize=function compares the types of callers and callees. */
#ifdef __clang__
#define ANY_FUNCTION __attribute__((no_sanitize("function")))
#else
#define ANY_FUNCTION
#endif

#define FEW(i, r) i[0], i[1], r[0], r[1]
#define ALL(i, r)                                                         \
  i[0], i[1], i[2], i[3], i[4], i[5], r[0], r[1], r[2], r[3], r[4], r[5], \
      r[6], r[7]

static inline ANY_FUNCTION int64_t call_integer(const struct native *native,
                                                const int64_t *i,
                                                const double *r) {
  if (native->few) return ((few_integer)native->address)(FEW(i, r));
  return ((all_integer)native->address)(ALL(i, r));
}

static inline ANY_FUNCTION double call_real(const struct native *native,
                                            const int64_t *i, const double *r) {
  if (native->few) return ((few_real)native->address)(FEW(i, r));
  return ((all_real)native->address)(ALL(i, r));
}

static double float_out(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  uint32_t half = (uint32_t)bits;
  float narrow;
  memcpy(&narrow, &half, sizeof narrow);
  return (double)narrow;
}

/* The bits of the type as a number; 1 where SQLite has none such. */
static inline int integer_out(uint8_t type, int64_t bits, int64_t *integer) {
  switch (type) {
    case NATIVE_BOOL:
      *integer = (bits & 0xff) != 0;
      return 0;
    case NATIVE_INT8:
      *integer = (int8_t)bits;
      return 0;
    case NATIVE_INT16:
      *integer = (int16_t)bits;
      return 0;
    case NATIVE_INT32:
      *integer = (int32_t)bits;
      return 0;
    case NATIVE_UINT8:
      *integer = (uint8_t)bits;
      return 0;
    case NATIVE_UINT16:
      *integer = (uint16_t)bits;
      return 0;
    case NATIVE_UINT32:
      *integer = (uint32_t)bits;
      return 0;
    default:
      *integer = bits;
      return type == NATIVE_UINT64 && bits < 0;
  }
}

int native_too_big(int64_t bits, struct err *err) {
  char text[80];
  snprintf(text, sizeof text, "%llu does not fit into 64 bits",
           (unsigned long long)bits);
  return fail(err, "OverflowError", text);
}

int native_run(const struct native *native, struct native_registers *registers,
               struct value *result) {
  const int64_t *integers = registers->integers;
  const double *reals = registers->reals;
  const uint8_t type = native->result; /* what it runs may redefine it */
  if (native->tells) {
    registers->integers[registers->integer_count] =
        (int64_t)(intptr_t)&registers->told;
  }
  if (native_is_real(type)) {
    double number = call_real(native, integers, reals);
    if (type == NATIVE_FLOAT) number = float_out(number);
    value_set_real(result, number);
  } else {
    int64_t integer;
    int64_t bits = call_integer(native, integers, reals);
    int large = integer_out(type, bits, &integer);
    value_set_integer(result, integer);
    if (large && !registers->told) return -1;
  }
  return registers->told != 0;
}

int native_call(const struct native *native, const struct value *argv,
                uint32_t argc, struct value *result, struct err *err) {
  struct native_registers registers;
  if (argc != native->count) return miscount(native, argc, err);
  if (has_null(argv, argc)) {
    value_set_null(result);
    return 0;
  }
  native_begin(native, &registers);
  for (uint32_t i = 0; i < argc; i++) {
    if (put(native->types[i], &argv[i], &registers)) {
      return misfit(native, i, &argv[i], err);
    }
  }
  int rc = native_run(native, &registers, result);
  return rc < 0 ? native_too_big(result->integer, err) : rc;
}
