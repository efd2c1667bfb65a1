"""What ends a process, in every place of an aggregate function: one statement has an
error that says how, and all that is lost with it is what the worker knew."""

import os
import signal

from kinds import FOUR, MANY, PLACES, REACHED, USES, While, aggregate, source
from rig import Ends, Gives, Raises, Tap, fault, need

F = '^python function f: '
CRASHED = F + r'worker {pid} was killed by SIG%s$'
EXITED = F + r'worker {pid} exited with status %d$'
PRELOAD = ['python_preload=decimal']  # a template of its own


def killed(sig, stack=True):
    return Raises(CRASHED % sig, kept=False,
                  trace=r'^Fatal Python error: .*<define 2>", line \d+ in ' if stack else None)


def exited(status):
    return Raises(EXITED % status, kept=False)


def an(use):
    return f'an {use}' if use == 'aggregate' else f'a {use}'


# ---- every place ----

for form, place, use in PLACES:
    fault(f'SIGSEGV in {place} ({form}) of {an(use)}', source(form, place, 'ctypes.string_at(0)'),
          USES[use], killed('SEGV'))

# ---- every way ----

C_EXIT = '''
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def handler(arg): raise ValueError("at exit")
libc = ctypes.CDLL(None)
def leave():
    libc.__cxa_atexit(handler, None, None)
    libc.exit(5)
'''
OVERFLOW = '''
def overflow():
    regex = ctypes.create_string_buffer(4096)
    return ctypes.CDLL(None).regcomp(regex, b"(" * 1000000, 1)
'''
DIE = 'os.kill(os.getpid(), signal.SIG%s); time.sleep(30)'
WAYS = [('SIGBUS', 'signal.raise_signal(signal.SIGBUS)', '', killed('BUS'), -signal.SIGBUS),
        ('SIGILL', 'signal.raise_signal(signal.SIGILL)', '', killed('ILL'), -signal.SIGILL),
        ('SIGFPE', 'signal.raise_signal(signal.SIGFPE)', '', killed('FPE'), -signal.SIGFPE),
        ('SIGABRT', 'os.abort()', '', killed('ABRT'), -signal.SIGABRT),
        ('SIGKILL', DIE % 'KILL', '', killed('KILL', False), -signal.SIGKILL),
        ('SIGTERM', DIE % 'TERM', '', killed('TERM', False), -signal.SIGTERM),
        ('os._exit(0)', 'os._exit(0)', '', exited(0), 0),
        ('os._exit(3)', 'os._exit(3)', '', exited(3), 3),
        ("C's exit() with handlers", 'leave()', C_EXIT, exited(5), 5),
        ('a stack overflow in C', 'overflow()', OVERFLOW, killed('SEGV'), -signal.SIGSEGV)]
for name, deed, before, process, status in WAYS:
    for place, use in (('accumulate', 'aggregate'), ('retract', 'window'),
                       ('get_value', 'window')):
        fault(f'{name} in {place}', source('accumulator', place, deed, before), USES[use], process,
              Ends(status) if place == 'accumulate' else None)

# ---- in the middle of many rows ----

HALF = 500_000
fault('SIGSEGV at step 500 000 of 1 000 000',
      source('accumulator', 'accumulate', 'ctypes.string_at(0)', row=HALF),
      aggregate(MANY.format(2 * HALF)), killed('SEGV'))
fault('os._exit at step 500 000 of 1 000 000, with 1000 groups',
      source('accumulator', 'accumulate', 'os._exit(0)', row=HALF),
      aggregate(MANY.format(2 * HALF)) + ' GROUP BY column1 % 1000', exited(0))
for form, place in (('object', 'step'), ('rows', 'rows')):
    fault(f'SIGKILL of a group of 100 000 rows, {form}', source(form, place, DIE % 'KILL', row=99_999),
          aggregate(MANY.format(100_000)), killed('KILL', False))


def kill(sig):
    return lambda host, pid: os.kill(pid, sig)


def kill_template(host, pid):
    with open(f'/proc/{pid}/stat') as file:
        os.kill(int(file.read().rpartition(')')[2].split()[1]), signal.SIGKILL)


# It has no end of its own.
ENDLESS = MANY.format(10 ** 12)
SLIDING = f'SELECT count(v) FROM (SELECT f(column1) OVER (ROWS 1 PRECEDING) AS v FROM {ENDLESS})'
LOST = r'worker {pid} (was killed by SIGKILL|died with the process that started it)( before the call)?$'
for use, sql in (('aggregate', aggregate(ENDLESS)), ('window', SLIDING),
                 ('window whose rows are kept', SLIDING)):
    text = source('object' if 'kept' not in use else 'kept rows', 'step', 'reached()', REACHED, 50_000)
    fault(f'a worker that is killed between the rows of {an(use)}', text, sql,
          While(kill(signal.SIGKILL), Raises(F + LOST, kept=False)))
    fault(f'a template that is killed between the rows of {an(use)}', text, sql,
          While(kill_template, Raises(F + LOST, kept=False)), settings=PRELOAD)
for place in 'step', 'finalize':
    fault(f'a worker that is killed in {place}',
          source('object', place, 'reached(); time.sleep(60)', REACHED), aggregate(),
          While(kill(signal.SIGKILL), killed('KILL', False)))

# ---- more than one group, and what has nothing to do with it ----

TWO = source('object', 'step', 'os.abort()') + '''
g = udaf(type("G", (_F,), {"step": lambda self, x: None}), name="g")
'''
fault('a crash beside groups of another function', TWO,
      f'SELECT g(column1), f(column1), g(column1 + 1) FROM {FOUR} GROUP BY column1 % 2',
      Raises(r'^python function [fg]: worker {pid} was killed by SIGABRT$', kept=False))


# ---- what is left of a group ----

DEL = '''
class D(list):
    def __del__(self): {}
'''


class Later:
    """What is expected, and what ends the worker after it: the next statement's error."""

    def __init__(self, first, how):
        self.first = first
        self.next = f'^python function tick: worker {{pid}} {how} before the call$'
        self.lost, self.kept = "the next statement, the worker's state", False

    def check(self, host, run, pid, before):
        self.first.check(host, run, pid, before)
        Raises(self.next, kept=False, errors=1 + isinstance(self.first, Raises)).check(
            host, lambda: host.sql('SELECT tick()'), pid, before)


for name, deed, how in (('SIGSEGV', 'ctypes.string_at(0)', 'was killed by SIGSEGV'),
                        ('os._exit', 'os._exit(3)', 'exited with status 3')):
    fault(f'{name} in __del__ of an accumulator',
          source('accumulator', 'create_accumulator', 'return D([0])', DEL.format(deed)), aggregate(),
          Later(Gives('^10$'), how))
fault('a crash in __del__ of an accumulator that failed',
      source('accumulator', 'create_accumulator', 'return D("x")', DEL.format('os.abort()')),
      aggregate(), Later(Raises(F + 'TypeError: '), 'was killed by SIGABRT'))

# ---- forks ----

NOTE = """
from pyudf import udf
@udf
def note():
    with open(os.environ["FAULT_FOLDER"] + "/notes", "a") as file: file.write("noted ")
    time.sleep(0.1)  # for somebody else who does it too
    return 1
"""
fault('a fork in __del__ of an accumulator, whose child returns',
      source('accumulator', 'create_accumulator', 'return D([0])', DEL.format('os.fork()') + NOTE),
      aggregate(), Gives('^10$'), after=lambda host: need(
          [host.value('SELECT note()'), host.text('notes')] == ['1', 'noted '], 'the child served a call'))

fault('a fork in accumulate, whose child returns', source(
    'accumulator', 'accumulate', '''
            child = os.fork()
            if child: os.waitpid(child, 0)'''), aggregate(), Gives('^10$'))
fault('a fork in get_value, whose child returns', source(
    'accumulator', 'get_value', '''
        child = os.fork()
        if child: os.waitpid(child, 0)'''), aggregate(), Gives('^10$'))
fault('a fork in create_accumulator, whose child raises', source(
    'accumulator', 'create_accumulator', '''
        child = os.fork()
        if not child: raise ValueError("in the child")
        os.waitpid(child, 0)'''), aggregate(), Gives('^10$'), after=lambda host: need(
            'forked by a function: ValueError: in the child' in host.text('stderr'),
            'standard error has', host.text('stderr')))

Tap.done()
