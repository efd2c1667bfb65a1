/* test_runtime.c - the runtime's table: values, definitions, errors */
#include <math.h>

#include "runtime_host.h"

/* Prevents a value that comes back as another one. */
static void test_round_trips(void) {
  uint32_t id = define("def same(x): return x\n");
  static const char bad[] = "a\0b\xff\xfe\xed\xa0\x80z";
  static const char wide[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8d";
  static const char *const long_text =
      "a text that is longer than what anyone would keep inline";
  struct value values[] = {
      value_null(),
      value_integer(0),
      value_integer(-1),
      value_integer(INT64_MAX),
      value_integer(INT64_MIN),
      value_real(0.0),
      value_real(-0.0),
      value_real(1.5e300),
      value_real(INFINITY),
      value_real(-INFINITY),
      text(""),
      text("plain"),
      text(long_text),
      value_bytes(VALUE_TEXT, wide, sizeof wide - 1),
      value_bytes(VALUE_TEXT, bad, sizeof bad - 1),
      value_bytes(VALUE_TEXT, NULL, 0),
      value_bytes(VALUE_BLOB, NULL, 0),
      value_bytes(VALUE_BLOB, bad, sizeof bad - 1),
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    ok(gives(id, 0, values[i], values[i]), "value %zu comes back as it went in",
       i);
  }
  struct value got, nan = value_real(NAN);
  ok(!rt->call(space, id, 0, &nan, 1, &got, NULL) && got.type == VALUE_REAL &&
         isnan(got.real),
     "NaN stays REAL");
}

/* Prevents a type that an annotation asked for and did not get. */
static void test_annotations(void) {
  uint32_t id = define(
      "from __future__ import annotations\n"
      "from typing import Optional\n"
      "def b(x: bool): return type(x).__name__\n"
      "def m(x: memoryview | None): return type(x).__name__\n"
      "def d(x: Optional[dict]): return type(x).__name__\n"
      "def l(x: list[int]): return sum(x)\n"
      "def u(x: no_such_type): return type(x).__name__\n");
  ok(gives(id, 0, value_integer(1), text("bool")), "bool");
  ok(gives(id, 0, value_real(1), text("float")), "REAL stays float");
  ok(gives(id, 1, value_bytes(VALUE_BLOB, "x", 1), text("memoryview")),
     "memoryview");
  ok(gives(id, 1, value_null(), text("NoneType")), "NULL is None");
  ok(gives(id, 2, text("{\"a\": 1}"), text("dict")), "dict");
  ok(gives(id, 3, text("[1, 2, 3]"), value_integer(6)), "list[int]");
  ok(gives(id, 4, text("x"), text("str")), "an unknown annotation is none");
  struct value arg = text("[1,"), got;
  struct err err = {0};
  ok(rt->call(space, id, 3, &arg, 1, &got, &err) == -1 &&
         !strcmp(err.type, "json.decoder.JSONDecodeError"),
     "an argument that is no JSON");
  err_clear(&err);
}

/* Prevents a result of the wrong type, and one that goes unnoticed. */
static void test_results(void) {
  ok(evals("True", value_integer(1)), "bool");
  ok(evals("bytearray(b'ab')", value_bytes(VALUE_BLOB, "ab", 2)), "bytearray");
  ok(evals("memoryview(b'abc')[1:]", value_bytes(VALUE_BLOB, "bc", 2)),
     "memoryview");
  ok(evals("array.array('B', [65])", value_bytes(VALUE_BLOB, "A", 1)),
     "any buffer");
  ok(evals("decimal.Decimal('1.50')", text("1.50")), "Decimal");
  ok(evals("datetime.date(2024, 2, 29)", text("2024-02-29")), "date");
  ok(evals("datetime.datetime(2024, 2, 29, 1, 2, 3)",
           text("2024-02-29 01:02:03")),
     "datetime, as SQLite writes it");
  ok(evals("pathlib.Path('/a/b')", text("/a/b")), "Path");
  ok(evals("{'a': [1, (2.5, None)], 'b': 'ä'}",
           json("{\"a\":[1,[2.5,null]],\"b\":\"ä\"}")),
     "dict as JSON");
  ok(evals("[datetime.date(2024, 1, 1)]", json("[\"2024-01-01\"]")),
     "nested values are adapted");
  ok(evals("'\\ud800'", value_bytes(VALUE_TEXT, "\xed\xa0\x80", 3)),
     "a lone surrogate as SQLite writes one");
  ok(evals("chr(0xdcff)", value_bytes(VALUE_TEXT, "\xff", 1)),
     "an escaped byte");
  ok(fails("2**63", ERR_PYTHON, "OverflowError",
           "9223372036854775808 does not fit into 64 bits"),
     "2**63");
  ok(fails("10**5000", ERR_PYTHON, "OverflowError", "does not fit"),
     "an int of more digits than str() likes");
  ok(fails("[float('nan')]", ERR_PYTHON, "ValueError", NULL), "NaN in JSON");
  ok(fails("object()", ERR_PYTHON, "TypeError", "'object'"), "an object");
  ok(fails("1j", ERR_PYTHON, "TypeError", "'complex'"), "a complex");
  ok(fails("memoryview(b'abcd')[::2]", ERR_PYTHON, "BufferError", NULL),
     "a buffer with holes");
}

static const char raising[] =
    "import json\n"
    "class MyError(Exception): pass\n"
    "class Bad(Exception):\n"
    "  def __str__(self): raise ValueError\n"
    "def f(x):\n"
    "  return g(x)\n"
    "def g(x):\n"
    "  if x == 0: raise ValueError('bad input')\n"
    "  if x == 1: raise MyError('mine')\n"
    "  if x == 2: raise Bad()\n"
    "  if x == 3: raise SystemExit(3)\n"
    "  if x == 4: raise KeyboardInterrupt\n"
    "  if x == 5: raise MemoryError('mine')\n"
    "  if x == 6: json.loads('[')\n"
    "  if x == 7: raise StopIteration\n"
    "  if x == 8: raise GeneratorExit\n"
    "  if x == 9: return f(x)\n"
    "  try: 1 / 0\n"
    "  except ZeroDivisionError as exc: raise KeyError('k') from exc\n";

/* Prevents an exception that loses its place, or ends the process. */
static void test_errors(void) {
  uint32_t id = define(raising);
  static const struct {
    enum err_code code;
    const char *type, *text;
    int line;
  } want[] = {
      {ERR_PYTHON, "ValueError", "bad input", 8},
      {ERR_PYTHON, "MyError", "mine", 9},
      {ERR_PYTHON, "Bad", "<exception str() failed>", 10},
      {ERR_PYTHON, "SystemExit", "3", 11},
      {ERR_PYTHON, "KeyboardInterrupt", "", 12},
      {ERR_NOMEM, "MemoryError", "mine", 13},
      {ERR_PYTHON, "json.decoder.JSONDecodeError", NULL, 14},
      {ERR_PYTHON, "StopIteration", "", 15},
      {ERR_PYTHON, "GeneratorExit", "", 16},
      {ERR_PYTHON, "RecursionError", NULL, 0},
      {ERR_PYTHON, "KeyError", "'k'", 19},
  };
  char file[32];
  snprintf(file, sizeof file, "<define %u>", id);
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    struct value arg = value_integer((int64_t)i), got;
    struct err err = {0};
    int rc = rt->call(space, id, 0, &arg, 1, &got, &err);
    int good = rc == -1 && err.code == want[i].code && err.type &&
               !strcmp(err.type, want[i].type) && err.file &&
               !strcmp(err.file, file) && err.traceback &&
               strstr(err.traceback, "return g(x)") &&
               !strstr(err.traceback, "_session.py") &&
               (!want[i].line || err.line == want[i].line) &&
               (!want[i].text || !strcmp(err.text, want[i].text));
    ok(good, "%s", want[i].type);
    if (!good) {
      printf("# %d %s: %s (%s:%d)\n", err.code, err.type, err.text, err.file,
             err.line);
      for (char *p = err.traceback; p && *p; p++) {
        if (*p == '\n') *p = '|';
      }
      printf("# %s\n", err.traceback);
    }
    if (i == 10) {
      ok(err.traceback && strstr(err.traceback, "ZeroDivisionError") &&
             strstr(err.traceback, "direct cause"),
         "the cause is in the traceback");
    }
    err_clear(&err);
  }
}

/* Prevents definitions that fail without saying why. */
static void test_definitions(void) {
  static const struct {
    enum definition_kind kind;
    const char *name, *source, *names, *want;
  } bad[] = {
      {DEFINITION_SOURCE, NULL, "x = 1", NULL, "no function"},
      {DEFINITION_SOURCE, NULL, "def f(:", NULL, NULL},
      {DEFINITION_SOURCE, NULL,
       "from pyudf import udf\n@udf\ndef f(x): yield x", NULL, "yields rows"},
      {DEFINITION_SOURCE, NULL, "def f(*, x): return x", NULL, "keyword-only"},
      {DEFINITION_SOURCE, NULL, "raise SystemExit", NULL, NULL},
      {DEFINITION_SOURCE, NULL,
       "class A:\n def step(self, *, x): pass\n def finalize(self): pass", NULL,
       "keyword-only"},
      {DEFINITION_NAMED, "f", "3 + 4", NULL, "cannot be called"},
      {DEFINITION_NAMED, "", "lambda: 1", NULL, "name"},
      {DEFINITION_IMPORT, NULL, "math", "sqr", "'sqrt'"},
      {DEFINITION_IMPORT, NULL, "no_such_module_x", NULL, "No module named"},
      {DEFINITION_IMPORT, NULL, "/no/such/file.py", NULL, "No such file"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct manifest *manifest = NULL;
    struct err err = {0};
    uint32_t id = define_as(bad[i].kind, bad[i].name, bad[i].source,
                            bad[i].names, &manifest, &err);
    ok(!id && err.code && (!bad[i].want || strstr(err.text, bad[i].want)), "%s",
       err.text ? err.text : "no error");
    err_clear(&err);
  }
  struct manifest *manifest = NULL;
  uint32_t id = define_as(DEFINITION_SOURCE, NULL,
                          "from pyudf import udf\n"
                          "@udf(result_type='BIGINT', deterministic=True)\n"
                          "def f(a: int, b: str = 'x', *rest): return a\n"
                          "@udf(null_call=False, name='g')\n"
                          "def _g(a, b): return 1\n",
                          NULL, &manifest, NULL);
  const struct function_spec *f = manifest->functions;
  ok(id && manifest->count == 2 && !strcmp(f[0].name, "f") &&
         f[0].min_args == 1 && f[0].max_args == -1 &&
         f[0].flags == (FUNCTION_DETERMINISTIC | FUNCTION_DIRECT_ONLY |
                        FUNCTION_NULL_CALL) &&
         !strcmp(f[0].arguments, "a: int, b: str = 'x', *rest") &&
         !strcmp(f[0].result, "BIGINT") &&
         !strncmp(f[0].module, "pyudf_session1.define", 21),
     "the manifest tells all");
  ok(!strcmp(f[1].name, "g") && f[1].flags == FUNCTION_DIRECT_ONLY, "flags");
  struct value args[2] = {value_integer(1), value_null()}, got;
  ok(!rt->call(space, id, 1, args, 2, &got, NULL) && got.type == VALUE_NULL,
     "null_call=False: NULL without a call");
  struct err err = {0};
  ok(rt->call(space, id, 1, args, 1, &got, &err) == -1 &&
         strstr(err.text, "takes 2 arguments"),
     "a wrong number of arguments");
  err_clear(&err);
  manifest_free(manifest);
}

/* Prevents functions that come under another's number in a fresh worker. */
static void test_expect(void) {
  uint32_t id = ++next_id;
  struct buf manifest = {0};
  struct err err = {0};
  struct definition definition = {
      .id = id,
      .kind = DEFINITION_SOURCE,
      .serial = id,
      .module = (char *)(uintptr_t) "pyudf_session1.expect9",
      .source =
          (char *)(uintptr_t) "def a(x): return 'a'\ndef b(x): return 'b'\n",
      .expect = (char *)(uintptr_t) "b\na"};
  ok(!rt->define(space, &definition, &manifest, &err) &&
         gives(definition.id, 0, value_null(), text("b")) &&
         gives(definition.id, 1, value_null(), text("a")),
     "the order is the one expected");
  definition.expect = (char *)(uintptr_t) "a\nc";
  size_t len = manifest.len;
  ok(rt->define(space, &definition, &manifest, &err) == -1 &&
         strstr(err.text, "python_reload()") && manifest.len == len,
     "a function that is gone: %s", err.text);
  ok(gives(definition.id, 0, value_null(), text("b")),
     "the old definition stays where a new one fails");
  err_clear(&err);
  rt->forget(space, definition.id);
  struct value arg = value_null(), got;
  ok(rt->call(space, definition.id, 0, &arg, 1, &got, &err) == -1, "forgotten");
  err_clear(&err);
  buf_fini(&manifest);
}

static void test_eval(void) {
  struct value args[2] = {value_integer(20), text("x")}, got;
  struct err err = {0};
  ok(!rt->eval(space, "[a0 + i for i in range(2)] + [(lambda: a1)()]", args, 2,
               &got, &err) &&
         got.len == 11 && !memcmp(got.data, "[20,21,\"x\"]", 11),
     "arguments are seen in inner scopes");
  rt->release(space);
  ok(evals("math.floor(math.pi)", value_integer(3)), "modules by name");
  ok(evals("os.path.basename('/a/b')", text("b")), "attributes of modules");
  ok(evals("xml.dom.minidom.__name__", text("xml.dom.minidom")),
     "modules in packages");
  define("def twice(x): return 2 * x\n");
  ok(evals("twice(21)", value_integer(42)), "functions of the session");
  ok(fails("no_such_name_x", ERR_PYTHON, "NameError", "no_such_name_x"),
     "unknown names");
  ok(fails("1), (2", ERR_PYTHON, "SyntaxError", NULL), "no way out of it");
  ok(fails("1 +", ERR_PYTHON, "SyntaxError", NULL), "bad syntax");
  ok(!rt->version(space, &got, &err) && got.type == VALUE_TEXT &&
         !strncmp(got.data, "CPython 3.", 10),
     "version");
  printf("# %.*s\n", (int)got.len, (const char *)got.data);
  rt->release(space);
}

static void test_async(void) {
  uint32_t id = define(
      "import asyncio\n"
      "loops = set()\n"
      "async def f(x):\n"
      "  await asyncio.sleep(0)\n"
      "  loops.add(asyncio.get_running_loop())\n"
      "  return len(loops)\n");
  ok(gives(id, 0, value_null(), value_integer(1)), "async def runs to its end");
  ok(gives(id, 0, value_null(), value_integer(1)), "in one loop");
}

int main(int argc, char **argv) {
  struct err err = {0};
  char check[1300];
  host_open(argc, argv);
  ok(rt->abi == RUNTIME_ABI && rt->size == sizeof *rt, "the table's version");
  ok(rt->start("/no/such/directory", 1, &err) == -1 && err.code == ERR_USAGE,
     "no package: %s", err.text);
  err_clear(&err);
  host_start();
  ok(!rt->start(package_parent, 1, &err), "start again");
  ok(evals("sys.stdout is sys.stderr", value_integer(1)), "standard output");
  ok(evals("sys.stdin.read()", text("")), "standard input");
  snprintf(check, sizeof check, "'%s' in sys.path", package_parent);
  ok(evals(check, value_integer(0)), "sys.path is as it was");
  test_round_trips();
  test_annotations();
  test_results();
  test_errors();
  test_definitions();
  test_expect();
  test_eval();
  test_async();
  rt->space_free(space);
  rt->detach();
  return tap_done();
}
