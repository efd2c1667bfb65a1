"""Deadlines and interrupts: a call that takes too long, in every way in which one
can. In process mode it gets an exception; where that does not end it, its worker is
killed. In thread mode C code, and Python that swallows the exception, go on until
they end by themselves: those here do, after a second or two."""

from rig import INTERRUPT, MODES, Gives, Raises, Tap, fault

F = '^python function f: '
TIMED_OUT = F + 'timed out after 150 ms$'
KILLED = F + 'timed out after 150 ms, and did not end: its worker was killed$'
INTERRUPTED = '^interrupted$'

# What it does, and what becomes of it: ENDS, for an exception reaches it; or,
# where only the kernel can end it, and in thread mode it ends by itself:
# LATE, with the exception as soon as it is back in Python, or not at all: NEVER.
# SWALLOWED: the exception ends what takes so long, and goes no further.
ENDS, LATE, NEVER, SWALLOWED = 'ends', 'late', 'never', 'swallowed'

# back(): it is back in Python, for as long as it takes until somebody notices.
HEAD = '''
import os, time
THREAD = os.environ["PYUDF_EXECUTION_MODE"] == "thread"
def back():
    until = time.monotonic() + 10
    while time.monotonic() < until: pass
'''

OWN_DEADLINE = '''
from pyudf import udf
f = udf(f, timeout=150)
'''

SLOW = [
    # fault, what f does, process, thread
    ('a Python loop', '''
def f():
    while True: pass
''', ENDS, ENDS),
    ('a loop of calls', '''
def g(): pass
def f():
    while True: g()
''', ENDS, ENDS),
    ('a generator without an end', '''
def f(): return sum(1 for _ in iter(int, 1))
''', ENDS, ENDS),
    ('time.sleep', '''
import time
def f():
    time.sleep(0.5 if THREAD else 60)
    back()
    return "slept"
''', ENDS, LATE),
    ('a read of a pipe', '''
import os, threading
def f():
    r, w = os.pipe()
    if THREAD: threading.Timer(0.5, os.write, (w, b"x")).start()
    try:
        os.read(r, 1)
        back()
    finally:
        os.close(r)
        os.close(w)
''', ENDS, LATE),
    ('a lock that is never released', '''
import threading
def f():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=0.5 if THREAD else -1)
    back()
''', ENDS, LATE),
    ('a condition that is never met', '''
import threading
def f():
    with (c := threading.Condition()): c.wait(0.5 if THREAD else None)
    back()
''', ENDS, LATE),
    ('a regex that backtracks', '''
import re
def f():
    re.match("(a*)*b", "a" * (22 if THREAD else 100))
    back()
''', ENDS, LATE),
    ('a child that is waited for', '''
def f():
    child = os.posix_spawnp("sleep", ["sleep", "0.5" if THREAD else "60"], os.environ)
    os.waitpid(child, 0)
    back()
''', ENDS, LATE),
    ('a loop in C', '''
def f():
    n = sum(range(3 * 10**7 if THREAD else 10**12))
    back()
''', NEVER, LATE),
    ('a sleep in C', '''
import ctypes
def f():
    ctypes.PyDLL(None).usleep(500_000 if THREAD else 60_000_000)
    back()
''', ENDS, LATE),
    ('except BaseException in a loop', '''
import time
def f():
    until = time.monotonic() + (0.5 if THREAD else 60)
    while time.monotonic() < until:
        try:
            while time.monotonic() < until: pass
        except BaseException: pass
    return "stubborn"
''', NEVER, NEVER),
    ('the signal ignored', '''
import signal, time
def f():
    try:
        for i in range(1, 65):
            try: signal.signal(i, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: pass
    finally: pass
''', NEVER, None),
    ('a handler that does nothing', '''
import signal
def f():
    for i in range(1, 65):
        try: signal.signal(i, lambda *args: None)
        except (OSError, ValueError): pass
    while True: pass
''', NEVER, None),
    ('the signals blocked', '''
import signal
def f():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True: pass
''', NEVER, None),
    ('a worker that stops itself', '''
import os, signal
def f(): os.kill(os.getpid(), signal.SIGSTOP)
''', NEVER, None),
    ('__del__ without an end', '''
class C:
    def __del__(self):
        while True: pass
def f():
    c = C()
    del c
    return "told on standard error"
''', SWALLOWED, SWALLOWED),
    ('__str__ of a result without an end', '''
from decimal import Decimal
class C(Decimal):
    def __str__(self):
        while True: pass
def f(): return C(1)
''', ENDS, ENDS),
    ('__str__ of an exception without an end', '''
class E(Exception):
    def __str__(self):
        while True: pass
def f(): raise E
''', ENDS, ENDS),
]


def expected(what, mode, pattern, killed, code):
    if what is None:
        return None
    if what is NEVER and mode == 'process':
        return Raises(killed, code, kept=False, errors=code != INTERRUPT)
    # An interrupted statement says so all the same: at its next row.
    if what in (NEVER, SWALLOWED) and code != INTERRUPT:
        return Gives('stubborn|told')
    return Raises(pattern, code, errors=code != INTERRUPT)


for name, source, process, thread in SLOW:
    source = HEAD + source
    fault(f'{name}, and a deadline', source + OWN_DEADLINE, 'f()',
          *(expected(what, mode, TIMED_OUT, KILLED, 1)
            for mode, what in zip(MODES, (process, thread))))
    fault(f'{name}, and an interrupt', source, 'f()',
          *(expected(what, mode, INTERRUPTED, INTERRUPTED, INTERRUPT)
            for mode, what in zip(MODES, (process, thread))),
          interrupt_ms=150)

# ---- which deadline, and whose ----

LOOP = 'def f():\n    while True: pass\n'
fault("the session's deadline", LOOP, 'f()', *[Raises(F + 'timed out after 300 ms$')] * 2,
      settings=['python_timeout=300'])
OWN = 'from pyudf import udf\n@udf(timeout=%d)\n' + LOOP
for name, source, settings, ms in (
        ("a function's own deadline", OWN % 150, [], 150),
        ("a function's own deadline, shorter than the session's", OWN % 150,
         ['python_timeout=60000'], 150),
        ("a function's own deadline, longer than the session's", OWN % 400,
         ['python_timeout=200'], 400)):
    fault(name, source, 'f()', *[Raises(f'{F}timed out after {ms} ms$',
                                        trace='in f\n.*TimeoutError')] * 2,
          settings=settings)
fault('a deadline in python_eval', '', "SELECT python_eval('sum(1 for _ in iter(int, 1))')",
      *[Raises('^python_eval: timed out after 200 ms$')] * 2,
      settings=['python_timeout=200'])
fault('an interrupt in python_eval', '', "SELECT python_eval('sum(1 for _ in iter(int, 1))')",
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=200)
fault('an interrupt in python_define', '', "SELECT python_define('while True: pass')",
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=200)
fault('a deadline of many quick calls', 'def f(x): return x',
      'SELECT count(f(x)) FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL '
      'SELECT x + 1 FROM c WHERE x < 30000) SELECT x FROM c)',
      *[Gives('^30000$')] * 2, settings=['python_timeout=200'])
fault('an interrupt between quick calls', 'def f(x): return x',
      'SELECT count(f(x)) FROM (WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL '
      'SELECT x + 1 FROM c) SELECT x FROM c)',
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=200)
fault('a deadline that the function makes the best of', '''
import time
def f():
    try:
        while True: time.sleep(0.01)
    except TimeoutError: return "tidied"
''', 'f()', *[Gives('tidied')] * 2, settings=['python_timeout=200'])

Tap.done()
