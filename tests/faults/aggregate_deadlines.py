"""Deadlines, interrupts and limits of aggregate functions: in every place, between
rows, and for what lies in the ring that nobody wants any more."""

import os
import signal

from kinds import FOUR, MANY, REACHED, USES, While, aggregate, source
from rig import (INTERRUPT, NOMEM, SANITIZER, STATEMENT, Gives, Raises, Tap, begin, end, fault, need, trial,
                 wait_for)

F = '^python function f: '
INTERRUPTED = '^interrupted$'
ENDLESS = MANY.format(10 ** 12)


def an(use):
    return f'an {use}' if use == 'aggregate' else f'a {use}'


# ---- every place ----

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
SOME = [('accumulator', 'create_accumulator', 'aggregate'), ('accumulator', 'accumulate', 'aggregate'),
        ('accumulator', 'accumulate', 'window'), ('accumulator', 'retract', 'window'),
        ('accumulator', 'get_value', 'aggregate'), ('accumulator', 'get_value', 'window'),
        ('object', 'finalize', 'aggregate'), ('object', '__init__', 'window'),
        ('kept rows', 'finalize', 'window'), ('rows', 'rows', 'aggregate')]

for form, place, use in SOME:
    where = f'{place} ({form}) of {an(use)}'
    text = source(form, place, 'forever()', HEAD)
    own = source(form, place, 'forever()', HEAD, timeout=150)
    fault(f'a loop in {where}, and a deadline', own, USES[use],
          *[Raises(F + 'timed out after 150 ms$', trace='in forever\n.*TimeoutError')] * 2)
    fault(f'a loop in {where}, and an interrupt', text, USES[use],
          *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=150)
for form, place, use in SOME[1:7:2] + SOME[6:7]:
    where = f'{place} ({form}) of {an(use)}'
    text = source(form, place, 'stubborn()', HEAD)
    fault(f'except BaseException in {where}, and a deadline', text, USES[use],
          Raises(F + 'timed out after 150 ms, and did not end: its worker was killed$', kept=False),
          Gives('^[0-9]+$'), settings=['python_timeout=150'])
    fault(f'except BaseException in {where}, and an interrupt', text, USES[use],
          Raises(INTERRUPTED, INTERRUPT, errors=0, kept=False),
          Raises(INTERRUPTED, INTERRUPT, errors=0), interrupt_ms=150)

# ---- which deadline ----

LOOP = source('accumulator', 'accumulate', 'forever()', HEAD)
fault("the session's deadline of an aggregate", LOOP, aggregate(),
      *[Raises(F + 'timed out after 300 ms$')] * 2, settings=['python_timeout=300'])
fault("an aggregate's own deadline, longer than the session's",
      source('accumulator', 'accumulate', 'forever()', HEAD, timeout=400), aggregate(),
      *[Raises(F + 'timed out after 400 ms$')] * 2, settings=['python_timeout=200'])
fault('a deadline of many quick rows', source('accumulator', 'accumulate', 'pass'),
      aggregate(MANY.format(300_000)), *[Gives('^45000150000$')] * 2, settings=['python_timeout=200'])
fault('a deadline of rows that take as long together',
      source('object', 'step', 'pass').replace('self.sum += x', 'self.sum += x; time.sleep(0.02)'),
      aggregate(MANY.format(20)), *[Gives('^210$')] * 2, settings=['python_timeout=300'])
fault('a deadline that a step makes the best of', source('object', 'step', '''
            try:
                while True: time.sleep(0.01)
            except TimeoutError: self.sum += 100'''), aggregate(), *[Gives('^110$')] * 2,
      settings=['python_timeout=200'])
for place, deed in (('create_accumulator', 'return D([0])'),
                    ('create_accumulator', 'return D("x")')):
    good = '[0]' in deed
    fault(f'__del__ without an end of an accumulator{"" if good else " that failed"}, and a deadline',
          source('accumulator', place, deed, HEAD + '''
class D(list):
    def __del__(self): forever()
'''), aggregate(), *[Gives('^10$') if good else Raises(F + 'TypeError: ')] * 2,
          settings=['python_timeout=200'])

# ---- between rows ----

for use, sql in (('aggregate', aggregate(ENDLESS)),
                 ('window', f'SELECT count(v) FROM (SELECT f(column1) OVER (ROWS 1 PRECEDING) AS v FROM {ENDLESS})')):
    fault(f'an interrupt between quick rows of {an(use)}', source('object', 'step', 'pass'), sql,
          *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=200)

# Rows lie in the ring for which nobody waits: thousands, of 20 ms each.
SLOW = source('object', 'step', 'pass').replace('self.sum += x', 'self.sum += x; time.sleep(0.02)')
fault('an interrupt between slow rows', SLOW, aggregate(ENDLESS),
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=300)
fault('an interrupt between slow rows of many groups', SLOW,
      f'SELECT f(column1), f(column1 + 1), f(-column1) FROM {ENDLESS}',
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=300)
fault('an interrupt beside a group that lives on', SLOW, aggregate(ENDLESS),
      *[Raises(INTERRUPTED, INTERRUPT, errors=0)] * 2, interrupt_ms=300,
      after=lambda host: need(host.value(aggregate()) == '10', 'the next group'))

# ---- a worker that does not run ----


def stop(host, pid):
    os.kill(pid, signal.SIGSTOP)


for place in 'step', 'finalize':
    text = source('object', place, 'reached(); time.sleep(0.2)', REACHED)
    fault(f'a worker that is stopped in {place}, and a deadline', text, aggregate(),
          While(stop, Raises(F + 'timed out after 400 ms, and did not end: its worker was killed$', kept=False)),
          settings=['python_timeout=400'])
    fault(f'a worker that is stopped in {place}, and an interrupt', text, aggregate(),
          While(stop, Raises(INTERRUPTED, INTERRUPT, errors=0, kept=False)), interrupt_ms=600)
fault('a worker that is stopped between rows, and a deadline',
      source('object', 'step', 'reached()', REACHED, 50_000), aggregate(ENDLESS),
      While(stop, Raises(F + 'timed out after 300 ms, and did not end: its worker was killed$', kept=False)),
      settings=['python_timeout=300'])

# ---- memory, and the number of calls ----


def memory(name, text, sql, expected):
    if SANITIZER:
        Tap.line(True, 'process', name, f'nothing # SKIP {SANITIZER} maps more than any limit')
    else:
        fault(name, text, sql, expected, settings=['python_memory_limit=400'])


OUT = Raises(F + '(MemoryError.*|out of memory)$', NOMEM)
memory('an accumulator without a bound',
       source('accumulator', 'accumulate', 'pass').replace('acc[0] += x', 'acc.append(bytes(100_000))'),
       aggregate(ENDLESS), OUT)
LENGTHS = source('rows', 'rows', 'pass').replace('sum(values)', 'len(list(values))').replace('BIGINT', 'BYTES')
memory('rows that are kept without a bound', LENGTHS,
       f'SELECT f(zeroblob(100000 + column1)) FROM {ENDLESS}', OUT)
memory('rows of a window that are kept without a bound', LENGTHS,
       f'SELECT count(v) FROM (SELECT f(zeroblob(100000 + column1)) OVER (ROWS UNBOUNDED PRECEDING) AS v FROM {ENDLESS})',
       OUT)
memory('a MemoryError in one group of many', source('object', 'step', 'bytearray(10**9)'),
       aggregate() + ' GROUP BY column1', OUT)

fault('workers are not replaced while groups are open', source('object', 'step', 'pass'),
      f'SELECT f(column1) || " " || count(DISTINCT pid()) FROM {MANY.format(1000)}'.replace('"', "'"),
      Gives('^500500 1$', kept=False), settings=['python_max_calls=200'])
fault('workers are replaced between groups', source('object', 'step', 'pass'),
      f'SELECT sum(v) FROM (SELECT f(column1) AS v FROM {MANY.format(1000)} GROUP BY column1 / 10)',
      Gives('^500500$', kept=False), settings=['python_max_calls=20'])

# ---- once more ----

for form, place, use in SOME[1:6:2]:
    fault(f'a crash in {place} of {an(use)} that is deterministic, and python_on_crash=retry',
          source(form, place, 'tried()', '''
def tried():
    with open(os.environ["FAULT_FOLDER"] + "/tries", "a") as file: file.write("x")
    os.abort()
''', deterministic=True), USES[use],
          Raises(F + 'worker {pid} was killed by SIGABRT$', kept=False),
          settings=['python_on_crash=retry'],
          after=lambda host: need(host.text('tries') == 'x', 'tries:', host.text('tries')))

# ---- output ----

for name, deed, descriptor in (('print', 'print("text")', False), ('os.write(1)', 'os.write(1, b"text")', True),
                               ("C's printf", 'ctypes.CDLL(None).printf(b"text\\n"); ctypes.CDLL(None).fflush(None)',
                                True)):
    def body(host, deed=deed):
        empty = begin(host)
        host.define(source('object', 'step', deed))
        need(host.value(aggregate()) == '10', 'f')
        end(host, empty)
        need(wait_for(lambda: 'text' in host.text('stderr')), 'standard error has', host.text('stderr'))
        need(host.text('stdout') == '', 'standard output has', host.text('stdout'))
    for mode in ('process',) if descriptor else ('process', 'thread'):
        trial(mode, f'output by {name} in a step', 'nothing', body)

# ---- what is left of a group ----


class Freed:
    """A value; and before the next statement the accumulator is gone."""
    lost, kept = 'nothing', True

    def check(self, host, run, pid, before):
        Gives('^[0-9]+$').check(host, run, pid, before)
        need(wait_for(lambda: os.path.exists(host.path('freed'))),
             'the accumulator is there until the next statement')


for use, sql in USES.items():
    fault(f'an accumulator after the end of {an(use)}', source(
        'accumulator', 'create_accumulator', 'return D([0])', '''
class D(list):
    def __del__(self): open(os.environ["FAULT_FOLDER"] + "/freed", "w").close()
'''), sql, *[Freed()] * 2)

Tap.done()
