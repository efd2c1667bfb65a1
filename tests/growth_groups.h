/* growth_groups.h - the cases of test_growth.c that are about groups of aggregate
** functions; a part of it
*/

static const char groups_setup[] =
    "class Summed:\n"
    "    def __init__(self): self.rows = []; self.me = [0]\n"
    "    def step(self, x): self.me[0] += x\n"
    "    def inverse(self, x): self.me[0] -= x\n"
    "    def value(self): return self.me[0]\n"
    "    finalize = value\n"
    "class Kept:\n"
    "    def __init__(self): self.text = ''\n"
    "    def step(self, x): self.text = f'{x} text'\n"
    "    def finalize(self): return self.text\n"
    "class Crashing(Kept):\n"
    "    def step(self, x): ctypes.string_at(0)\n";

static const char groups_dealt[] =
    "SELECT python_define('from pyudf import udaf\n"
    "@udaf(parallel=True)\n"
    "class Dealt:\n"
    "    def __init__(self): self.rows = []\n"
    "    def step(self, x): self.rows.append(x)\n"
    "    def merge(self, others):\n"
    "        for other in others: self.rows += other.rows\n"
    "    def finalize(self): return sum(self.rows)')";

#define UP_TO \
  "WITH s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) "

static int once(const char *format, int n) {
  return run(db, NULL, format, n) ? 0 : -1;
}

static int rows(int n) {
  return once(UP_TO "SELECT Summed(i), Kept(i) FROM s", n);
}

static int groups(int n) {
  return once(UP_TO
              "SELECT count(v) FROM (SELECT Kept(i) AS v, Summed(i) FROM "
              "s GROUP BY i)",
              n);
}

/* Four accumulators, of which three travel. */
static int dealt_groups(int n) {
  AGAIN(NULL, UP_TO "SELECT Dealt(i) FROM s", 500);
}

static int windows(int n) {
  return once(UP_TO
              "SELECT count(v), count(w) FROM (SELECT Summed(i) OVER w AS v, "
              "Kept(i) OVER w AS w FROM s WINDOW w AS (ROWS 2 PRECEDING))",
              n);
}

static int partitions(int n) {
  return once(UP_TO
              "SELECT count(v), count(w) FROM (SELECT Summed(i) OVER w AS v, "
              "Kept(i) OVER w AS w FROM s WINDOW w AS (PARTITION BY i / 4))",
              n);
}

static int failed_groups(int n) {
  AGAIN("TypeError",
        UP_TO
        "SELECT Kept(i), Summed(iif(i = 7, 'x', i)) FROM s GROUP BY i / 4",
        9 + i % 2);
}

static int failed_windows(int n) {
  AGAIN("TypeError",
        UP_TO
        "SELECT Kept(i) OVER (ROWS 1 PRECEDING), Summed(iif(i = 7, 'x', "
        "i)) OVER (ROWS 1 PRECEDING) FROM s",
        9 + i % 2);
}

static int abandoned_groups(int n) {
  AGAIN(NULL,
        UP_TO
        "SELECT Kept(i) OVER (ROWS 2 PRECEDING), Summed(i) OVER (ROWS 2 "
        "PRECEDING) FROM s LIMIT 3",
        50 + i % 2);
}

static int crashed_groups(int n) {
  AGAIN("SIGSEGV", UP_TO "SELECT Kept(i), Crashing(i) FROM s GROUP BY i / 10",
        50);
}

#define GROUP_CASES                                                      \
  {"rows of a group", rows, 1000000, 0, BOTH, 0},                        \
      {"groups", groups, 1000000, 0, BOTH, 0},                           \
      {"groups over workers", dealt_groups, 3000, 100, BOTH | CHURN, 0}, \
      {"rows of a window", windows, 300000, 0, BOTH, 0},                 \
      {"partitions", partitions, 300000, 0, BOTH, 0},                    \
      {"failed groups", failed_groups, 100000, 200, BOTH, 0},            \
      {"failed windows", failed_windows, 30000, 200, BOTH, 0},           \
      {"abandoned groups", abandoned_groups, 30000, 100, BOTH, 0}, {     \
    "crashed groups", crashed_groups, 300, 120, PROCESS | NEW_WORKERS, 0 \
  }
