"""Faults of aggregate functions that are spread over workers: in each accumulator, on
the way of one to another, and in the merge."""

import os
import signal

from kinds import MANY, REACHED, While, aggregate
from rig import INTERRUPT, Ends, Gives, Raises, Tap, fault, need

F = '^python function f: '
ROWS = aggregate(MANY.format(1000))  # 128 at a time: accumulator 1 has row 1, 2 row 129
ENDLESS = aggregate(MANY.format(10 ** 12))
THREE = ['python_workers=3']

SOURCE = '''
import ctypes, os, time
from pyudf import udaf
def forever():
    while True: pass
def reached():
    open(os.environ["FAULT_FOLDER"] + "/reached", "w").close()
@udaf(parallel=True{options})
class f:
    def __init__(self):
        self.n = 0
    def step(self, x):
        self.n += 1
        if x == {row}: {step}
    def __getstate__(self):
        {getstate}
        return self.n
    def __setstate__(self, n):
        {setstate}
        self.n = n
    def merge(self, others):
        for other in others: self.n += other.n
        {merge}
    def finalize(self):
        {finalize}
        return self.n
'''
PLACES = 'getstate', 'setstate', 'merge', 'finalize'


def source(place, deed, row=200, **options):
    holes = dict.fromkeys(('step', *PLACES), 'pass')
    return SOURCE.format(**{**holes, place: deed}, row=row,
                         options=''.join(f', {k}={v!r}' for k, v in options.items()))


fault('nothing', source('step', 'pass'), ROWS, *[Gives('^1000$')] * 2, settings=THREE)

# ---- exceptions ----

for row in 1, 200, 300, 1000:
    fault(f'ValueError at row {row} of 1000', source('step', 'raise ValueError(x)', row), ROWS,
          *[Raises(F + rf'ValueError: {row} \(', trace='in step')] * 2, settings=THREE)
for place in 'setstate', 'merge', 'finalize':
    fault(f'LookupError in {place}', source(place, 'raise LookupError("no")'), ROWS,
          *[Raises(F + r'LookupError: no \(', trace=f'in (__)?{place}')] * 2, settings=THREE)
fault('an accumulator that cannot be pickled', source('getstate', 'raise RuntimeError("stays")'), ROWS,
      *[Raises(F + 'TypeError: parallel=True needs accumulators that pickle can write: stays')] * 2,
      settings=THREE)

# ---- crashes: the first worker is the one that the other functions have ----

for row, mine in (1, True), (200, False), (300, False):
    fault(f'SIGSEGV at row {row} of 1000', source('step', 'ctypes.string_at(0)', row), ROWS,
          Raises(F + ('worker {pid}' if mine else r'worker \d+') + ' was killed by SIGSEGV$',
                 kept=not mine, trace='Fatal Python error'), settings=THREE)
for place, mine in ('getstate', False), ('setstate', True), ('merge', True), ('finalize', True):
    fault(f'os._exit in {place}', source(place, 'os._exit(3)'), ROWS,
          Raises(F + ('worker {pid}' if mine else r'worker \d+') + ' exited with status 3$', kept=not mine),
          Ends(3), settings=THREE)
fault('a crash, and the same again', source('step', 'ctypes.string_at(0)'), ROWS,
      Raises(F + r'worker \d+ was killed by SIGSEGV$'), settings=THREE,
      after=lambda host: need(host.sql(ROWS).code == 1, 'no error the second time'))


def kill_others(host, pid):
    """Its siblings in the template; the host is in a statement, and cannot be asked."""
    with open(f'/proc/{pid}/stat') as file:
        template = file.read().rpartition(')')[2].split()[1]
    with open(f'/proc/{template}/task/{template}/children') as file:
        for child in file.read().split():
            if int(child) > pid:
                os.kill(int(child), signal.SIGKILL)


fault('the other workers are killed between rows', source('step', 'reached()', 5000), ENDLESS,
      While(kill_others, Raises(F + r'worker \d+ was killed by SIGKILL( before the call)?$')),
      settings=THREE + ['python_preload=decimal'])

# ---- deadlines and interrupts ----

for place, row in ('step', 1), ('step', 200), ('merge', 0), ('setstate', 0), ('getstate', 0):
    fault(f'a timeout in {place}' + (f', row {row}' if row else ''),
          source(place, 'forever()', row, timeout=300), ROWS,
          *[Raises(F + ('timed out after 300 ms$'))] * 2, settings=THREE)
    fault(f'an interrupt in {place}' + (f', row {row}' if row else ''), source(place, 'forever()', row), ROWS,
          *[Raises('^interrupted$', code=INTERRUPT, errors=0)] * 2, settings=THREE, interrupt_ms=200)
fault('an interrupt between rows', source('step', 'pass'), ENDLESS,
      *[Raises('^interrupted$', code=INTERRUPT, errors=0)] * 2, settings=THREE, interrupt_ms=200)

# ---- limits ----

fault('more workers than the host may have', source('step', 'pass'), ROWS,
      Raises(F + 'this process has 3 workers, as many as PYUDF_MAX_WORKERS allows'),
      Gives('^1000$'), settings=THREE, env={'PYUDF_MAX_WORKERS': '3'})
fault('a worker after each call', source('step', 'pass'), ROWS, Gives('^1000$', kept=False),
      settings=THREE + ['python_max_calls=1'])

Tap.done()
