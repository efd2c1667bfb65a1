"""Aggregate functions with a fault in one place, as an aggregate and over a window.

A function f is written in one of three forms; `place` is the method that does
`deed`, a statement. What a place is called in each form:

    accumulator   create_accumulator  accumulate  retract  get_value
    object        __init__            step        inverse  value  finalize
    rows          rows
"""

import os
import threading

from rig import Wrong, wait_for

ACCUMULATOR = '''
class _F(AggregateFunction):
    def create_accumulator(self):
        {create_accumulator}
        return [0]
    def accumulate(self, acc, x):
        acc[0] += x
        if x == {row}: {accumulate}
    def retract(self, acc, x):
        acc[0] -= x
        {retract}
    def get_value(self, acc):
        {get_value}
        return acc[0]
f = udaf(_F(), name="f"{options})
'''

OBJECT = '''
class _F:
    def __init__(self):
        {__init__}
        self.sum = 0
    def step(self, x):
        self.sum += x
        if x == {row}: {step}
    def inverse(self, x):
        self.sum -= x
        {inverse}
    def value(self):
        {value}
        return self.sum
    def finalize(self):
        {finalize}
        return self.sum
f = udaf(_F, name="f"{options})
'''

# Rows that leave are not taken back: what is left is stepped again.
KEPT = OBJECT.replace('def inverse', 'def _inverse').replace('def value', 'def _value')

ROWS = '''
@udaf(input_types=["BIGINT"]{options})
def f(values):
    total = sum(values)
    {rows}
    return total
'''

FORMS = {'accumulator': (ACCUMULATOR, ('create_accumulator', 'accumulate', 'retract', 'get_value')),
         'object': (OBJECT, ('__init__', 'step', 'inverse', 'value', 'finalize')),
         'kept rows': (KEPT, ('__init__', 'step', 'finalize')),
         'rows': (ROWS, ('rows',))}

FOUR = '(VALUES (1), (2), (3), (4))'
MANY = ('(WITH RECURSIVE c(column1) AS (VALUES (1) UNION ALL SELECT column1 + 1 FROM c '
        'WHERE column1 < {}) SELECT column1 FROM c)')


def aggregate(rows=FOUR):
    return f'SELECT f(column1) FROM {rows}'


def window(rows=FOUR):
    return ('SELECT sum(v), count(*) FROM (SELECT f(column1) OVER (ORDER BY column1 ROWS 1 PRECEDING) '
            f'AS v FROM {rows})')


USES = {'aggregate': aggregate(), 'window': window()}

# Each (form, place, use) that runs: what takes a row back and what a window's value
# is are a window's; how a window with value() ends is not heard by SQLite.
PLACES = [(form, place, use) for form, (_, places) in FORMS.items() for place in places
          for use in USES
          if (use, place) not in [('aggregate', 'retract'), ('aggregate', 'inverse'),
                                  ('aggregate', 'value')]
          and (form, use, place) != ('object', 'window', 'finalize')]


def source(form, place, deed, before='', row=3, **options):
    """The module of f, which does `deed` in `place`. row: the step that does."""
    template, places = FORMS[form]
    holes = {name: deed if name == place else 'pass' for name in places}
    options = ''.join(f', {k}={v!r}' for k, v in options.items())
    return ('import ctypes, os, signal, sys, time\nfrom pyudf import AggregateFunction, udaf\n'
            + before + '\n' + template.format_map(
                {**dict.fromkeys(('__init__', 'inverse', 'value'), 'pass'), **holes, 'row': row,
                 'options': options}))


# A step that says that it has been reached; `REACHED` stands in `before`.
REACHED = '''
def reached():
    open(os.environ["FAULT_FOLDER"] + "/reached", "w").close()
'''


class While:
    """`deed(host, pid)` once the statement's function has said reached()."""

    def __init__(self, deed, expected):
        self.deed, self.expected = deed, expected
        self.lost, self.kept = expected.lost, expected.kept

    def check(self, host, run, pid, before):
        seen = []

        def watch():
            seen.append(wait_for(lambda: os.path.exists(host.path('reached'))))
            if seen[0]:
                self.deed(host, int(pid))
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            self.expected.check(host, run, pid, before)
        finally:
            thread.join()
        if not seen[0]:
            raise Wrong('it was never reached')
