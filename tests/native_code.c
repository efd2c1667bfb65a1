/* native_code.c - compiled code for the tests of functions that carry some */
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static _Atomic int64_t calls;

#define SAME(name, type)                                           \
  __attribute__((visibility("default"))) type same_##name(type x); \
  type same_##name(type x) {                                       \
    calls++;                                                       \
    return x;                                                      \
  }
SAME(bool, bool)
SAME(int8, int8_t)
SAME(int16, int16_t)
SAME(int32, int32_t)
SAME(int64, int64_t)
SAME(uint8, uint8_t)
SAME(uint16, uint16_t)
SAME(uint32, uint32_t)
SAME(uint64, uint64_t)
SAME(float, float)
SAME(double, double)

#define CODE(type, name, ...)                                    \
  __attribute__((visibility("default"))) type name(__VA_ARGS__); \
  type name(__VA_ARGS__)

/* How often the functions above were called. */
CODE(int64_t, called, void) { return calls; }

CODE(int64_t, negative, int64_t x) { return -x; }

/* The low part of a register that holds more. */
CODE(int8_t, low8, int64_t x) { return (int8_t)x; }
CODE(uint16_t, low16, int64_t x) { return (uint16_t)x; }
CODE(bool, is_odd, int64_t x) { return x & 1; }

CODE(uint64_t, above, int64_t x) { return (uint64_t)INT64_MAX + (uint64_t)x; }
CODE(double, not_a_number, void) { return NAN; }
CODE(double, infinite, double x) { return x * INFINITY; }
CODE(float, half, float x) { return x / 2; }
CODE(int64_t, parts, float x) { return x == 0.1f; }

/* Every register that there is, and each argument counts differently. */
CODE(double, all, int8_t a, double b, float c, int64_t d, double e, uint16_t f,
     double g, bool h, double i, float j, int32_t k, double l, uint64_t m,
     double n) {
  return a + 2 * b + 3 * (double)c + 5 * (double)d + 7 * e + 11 * f + 13 * g +
         17 * h + 19 * i + 23 * (double)j + 29 * k + 31 * l + 37 * (double)m +
         41 * n;
}

/* More than there are. */
CODE(int64_t, seven, int8_t a, int16_t b, int32_t c, int64_t d, uint8_t e,
     bool f, uint32_t g) {
  return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f +
         1000000 * (int64_t)g;
}

CODE(float, nine, float a, double b, double c, double d, double e, double f,
     double g, double h, float i) {
  return (float)((double)a + b + c + d + e + f + g + h + (double)i / 2);
}

/* 1 once so many threads are in here together; 0 for all from then on where they
** do not come within ten seconds. None are there at once. */
CODE(int64_t, meet, int64_t count) {
  static _Atomic int64_t here, late;
  if (!count) return 1;
  here++;
  for (int i = 0; here < count && i < 10000 && !late; i++) usleep(1000);
  if (here < count) late = 1;
  return !late;
}
