"""Exceptions in every place of an aggregate function, as an aggregate and over a
window: one error for one statement, and nothing else is lost, in both modes alike."""

from kinds import FOUR, MANY, PLACES, USES, aggregate, source, window
from rig import MODES, NOMEM, Gives, Raises, Shared, Tap, fault, need

F = '^python function f: '
PLACE = r' \(<define \d+>:\d+\)$'
HOSTS = [Shared(mode) for mode in MODES]


def both(name, text, expected, call=USES['aggregate'], after=None):
    for host in HOSTS:
        host.fault(name, text, call, expected, after)


def raised(pattern, place):
    return Raises(F + pattern + PLACE, trace=rf'in {place}\n.*{pattern}')


def named(form, place):
    return 'in f\n' if form == 'rows' else f'in {place}\n'


# ---- places ----

def an(use):
    return f'an {use}' if use == 'aggregate' else f'a {use}'


for form, place, use in PLACES:
    both(f'ValueError in {place} ({form}) of {an(use)}',
         source(form, place, 'raise ValueError("it")'),
         Raises(F + 'ValueError: it' + PLACE, trace=named(form, place) + '.*ValueError: it\n$'),
         USES[use])

# ---- classes ----

for kind in ('BaseException', 'KeyboardInterrupt', 'GeneratorExit', 'StopIteration',
             'StopAsyncIteration', 'SystemExit', 'TimeoutError', 'RecursionError', 'Warning',
             'ArithmeticError', 'OSError', 'UnicodeError'):
    for place, use in (('accumulate', 'aggregate'), ('retract', 'window'),
                       ('get_value', 'window')):
        both(f'{kind} in {place}', source('accumulator', place, f'raise {kind}("it")'),
             raised(f'{kind}: it', place), USES[use])
for place, use in (('create_accumulator', 'aggregate'), ('accumulate', 'window'),
                   ('get_value', 'aggregate')):
    both(f'MemoryError in {place}', source('accumulator', place, 'raise MemoryError("no room")'),
         Raises('MemoryError: no room', NOMEM, 'MemoryError: no room'), USES[use])
    both(f'sys.exit in {place}', source('accumulator', place, 'sys.exit(3)'),
         raised('SystemExit: 3', place), USES[use])
    both(f'endless recursion in {place}', source('accumulator', place, 'again()', '''
def again(): again()
'''), Raises(F + 'RecursionError: maximum recursion depth exceeded', trace='in again\n'), USES[use])
    both(f'an exception whose __str__ raises in {place}',
         source('accumulator', place, 'raise E()', '''
class E(Exception):
    def __str__(self): raise SystemExit
'''), raised('E: <exception str\\(\\) failed>', place), USES[use])

# ---- one error, and no more ----

ALL = '''
from pyudf import udaf, udf
log = []
class _F:
    name = None
    def __init__(self): self.n = 0
    def step(self, x):
        self.n += 1
        log.append(self.name)
        if self.n == 3 and self.name == "f": raise ValueError("it")
    def finalize(self):
        log.append(self.name + "_end")
        raise ValueError(self.name)
for name in "fgh": udaf(type(name, (_F,), {"name": name}), name=name)
@udf
def logged():
    text = " ".join(log)
    log.clear()
    return text
'''


def ended(pattern):
    """What was run for the statement: nothing after what failed."""
    def check(host):
        got = host.value('SELECT logged()')
        need(pattern(got.split()), 'what was run:', got[:300])
    return check


both('three functions of which one fails', ALL, Raises(F + 'ValueError: it' + PLACE),
     f'SELECT f(column1), g(column1), h(column1) FROM {FOUR}',
     ended(lambda ran: not {'f_end', 'g_end', 'h_end'} & set(ran)))
both('an aggregate beside a scalar function that fails', ALL + """
@udf
def fail(x):
    if x == 3: raise ValueError("it")
""", Raises('^python function fail: ValueError: it' + PLACE),
     f'SELECT g(column1), h(fail(column1)) FROM {FOUR}',
     ended(lambda ran: ran == ['g', 'h', 'g', 'h', 'g']))
both('three functions that fail at their ends', ALL,
     Raises('^python function [gh]: ValueError: [gh]' + PLACE),
     f'SELECT g(column1), h(column1) FROM {FOUR}',
     ended(lambda ran: sum(name.endswith('_end') for name in ran) == 1))
both('the rows of a group after one that failed', ALL, Raises(F + 'ValueError: it' + PLACE),
     'SELECT f(a.column1) FROM (VALUES (1), (2), (3), (4), (5), (6)) a',
     ended(lambda ran: ran == ['f'] * 3))
both('one group of many that fails', source('object', 'step', 'raise ValueError("it")'),
     Raises(F + 'ValueError: it' + PLACE),
     f'SELECT f(column1) FROM {FOUR} GROUP BY column1')
both('a statement that fails elsewhere', source('object', 'value', 'pass'),
     Raises('^integer overflow$', errors=0),
     f'SELECT f(column1 + abs(-9223372036854775807 - (column1 > 2))) FROM {FOUR}')
both('a window that is left after two rows', source('object', 'finalize', 'pass'), Gives('^1$'),
     'SELECT f(column1) OVER (ORDER BY column1 ROWS 1 PRECEDING) FROM (VALUES (1), (2), (3)) LIMIT 2')

# It has an end only because of the error.
for name, calls in ('the first', 'f(column1), g(column1)'), ('the last', 'g(column1), h(column1), f(column1)'):
    both(f'{name} of many functions fails, and rows without an end', ALL, Raises(F + 'ValueError: it' + PLACE),
         f'SELECT {calls} FROM {MANY.format(10 ** 12)}',
         ended(lambda ran: not {'f_end', 'g_end', 'h_end'} & set(ran)))

# ---- what is no aggregate function when it is called ----

both('an accumulator that is None', '''
from pyudf import AggregateFunction, udaf
class _F(AggregateFunction):
    def create_accumulator(self): pass
    def accumulate(self, acc, x): acc[0] += x
    def get_value(self, acc): return acc
f = udaf(_F(), name="f")
''', Raises(F + "TypeError: 'NoneType' object is not subscriptable" + PLACE))
both('a value that SQLite does not have', source('accumulator', 'get_value', 'return object()'),
     Raises(F + 'TypeError: .*object'))
both('an int beyond 64 bits', source('accumulator', 'get_value', 'return 1 << 64'),
     Raises(F + 'OverflowError: '))
both('a value whose __str__ raises', source('accumulator', 'get_value', 'return E(1)', '''
from decimal import Decimal
class E(Decimal):
    def __str__(self): raise ValueError("it")
'''), Raises(F + 'ValueError: it' + PLACE, trace='in __str__'), window())
both('an instance that loses its step()', '''
from pyudf import udaf
@udaf
class f:
    def __init__(self): pass
    def step(self, x): del f.step
    def finalize(self): return 1
    def __getattribute__(self, name): raise AttributeError("no " + name)
''', Raises(F + 'AttributeError: no step' + PLACE, trace='in __getattribute__'))
both('a step that cannot be called', '''
from pyudf import udaf
@udaf
class f:
    def __init__(self): self.step = 3
    def step(self, x): pass
    def finalize(self): return 1
''', Raises(F + "TypeError: 'int' object is not callable"))
both('a finalize() that is gone', '''
from pyudf import udaf
class _F:
    def step(self, x): del _F.finalize
    def finalize(self): return 1
f = udaf(_F, name="f")
''', Raises(F + 'AttributeError: .*finalize'), aggregate('(VALUES (1))'))
both('a group that makes more of itself', '''
from pyudf import udaf
class _F:
    def __init__(self): self.me = self
    def step(self, x):
        self.__class__ = type("G", (_F,), {})
        self.step = None
    def finalize(self): return type(self).__name__
f = udaf(_F, name="f")
''', Gives('^G$'))

# ---- __del__ ----

TOLD = 'told on standard error'
DEL = '''
class D(list):
    def __del__(self): %s
'''
both('an exception in __del__ of an accumulator',
     source('accumulator', 'create_accumulator', 'return D([0])',
            DEL % f'raise ValueError("{TOLD}")'), Gives('^10$'),
     after=lambda host: need(TOLD in host.text('stderr'), 'standard error is empty'))
both('SystemExit in __del__ of an accumulator',
     source('accumulator', 'create_accumulator', 'return D([0])', DEL % 'sys.exit(3)'),
     Gives('^10$'))
both('an exception and another in __del__',
     source('accumulator', 'create_accumulator', 'return D("x")', DEL % 'raise ValueError("no")'),
     Raises(F + 'TypeError: '))

for host in HOSTS:
    host.close('all exceptions of aggregates')

# ---- NULL for an exception ----

for use, place, value in (('aggregate', 'accumulate', 'NULL'), ('window', 'accumulate', '4'),
                          ('aggregate', 'get_value', 'NULL'), ('window', 'get_value', 'NULL')):
    fault(f"an exception in {place} of {an(use)}, and python_on_error='null'",
          source('accumulator', place, 'raise ValueError("it")'), USES[use],
          *[Gives(f'^{value}$')] * 2, settings=["python_on_error='null'"])
Tap.done()
