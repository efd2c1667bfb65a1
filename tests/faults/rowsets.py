"""What goes wrong with a set of rows: in a function that reads it, to a worker that it
streams to, in the query that it is made of, and where it has no room."""

import os
import resource
import signal

from kinds import REACHED, While
from rig import INTERRUPT, MODES, Ends, Gives, Raises, Shared, Tap, fault, need

F = '^python function f: '
PLACE = r' \(<define \d+>:\d+\)$'
HOSTS = [Shared(mode) for mode in MODES]
COUNT = ('(WITH RECURSIVE c(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c LIMIT {}) '
         'SELECT python_rows(i, {}) FROM c)')
SET = COUNT.format(1000, 'i')
LONG = COUNT.format(2000, 'zeroblob(20000)')  # 40 MB: in a file, here and in the worker
ENDLESS = COUNT.format(10 ** 12, 'i')

HEAD = '''
import ctypes, os, signal, time
from pyudf import udf, udtf
def forever():
    while True: pass
{before}
'''
FORMS = {'a scalar': '''
@udf({options})
def f(rows):
    for i, row in enumerate(rows):
        if i == {row}: {deed}
    return len(rows)
''', 'a table': '''
@udtf({options})
def f(rows):
    for i, row in enumerate(rows):
        if i == {row}: {deed}
    yield len(rows)
'''}


def source(form, deed, row=500, before='', **options):
    options = ', '.join(f'{k}={v!r}' for k, v in options.items())
    return HEAD.format(before=before) + FORMS[form].format(deed=deed, row=row, options=options)


def call(form, rows=SET):
    return f'SELECT f({rows})' if form == 'a scalar' else f'SELECT value FROM f({rows})'


for form in FORMS:
    for row in 0, 500, 999:
        for host in HOSTS:
            host.fault(f'ValueError at row {row} of a set, in {form} function',
                       source(form, 'raise ValueError("it")', row), call(form),
                       Raises(F + 'ValueError: it' + PLACE, trace='in f\n'))
    for host in HOSTS:
        host.fault(f'a query of a set that fails, for {form} function', source(form, 'pass'),
                   call(form, COUNT.format(1000, 'abs(iif(i = 700, -9223372036854775808, i))')),
                   Raises('^integer overflow$', errors=0))
        host.fault(f'a set within a set, for {form} function', source(form, 'pass'),
                   call(form, f'(SELECT python_rows({SET}))'), Raises('', errors=1))
    for what, rows in ('', SET), (' of 40 MB', LONG):
        for name, deed, said, ends in (
                ('SIGSEGV', 'ctypes.string_at(0)', 'was killed by SIGSEGV', Ends(-signal.SIGSEGV)),
                ('os._exit', 'os._exit(3)', 'exited with status 3', Ends(3))):
            fault(f'{name} at a row of a set{what}, in {form} function', source(form, deed), call(form, rows),
                  Raises(F + 'worker {pid} ' + said + '$', kept=False), None if what else ends)
        fault(f'a fork at a row of a set{what}, in {form} function, whose child goes on and returns',
              source(form, 'child = os.fork(); child and os.waitpid(child, 0)'), call(form, rows),
              Gives('^1000$' if not what else '^2000$'))
    fault(f'a loop at a row of a set, and a deadline, in {form} function', source(form, 'forever()', timeout=150),
          call(form), *[Raises(F + 'timed out after 150 ms$', trace='in forever\n.*TimeoutError')] * 2)
    fault(f'a loop at a row of a set, and an interrupt, in {form} function', source(form, 'forever()'),
          call(form), *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2, interrupt_ms=150)
    fault(f'an interrupt while rows are collected for {form} function', source(form, 'pass'), call(form, ENDLESS),
          *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2, interrupt_ms=150)


def kill(host, pid):
    os.kill(pid, signal.SIGKILL)


KILLED = r'worker {pid} was killed by SIGKILL( before the call)?$'
for form in FORMS:
    fault(f'a worker that is killed while {form} function reads a set',
          source(form, 'reached(); time.sleep(30)', before=REACHED), call(form, LONG),
          While(kill, Raises(F + KILLED, kept=False)))
# It is idle while rows are collected: who sends them finds it gone.
fault('a worker that is killed while rows are collected',
      source('a scalar', 'pass', before=REACHED) + '\ndef g(x):\n    if x == 5: reached()\n    return x\n'
      + 'g = udf(g)\n', 'SELECT f(' + COUNT.format(300000, 'iif(i < 10, g(i), i)') + ')',
      While(kill, Raises('worker {pid} was killed by SIGKILL( before the call)?$', kept=False)))
# Its stream is under way: the worker stopped first, so that it reads no more.
fault('a worker that is killed while a set streams to it',
      source('a scalar', 'pass', before=REACHED) + '''
@udf
def g():
    if os.fork() == 0:
        os.setsid()
        worker = os.getppid()
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(worker, signal.SIGKILL)
        os._exit(0)
    return 0
''', f'SELECT f({LONG}) FROM (SELECT g() AS x) WHERE x = 0',
      Raises(r'worker {pid} was killed by SIGKILL( before the call)?$', kept=False))


# ---- no room ----

class Limited(Raises):
    """While whoever is to keep the rows may write files of 20 MB at most."""

    def __init__(self, who, *args, **more):
        super().__init__(*args, **more)
        self.who = who

    def check(self, host, run, pid, before):
        limited = int(pid) if self.who == 'the worker' else host.process.pid
        old = resource.prlimit(limited, resource.RLIMIT_FSIZE, (20 << 20, resource.RLIM_INFINITY))
        super().check(host, run, pid, before)
        if self.kept or self.who == 'the host':
            resource.prlimit(limited, resource.RLIMIT_FSIZE, old)


TOO_SMALL = r'rows for which memory is too small: files are limited to 20971520 bytes \(ulimit -f\)$'
for form in FORMS:
    fault(f'no room in the host for the file of a set, of {form} function', source(form, 'pass'), call(form, LONG),
          *[Limited('the host', '^python_rows: ' + TOO_SMALL)] * 2)
    fault(f'no room in the worker for the file of a set, of {form} function', source(form, 'pass'),
          call(form, LONG), Limited('the worker', F + TOO_SMALL))

for host in HOSTS:
    host.close('all sets, in one host')
Tap.done()
