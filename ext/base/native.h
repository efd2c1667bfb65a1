/* native.h - calling compiled code by its address
**
** A function whose Python object carries a C address and a signature of numbers
** (a ctypes function pointer, numba's cfunc) is called here, without Python: by
** the thread engine with no GIL, and by the runtime in both modes where the
** function is reached with it. Checks and conversions are the same everywhere.
**
** HOW IT WORKS. In the ABIs of NATIVE_DIRECT arguments that are integers and
** arguments that are floating-point numbers go into registers of their own kind,
** each kind in order, whatever stands between them, and a function that is not
** variadic reads none but its own. So a call with all of a kind's registers
** filled is right for every mixture that fits into them:
**
**   x86-64, System V: rdi rsi rdx rcx r8 r9, xmm0 to xmm7; result rax or xmm0
**   AArch64, AAPCS64: x0 to x7,              v0 to v7;     result x0 or v0
**
** Integers are extended to 64 bits by the caller, which is more than any callee
** counts on; of a result the bits of its type count, the rest is junk. A float is
** the low half of its register: its bits travel in those of a double. What needs
** the stack, and every other machine, is called through Python, which knows.
*/
#ifndef PYUDF_NATIVE_H
#define PYUDF_NATIVE_H

#include <stdint.h>

#include "err.h"
#include "value.h"

#if (defined __x86_64__ && defined __LP64__ && !defined _WIN32) || \
    (defined __aarch64__ && defined __LP64__)
enum { NATIVE_DIRECT = 1 };
#else
enum { NATIVE_DIRECT = 0 };
#endif

/* pyudf/_native.py has the same numbers. */
enum native_type {
  NATIVE_BOOL = 0,
  NATIVE_INT8 = 1,
  NATIVE_INT16 = 2,
  NATIVE_INT32 = 3,
  NATIVE_INT64 = 4,
  NATIVE_UINT8 = 5,
  NATIVE_UINT16 = 6,
  NATIVE_UINT32 = 7,
  NATIVE_UINT64 = 8,
  NATIVE_FLOAT = 9,
  NATIVE_DOUBLE = 10,
  NATIVE_TYPES
};

enum { NATIVE_INTEGERS = 6, NATIVE_REALS = 8, NATIVE_ARGS_MAX = 127 };

struct native {
  void (*address)(void); /* NULL: through Python alone */
  uint32_t count;        /* arguments */
  uint8_t result;        /* enum native_type */
  uint8_t few;           /* 1: at most two of each kind */
  uint8_t tells;    /* 1: a last argument points to an int64 that becomes other
                   ** than 0 where the code raises: Python is to say what */
  uint8_t integers; /* arguments of that kind, the last one included */
  uint8_t types[NATIVE_ARGS_MAX]; /* enum native_type */
  char *names;                    /* of the parameters, one a line */
};

/* Fills the counts, from count, types and tells; the address goes where such a
** call is not for us. -1 where a type is none. */
int native_init(struct native *native);
void native_fini(struct native *native);

/* Whether such a call can be: 0; 1 where an argument is NULL, and the result is
** too; -1 and err where one does not fit its parameter. */
int native_check(const struct native *native, const struct value *argv,
                 uint32_t argc, struct err *err);

/* What a call of compiled code begins with. */
struct native_registers {
  uint32_t integer_count;
  uint32_t real_count;
  int64_t told; /* other than 0: the code has raised */
  int64_t integers[NATIVE_INTEGERS];
  double reals[NATIVE_REALS];
};

/* Whether an int64 is one of a narrower type's. */
int native_fits(uint8_t type, int64_t integer);

/* A double as the register of a float has it. */
double native_narrow(double number);

static inline int native_is_real(uint8_t type) { return type >= NATIVE_FLOAT; }

/* Before the arguments. */
static inline void native_begin(const struct native *native,
                                struct native_registers *to) {
  to->integer_count = to->real_count = 0;
  to->told = 0;
  to->integers[0] = to->integers[1] = 0;
  to->reals[0] = to->reals[1] = 0;
  if (!native->few) {
    for (int i = 2; i < NATIVE_INTEGERS; i++) to->integers[i] = 0;
    for (int i = 2; i < NATIVE_REALS; i++) to->reals[i] = 0;
  }
}

/* The next argument, for a parameter of this type. 1 where it does not fit. */
static inline int native_put_real(uint8_t type, double number,
                                  struct native_registers *to) {
  if (!native_is_real(type)) return 1;
  if (type == NATIVE_FLOAT) number = native_narrow(number);
  to->reals[to->real_count++] = number;
  return 0;
}

static inline int native_put_integer(uint8_t type, int64_t integer,
                                     struct native_registers *to) {
  if (native_is_real(type)) return native_put_real(type, (double)integer, to);
  if (type == NATIVE_BOOL) {
    integer = integer != 0;
  } else if (type != NATIVE_INT64 && !native_fits(type, integer)) {
    return 1;
  }
  to->integers[to->integer_count++] = integer;
  return 0;
}

/* Calls, all arguments being there; the address is not NULL. Returns 0, 1 where
** the code raised, or -1 with a result for native_too_big(). */
int native_run(const struct native *native, struct native_registers *registers,
               struct value *result);

/* The error of a result that is no INTEGER. Returns -1. */
int native_too_big(int64_t bits, struct err *err);

/* Calls; the address is not NULL. Returns 0, -1 and err, or 1 where the code
** raised. */
int native_call(const struct native *native, const struct value *argv,
                uint32_t argc, struct value *result, struct err *err);

#endif
