/* growth_maps.h - the cases of test_growth.c that are about table functions, maps and
** batches; a part of it
*/

static const char maps_setup[] =
    "SELECT python_define('import asyncio, ctypes, os, time\n"
    "from pyudf import udf, udtf\n"
    "@udtf\n"
    "def counted(n):\n"
    "    for i in range(n): yield f\"row {i}\"\n"
    "@udtf\n"
    "def failing(n):\n"
    "    for i in range(n): yield i\n"
    "    raise ValueError(f\"no {n}\")\n"
    "@udtf\n"
    "def dying(n):\n"
    "    for i in range(n): yield i\n"
    "    ctypes.string_at(0)\n"
    "@udf\n"
    "def scalar(x): return f\"text {x}\"\n"
    "@udf\n"
    "def odd(x):\n"
    "    if x == 70: raise ValueError(f\"no {x}\")\n"
    "    return x\n"
    "@udf\n"
    "def fatal(x):\n"
    "    if x == 70: ctypes.string_at(0)\n"
    "    return x\n"
    "@udf\n"
    "def slow(x):\n"
    "    time.sleep(0.001)\n"
    "    return x\n"
    "@udf(func_type=\"list\")\n"
    "def listed(xs): return [f\"text {x}\" for x in xs]\n"
    "@udf(func_type=\"list\")\n"
    "def short(xs): return xs[1:]\n"
    "@udf\n"
    "async def awaited(x):\n"
    "    await asyncio.sleep(0)\n"
    "    return f\"text {x}\"\n"
    "@udf\n"
    "async def await_odd(x):\n"
    "    await asyncio.sleep(0)\n"
    "    return odd(x)')";

/* The rows of `query`, mapped. */
#define MAP(name, rows)                                                      \
  "SELECT count(value) FROM python_map('" name                               \
  "', 'WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < " rows \
  ") SELECT i, i FROM s'"

static int table_rows(int n) {
  return once("SELECT count(value) FROM counted(%d)", n);
}

static int table_calls(int n) {
  return once(UP_TO "SELECT count(value) FROM s, counted(i %% 90)", n);
}

static int tables_limited(int n) {
  AGAIN(NULL, "SELECT value FROM (SELECT value FROM counted(1000000) LIMIT %d)",
        1 + i % 90);
}

static int tables_failed(int n) {
  AGAIN("ValueError", "SELECT count(value) FROM failing(%d)", 90 + i % 2);
}

/* What is still to come is put aside at each call. */
static int tables_settled(int n) {
  AGAIN(NULL, "SELECT count(f(value)) FROM counted(%d)", 50 + i % 2);
}

static int tables_crashed(int n) {
  AGAIN("SIGSEGV", "SELECT count(value) FROM dying(%d)", 90 + i % 2);
}

static int map_rows(int n) { return once(MAP("scalar", "%d") ")", n); }

static int maps_of_tables(int n) {
  AGAIN(NULL, MAP("counted", "%d") ", 1)", 20 + i % 2);
}

static int maps_limited(int n) {
  AGAIN(
      NULL,
      "SELECT count(v) FROM (SELECT value AS v FROM python_map('scalar', "
      "'WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT i, i FROM "
      "s', 1) LIMIT %d)",
      1 + i % 50);
}

static int maps_failed(int n) {
  AGAIN("ValueError", MAP("odd", "%d") ", 1)", 90 + i % 2);
}

static int maps_crashed(int n) {
  AGAIN("SIGSEGV", MAP("fatal", "%d") ")", 90 + i % 2);
}

/* All that there are have something to do. */
static int maps_spread(int n) {
  AGAIN(NULL, MAP("slow", "%d") ", 2)", 120 + i % 2);
}

static int batches(int n) {
  AGAIN(NULL, MAP("listed", "%d") ", 1, 20)", 90 + i % 2);
}

static int batches_failed(int n) {
  AGAIN("ValueError", MAP("short", "%d") ", 1, 20)", 90 + i % 2);
}

static int batches_of_one(int n) {
  return once(UP_TO "SELECT count(listed(i)), count(awaited(i)) FROM s", n);
}

static int awaits(int n) {
  AGAIN(NULL, MAP("awaited", "%d") ", 1, 20)", 90 + i % 2);
}

static int awaits_failed(int n) {
  AGAIN("ValueError", MAP("await_odd", "%d") ", 1, 20)", 90 + i % 2);
}

#define MAP_CASES                                                             \
  {"rows of a table", table_rows, 1000000, 0, BOTH, 0},                       \
      {"calls of tables", table_calls, 100000, 0, BOTH, 0},                   \
      {"tables with LIMIT", tables_limited, 30000, 100, BOTH, 0},             \
      {"tables and calls", tables_settled, 30000, 100, BOTH, 0},              \
      {"failed tables", tables_failed, 30000, 200, BOTH, 0},                  \
      {"crashed tables", tables_crashed, 300, 120, PROCESS | NEW_WORKERS, 0}, \
      {"rows of a map", map_rows, 1000000, 2000, BOTH, 0},                    \
      {"maps of tables", maps_of_tables, 10000, 100, BOTH, 0},                \
      {"maps with LIMIT", maps_limited, 10000, 100, BOTH, 0},                 \
      {"failed maps", maps_failed, 30000, 200, BOTH, 0},                      \
      {"crashed maps", maps_crashed, 300, 120, PROCESS | NEW_WORKERS, 0},     \
      {"maps over workers", maps_spread, 3000, 20, BOTH, 0},                  \
      {"batches", batches, 10000, 100, BOTH, 0},                              \
      {"failed batches", batches_failed, 10000, 200, BOTH, 0},                \
      {"batches of one", batches_of_one, 100000, 100, BOTH | CHURN, 0},       \
      {"async batches", awaits, 10000, 100, BOTH | CHURN, 0}, {               \
    "failed async batches", awaits_failed, 10000, 200, BOTH | CHURN, 0        \
  }
