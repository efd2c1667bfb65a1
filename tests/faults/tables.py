"""What goes wrong in a table function, in every place: the call, a first row, a later
row, the end, and where it is closed before its end."""

import os
import signal

from kinds import REACHED, While
from rig import (INTERRUPT, MODES, NOMEM, Ends, Gives, Raises, Shared, Tap, fault, need)

F = '^python function f: '
PLACE = r' \(<define \d+>:\d+\)$'
CRASHED = F + r'worker {pid} was killed by SIG%s( before the call)?$'
EXITED = F + r'worker {pid} exited with status %d( before the call)?$'
HOSTS = [Shared(mode) for mode in MODES]

# `close` runs where the statement wants no more rows, `end` where there are no more.
TEMPLATE = '''
import ctypes, os, signal, sys, time
from pyudf import udtf
{before}
def f(n=8):
    {call}
    def rows():
        try:
            for i in range(n):
                if i == 0: {first}
                if i == 5: {later}
                yield i
            {end}
        except GeneratorExit:
            {close}
            raise
    return rows()
f = udtf(f{options})
'''
PLACES = ('call', 'first', 'later', 'end')


def source(place, deed, before='', **options):
    holes = {name: deed if name == place else 'pass'
             for name in ('call', 'first', 'later', 'end', 'close')}
    options = ''.join(f', {k}={v!r}' for k, v in options.items())
    return TEMPLATE.format(before=before, options=options, **holes)


ALL = 'SELECT sum(value) FROM f()'
# More rows than a worker makes before it looks whether they are wanted.
SOME = 'SELECT sum(value) FROM (SELECT value FROM f(1000000000) LIMIT 4)'
JOINED = 'SELECT sum(f.value) FROM (VALUES (8), (8)) AS v, f(v.column1)'


def both(name, text, expected, call=ALL, after=None):
    for host in HOSTS:
        host.fault(name, text, call, expected, after)


# ---- exceptions ----

for place in PLACES:
    for use, call in (('', ALL), (', in a join', JOINED)):
        both(f'ValueError in {place} of a table function{use}', source(place, 'raise ValueError("it")'),
             Raises(F + 'ValueError: it' + PLACE, trace='in (f|rows)\n.*ValueError: it\n$'), call)
for kind in ('BaseException', 'KeyboardInterrupt', 'StopAsyncIteration', 'SystemExit', 'TimeoutError',
             'RecursionError', 'OSError', 'UnicodeError'):
    for place in 'call', 'later':
        both(f'{kind} in {place} of a table function', source(place, f'raise {kind}("it")'),
             Raises(F + f'{kind}: it' + PLACE, trace=f'{kind}: it'))
both('StopIteration in a generator', source('later', 'raise StopIteration'),
     Raises(F + 'RuntimeError: generator raised StopIteration'))
for place in PLACES:
    both(f'MemoryError in {place} of a table function', source(place, 'raise MemoryError("no room")'),
         Raises('MemoryError: no room', NOMEM, 'MemoryError: no room'))
both('ValueError where a generator is closed', source('close', 'raise ValueError("closing")'), Gives('^6$'),
     SOME, after=lambda host: need(
         host.value('SELECT message FROM python_errors ORDER BY id DESC LIMIT 1') == 'closing',
         'python_errors does not have it'))
both('a generator that goes on where it is closed', source('close', 'yield 99'), Gives('^6$'), SOME)
both('an object that is no row', source('later', 'yield object()'),
     Raises(F + "TypeError: a result of type 'object' has no form in SQL"))
both('ValueError in __next__ of an iterator', '''
from pyudf import udtf
class It:
    def __iter__(self): return self
    def __next__(self): raise ValueError("it")
f = udtf(lambda: It())
''', Raises(F + 'ValueError: it' + PLACE))
both('ValueError in __iter__', '''
from pyudf import udtf
class It:
    def __iter__(self): raise ValueError("it")
f = udtf(lambda: It())
''', Raises(F + 'ValueError: it' + PLACE))
both('a close() that is none', '''
from pyudf import udtf
class It:
    close = 5
    def __iter__(self): return self
    def __next__(self): return 1
f = udtf(lambda n: It())
''', Gives('^4$'), SOME)

# ---- what ends a process ----


def killed(sig, stack=True):
    return Raises(CRASHED % sig, kept=False,
                  trace=r'^Fatal Python error: .*<define 2>", line \d+ in ' if stack else None)


def exited(status):
    return Raises(EXITED % status, kept=False)


DIE = 'os.kill(os.getpid(), signal.SIGKILL); time.sleep(30)'
for place in PLACES:
    fault(f'SIGSEGV in {place} of a table function', source(place, 'ctypes.string_at(0)'), ALL, killed('SEGV'),
          Ends(-signal.SIGSEGV) if place == 'later' else None)
    fault(f'os._exit in {place} of a table function', source(place, 'os._exit(3)'), ALL, exited(3))
    fault(f'SIGKILL in {place} of a table function', source(place, DIE), JOINED, killed('KILL', False))

# The statement has all its rows; python_errors says what the worker ended of.
fault('SIGSEGV where a generator is closed', source('close', 'ctypes.string_at(0)'), SOME,
      Gives('^6$', kept=False), after=lambda host: need(
          'SIGSEGV' in host.value('SELECT message FROM python_errors ORDER BY id DESC LIMIT 1'),
          'python_errors does not have it'))


def kill(host, pid):
    os.kill(pid, signal.SIGKILL)


def kill_template(host, pid):
    with open(f'/proc/{pid}/stat') as file:
        os.kill(int(file.read().rpartition(')')[2].split()[1]), signal.SIGKILL)


ENDLESS = 'SELECT count(value) FROM f(1000000000000)'
LOST = r'worker {pid} (was killed by SIGKILL|died with the process that started it)( before the call)?$'
fault('a worker that is killed between rows', source('later', 'reached()', REACHED), ENDLESS,
      While(kill, Raises(F + LOST, kept=False)))
fault('a template that is killed between rows', source('later', 'reached()', REACHED), ENDLESS,
      While(kill_template, Raises(F + LOST, kept=False)), settings=['python_preload=decimal'])

# ---- forks ----

for place in PLACES:
    fault(f'a fork in {place} of a table function, whose child returns',
          source(place, '''child = os.fork()
                child and os.waitpid(child, 0)'''.replace('\n' + ' ' * 16, '; ')), ALL, Gives('^28$'))

# ---- deadlines and interrupts ----

HEAD = '''
THREAD = os.environ["PYUDF_EXECUTION_MODE"] == "thread"
def forever():
    while True: pass
def stubborn():
    until = time.monotonic() + (0.3 if THREAD else 60)
    while time.monotonic() < until:
        try:
            while time.monotonic() < until: pass
        except BaseException: pass
'''
for place in PLACES:
    fault(f'a loop in {place} of a table function, and a deadline', source(place, 'forever()', HEAD, timeout=150),
          ALL, *[Raises(F + 'timed out after 150 ms$', trace='in forever\n.*TimeoutError')] * 2)
    fault(f'a loop in {place} of a table function, and an interrupt', source(place, 'forever()', HEAD), ALL,
          *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2, interrupt_ms=150)
fault('a loop where a generator is closed, and a deadline', source('close', 'forever()', HEAD), SOME,
      *[Gives('^6$')] * 2, settings=['python_timeout=150'])
fault('except BaseException in a row, and a deadline', source('later', 'stubborn()', HEAD), ALL,
      Raises(F + 'timed out after 150 ms, and did not end: its worker was killed$', kept=False),
      Gives('^28$'), settings=['python_timeout=150'])
fault('rows without an end, and an interrupt', source('call', 'pass'), ENDLESS,
      *[Raises('^interrupted$', INTERRUPT, errors=0)] * 2, interrupt_ms=150)
# The worker may be at a row that nobody wants, or not yet.
fault('a loop behind the last row that is wanted', source('later', 'forever()', HEAD),
      'SELECT sum(value) FROM (SELECT value FROM f() LIMIT 5)', *[Gives('^10$')] * 2)

for host in HOSTS:
    host.close('all table functions, in one host')
Tap.done()
