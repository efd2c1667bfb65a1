"""What goes wrong in a map: in the function, in any row of a batch and in each kind of
function; in the query; to a worker, a template, from outside."""

import os
import re
import signal

from kinds import REACHED, While
from rig import (INTERRUPT, MODES, NOMEM, Ends, Gives, Raises, Shared, Tap, fault, need)

F = '^python function f: '
PLACE = r' \(<define \d+>:\d+\)'
HOSTS = [Shared(mode) for mode in MODES]
COUNT = ('WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c LIMIT {}) '
         'SELECT i, i FROM c')
ROWS = 100
BATCH = 20  # of a function that gets whole batches

# FIRST: in the session's worker, and not in one that has joined it.
MODULE = '''
import asyncio, ctypes, os, signal, sys, time
from pyudf import udf, udtf
THREAD = os.environ["PYUDF_EXECUTION_MODE"] == "thread"
def is_new(name):
    try: os.close(os.open(os.environ["FAULT_FOLDER"] + "/" + name, os.O_CREAT | os.O_EXCL))
    except FileExistsError: return False
    return True
FIRST = is_new("first")
def forever():
    while True: pass
def stubborn():
    until = time.monotonic() + (0.3 if THREAD else 60)
    while time.monotonic() < until:
        try:
            while time.monotonic() < until: pass
        except BaseException: pass
{before}
def _row(x):
    {each}
    if {when}: {deed}
    return x
'''
FORMS = {
    'scalar': '@udf({options})\ndef f(x): return _row(x)',
    'list': '@udf(func_type="list", {options})\ndef f(xs): return [_row(x) for x in xs]',
    'async': '@udf({options})\nasync def f(x):\n    await asyncio.sleep(0)\n    return _row(x)',
    'table': '@udtf({options})\ndef f(x):\n    yield _row(x)\n    yield x',
}


def source(form, deed, when='x == 50', each='pass', before='', **options):
    options = ', '.join(f'{k}={v!r}' for k, v in options.items())
    return (MODULE.format(before=before, each=each, when=when, deed=deed)
            + FORMS[form].format(options=options))


def mapped(form, query=COUNT.format(ROWS), workers=1, more=''):
    batch = BATCH if form in ('list', 'async') else 1000
    query = query.replace("'", "''")
    return f"SELECT key, value FROM python_map('f', '{query}', {workers}, {batch}){more}"


class Fails(Raises):
    """Raises, after all rows before, and no other: `at` is the row that fails, or None.
    The keys named begin with the row after those, and have it among them."""

    def __init__(self, form, pattern, at=50, **more):
        super().__init__(pattern + r' at keys?( \d+| \d+ to \d+)$', **more)
        self.form, self.at = form, at

    def check(self, host, run, pid, before):
        seen = []

        def running():
            seen.append(run())
            return seen[0]
        super().check(host, running, pid, before)
        keys = seen[0].values[::2]
        done = len(keys) // (2 if self.form == 'table' else 1)
        wanted = [str(i) for i in range(1, done + 1) for _ in range(len(keys) // max(done, 1))]
        need(keys == wanted and seen[0].values[1::2] == wanted, 'the rows before it are', keys)
        named = [int(key) for key in re.search(r'at keys?( \d+)(?: to( \d+))?$',
                                               seen[0].message).groups() if key]
        need(named[0] == done + 1, f'{done} rows were given, and the error is at', named)
        if self.at is not None:
            need(named[0] <= self.at <= named[-1], f'row {self.at} is not at', named)
            if ' to ' not in seen[0].message:
                need(named == [self.at], f'row {self.at} is not', named)


def given(form, value, key):
    return '\t'.join([key, value] * (2 if form == 'table' else 1))


class All(Gives):
    """All rows; `null`: keys whose value is NULL. errors: rows in python_errors."""

    def __init__(self, form, count=ROWS, null=(), errors=0, **more):
        super().__init__(None, **more)
        self.form, self.count, self.null, self.errors = form, count, set(null), errors

    def check(self, host, run, pid, before):
        answer = run()
        wanted = []
        for key in range(1, self.count + 1):
            twice = self.form == 'table' and key not in self.null
            wanted += [str(key), 'NULL' if key in self.null else str(key)] * (1 + twice)
        need(answer.code == 0 and answer.values == wanted, f'not all rows: {answer}')
        told = host.value(f'SELECT count(*) FROM python_errors WHERE id > {before}')
        need(told == str(self.errors), f'{self.errors} rows in python_errors expected, got', told)


class Either:
    """The session's worker may be the one that goes, or not."""

    def __init__(self, expected, lost="the statement, perhaps the worker's state"):
        self.expected, self.lost, self.kept = expected, lost, True

    def check(self, host, run, pid, before):
        self.expected.check(host, run, pid, before)
        if host.mode == 'process':
            self.kept = host.value('SELECT pid()') == pid


def both(name, text, form, expected, call=None, after=None):
    for host in HOSTS:
        host.fault(f'{name}, in a map of {form} calls', text, call or mapped(form), expected, after)


# ---- exceptions ----

for form in FORMS:
    for at in 1, 50, 100:
        both(f'ValueError in row {at} of {ROWS}', source(form, 'raise ValueError("it")', f'x == {at}'),
             form, Fails(form, F + 'ValueError: it' + PLACE, at, trace='in _row\n.*ValueError: it\n$'))
    for kind in 'BaseException', 'KeyboardInterrupt', 'SystemExit', 'StopIteration', 'TimeoutError':
        both(f'{kind} in a row', source(form, f'raise {kind}("it")'), form,
             Fails(form, F + ('RuntimeError: (generator|coroutine) raised StopIteration'
                              if kind == 'StopIteration' and form in ('async', 'table')
                              else f'{kind}: it') + '.*', trace=f'{kind}: it'))
    both('MemoryError in a row', source(form, 'raise MemoryError("no room")'), form,
         Fails(form, 'MemoryError: no room.*', code=NOMEM, trace='MemoryError: no room'))
    both('an object that is no value', source(form, 'return object()'), form,
         Fails(form, F + "TypeError: .*'object'.*"))
for count in 'xs[1:]', 'xs + xs', '[]', '5':
    both(f'a batch that returns {count}', '''
from pyudf import udf
@udf(func_type="list")
def f(xs): return xs if xs[0] != 41 else ''' + count, 'list', Fails('list', F + '(Value|Type)Error: .*'))

null = {form: range(41, 61) if form == 'list' else [50] for form in FORMS}
for form in FORMS:
    for mode in MODES:
        fault(f'ValueError in a row of {form} calls, and python_on_error=null',
              source(form, 'raise ValueError("it")'), mapped(form),
              *[All(form, null=null[form], errors=1) if mode == m else None for m in MODES],
              settings=["python_on_error='null'"])

# ---- what ends a process ----

ENDS = [('SIGSEGV', 'ctypes.string_at(0)', 'was killed by SIGSEGV', Ends(-signal.SIGSEGV)),
        ('abort', 'os.abort()', 'was killed by SIGABRT', Ends(-signal.SIGABRT)),
        ('SIGKILL', 'os.kill(os.getpid(), signal.SIGKILL); time.sleep(30)', 'was killed by SIGKILL', None),
        ('os._exit', 'os._exit(3)', 'exited with status 3', Ends(3)),
        ('os._exit(0)', 'os._exit(0)', 'exited with status 0', None)]
WORKER = F + r'worker \d+ '
SLOW = 'time.sleep(0.001 if not THREAD else 0)'
MANY = COUNT.format(1000)

for form in FORMS:
    for name, deed, said, host in ENDS:
        for at in (1, 50, 100) if name in ('SIGSEGV', 'os._exit') else (50,):
            fault(f'{name} in row {at} of {ROWS} of {form} calls', source(form, deed, f'x == {at}'),
                  mapped(form), Fails(form, WORKER + said, at, kept=False),
                  host if at == 50 else None)
    # Whoever has got so far; the other's rows are as good as before.
    fault(f'SIGSEGV in a worker of two, of {form} calls', source(form, 'ctypes.string_at(0)', 'x >= 300', SLOW),
          mapped(form, MANY, 2), Either(Fails(form, WORKER + 'was killed by SIGSEGV', None, errors=(1, 2))))
    fault(f'SIGSEGV in the other worker of two, of {form} calls',
          source(form, 'ctypes.string_at(0)', 'x >= 200 and not FIRST', SLOW), mapped(form, MANY, 2),
          Fails(form, WORKER + 'was killed by SIGSEGV', None))
    fault(f'SIGKILL in a row of {form} calls, and python_on_error=null', source(form, ENDS[2][1]),
          mapped(form), Fails(form, WORKER + 'was killed by SIGKILL', kept=False),
          settings=["python_on_error='null'"])
    fault(f'SIGKILL in a row of {form} calls, and python_on_crash=retry', source(form, ENDS[2][1]),
          mapped(form), Fails(form, WORKER + 'was killed by SIGKILL', kept=False),
          settings=['python_on_crash=retry'])
    for workers in 1, 2:
        again = All(form, 1000, errors=1, kept=False)
        fault(f'SIGKILL once, of deterministic {form} calls in {workers} workers, and python_on_crash=retry',
              source(form, ENDS[2][1], 'x >= 300 and is_new("died")', SLOW, deterministic=True),
              mapped(form, MANY, workers),
              again if workers == 1 else Either(again, "perhaps the worker's state"),
              settings=['python_on_crash=retry'])


def kill(host, pid):
    os.kill(pid, signal.SIGKILL)


def kill_template(host, pid):
    with open(f'/proc/{pid}/stat') as file:
        os.kill(int(file.read().rpartition(')')[2].split()[1]), signal.SIGKILL)


class WhileTwo(While):
    """Of two workers one ends the map. Where that was not the session's, its end is an
    error of the next statement's: its state is lost."""

    def check(self, host, run, pid, before):
        super().check(host, run, pid, before)
        answer = host.sql("SELECT python_eval('0')")
        need(answer.code == 0 or re.search(LOST, answer.message), f'the next statement: {answer}')


ENDLESS = COUNT.format(10 ** 12)
LOST = r'worker \d+ (was killed by SIGKILL|died with the process that started it)( before the call)?'
SAYS = 'x == 60 and reached()'
for form in FORMS:
    for workers in 1, 2:
        text = source(form, 'pass', SAYS, SLOW, before=REACHED)
        fault(f'a worker that is killed while batches come, of {form} calls in {workers}', text,
              mapped(form, ENDLESS, workers, ' WHERE key < 0'),
              While(kill, Raises(F + LOST + r' at keys? .*$', kept=False)))
        fault(f'a template that is killed while batches come, of {form} calls in {workers}', text,
              mapped(form, ENDLESS, workers, ' WHERE key < 0'),
              (While if workers == 1 else WhileTwo)(
                  kill_template, Raises(F + LOST + r' at keys? .*$', kept=False, errors=(1, workers))),
              settings=['python_preload=decimal'])
    fault(f'a fork in a row of {form} calls, whose child returns',
          source(form, 'child = os.fork(); child and os.waitpid(child, 0)'), mapped(form), All(form))

# ---- deadlines and interrupts ----

for form in FORMS:
    timed_out = Fails(form, F + 'timed out after 200 ms', trace='in forever\n.*TimeoutError')
    fault(f'a loop in a row of {form} calls, and a deadline', source(form, 'forever()', timeout=200),
          mapped(form), timed_out, timed_out)
    for name, deed in ('a loop', 'forever()'), ('a long sleep', 'time.sleep(60)'):
        fault(f'{name} in a row of {form} calls, and an interrupt', source(form, deed, before=''),
              mapped(form), Raises('^interrupted$', INTERRUPT, errors=0),
              Raises('^interrupted$', INTERRUPT, errors=0) if 'loop' in name else None, interrupt_ms=150)
    fault(f'except BaseException in a row of {form} calls, and a deadline', source(form, 'stubborn()'),
          mapped(form),
          Fails(form, F + 'timed out after 200 ms, and did not end: its worker was killed', kept=False),
          All(form), settings=['python_timeout=200'])
    for workers in 1, 2:
        fault(f'rows without an end, of {form} calls in {workers} workers, and an interrupt',
              source(form, 'pass', each=SLOW), mapped(form, ENDLESS, workers),
              *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2, interrupt_ms=250)
    fault(f'a loop behind the last row that is wanted, of {form} calls', source(form, 'forever()', 'x == 45'),
          mapped(form, more=' LIMIT 12'), *[Gives('^1$')] * 2)
    fault(f'LIMIT with batches on their way, of {form} calls in 2 workers', source(form, 'pass', each=SLOW),
          mapped(form, ENDLESS, 2, ' LIMIT 100'), *[Gives('^1$')] * 2)
# It may have got there, or not; where it has, python_errors says what it ended of.


class Unwanted(Gives):
    lost = "perhaps the worker's state"

    def check(self, host, run, pid, before):
        super().check(host, run, pid, before)
        self.kept = host.value('SELECT pid()') == pid
        told = host.sql(f'SELECT message FROM python_errors WHERE id > {before}').values
        need(self.kept == (told == []) and all('was killed by SIGSEGV' in text for text in told),
             'python_errors has', told)


for form in FORMS:
    fault(f'SIGSEGV behind the last row that is wanted, of {form} calls',
          source(form, 'ctypes.string_at(0)', 'x == 45'), mapped(form, more=' LIMIT 12'), Unwanted('^1$'))

# ---- the query ----


def query(condition, rows=ROWS):
    return COUNT.format(rows).replace('SELECT i, i FROM c', 'SELECT i, i FROM c WHERE ' + condition)


class Before(Raises):
    """All rows before 70, and the query's error."""

    def __init__(self, form, pattern, **more):
        super().__init__(pattern, **more)
        self.form = form

    def check(self, host, run, pid, before):
        seen = []

        def running():
            seen.append(run())
            return seen[0]
        super().check(host, running, pid, before)
        wanted = [str(i) for i in range(1, 70) for _ in range(4 if self.form == 'table' else 2)]
        need(seen[0].values == wanted, 'the rows before it are', seen[0].values)


OTHER = """
import ctypes, os
from pyudf import udf
@udf
def g(x):
    if x == 70: {}
    return x
"""
for form in FORMS:
    text = source(form, 'pass')
    for workers in 1, 2:
        for mode in MODES:
            case = Before(form, '^python_map: integer overflow$', errors=0)
            fault(f'a query that fails, for {form} calls in {workers} workers', text,
                  mapped(form, query('abs(iif(i = 70, -9223372036854775808, i))'), workers),
                  *[case if mode == m else None for m in MODES])
    fault(f'a call in the query that raises, for {form} calls', text + OTHER.format('raise ValueError("it")'),
          mapped(form, query('g(i)')),
          *[Before(form, '^python_map: python function g: ValueError: it' + PLACE + '$')] * 2)
    # Rows of the same worker are back before it is asked for something else.
    fault(f'a call in the query that crashes, for {form} calls', text + OTHER.format('ctypes.string_at(0)'),
          mapped(form, query('g(i)')),
          Before(form, r'^python_map: python function g: worker {pid} was killed by SIGSEGV$', kept=False))
    for what, deed in (('defined anew', "python_define('f', 'lambda x: 5')"), ('dropped', "python_drop('f')")):
        fault(f'a function that is {what} by the query, of {form} calls', text,
              mapped(form, query(f"(i <> 50 OR {deed} IS NOT 0)", 1000)), *[All(form, 1000)] * 2)

# ---- a map in a map ----

INNER = "SELECT key, value FROM python_map('g', '" + COUNT.format(ROWS) + "')"
for name, deed, said, errors in (('raises', 'raise ValueError("it")', 'ValueError: it' + PLACE, 1),
                                 ('ends its process', 'os._exit(3)', r'worker {pid} exited with status 3', 1)):
    kept = 'raise' in deed
    for form in FORMS:
        text = source(form, 'pass') + OTHER.format(deed)
        said_in = Raises(r'^python_map: python function g: ' + said
                         + r' at keys?( 70| \d+ to \d+)$', kept=kept)
        fault(f'a map in a map of {form} calls that {name}', text, mapped(form, INNER), said_in,
              said_in if kept else None, settings=['python_workers=1'])
        fault(f'a map of {form} calls that {name}, over a map',
              source(form, deed) + OTHER.format('pass'), mapped(form, INNER),
              *[Fails(form, F + said.replace('{pid}', r'\d+'), kept=kept), Fails(form, F + said) if kept else None])

fault('a query that gives no row and has no end, and an interrupt', source('scalar', 'pass'),
      mapped('scalar', ENDLESS + ' WHERE i < 0'), *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2,
      interrupt_ms=150)

for host in HOSTS:
    host.close('all maps, in one host')
Tap.done()
