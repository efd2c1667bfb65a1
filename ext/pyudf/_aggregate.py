"""What an aggregate function is made of: its form for the runtime.

A form is a tuple (number, create, step, inverse, value, merge), as
aggregate_new() in group.c reads it:

0: create() gives an accumulator; the others are called with it.
1: create() gives an instance, whose methods have the names of SQLite's users:
   step, finalize, inverse, value, merge. Here the last three only say whether
   there are such methods.
2: value(rows, argc) is called with the rows of the whole group, which are tuples
   of so many arguments, or of one argument its values.
"""

from types import FunctionType

from ._columns import COLUMNS
from ._errors import UsageError
from ._signature import is_coroutine, is_generator, signature
from ._udaf import PYFLINKS, own
from ._udf import DEFAULT, has, target

_ACCUMULATOR, _OBJECT, _ROWS = range(3)  # enum aggregate_form
_MERGE = 5  # where a form has it


def is_aggregate(obj):
    """True for a class or an instance that has what an aggregate has."""
    if isinstance(obj, type) and has(obj, 'step', 'finalize'):
        return True
    return has(obj, *PYFLINKS)


class Aggregate:
    """How an aggregate function is called and run.

    form: for the runtime.
    how: the Signature of its arguments.
    inverse: whether rows that leave a window are taken away one by one.
    place: the function that says where it is written.
    """

    __slots__ = ('form', 'how', 'inverse', 'place')


def aggregate_of(name, obj, spec):
    """The Aggregate of an object that was found under a name.

    Raises UsageError for one that SQL cannot call.
    """
    obj = target(obj)
    if isinstance(obj, type) and has(obj, 'step', 'finalize'):
        found = _of_class(name, obj, spec)
    elif is_aggregate(obj):
        found = _of_accumulator(name, obj() if isinstance(obj, type) else obj,
                                spec)
    else:
        found = _of_function(name, obj, spec)
    if found.form[0] != _ROWS and spec.func_type != 'general':
        raise UsageError(f'{name!r} has func_type={spec.func_type!r}, which is for '
                         'functions of the whole group')
    if spec.parallel and found.form[_MERGE] is None:
        raise UsageError(f'{name!r} is declared parallel=True, and has no '
                         'merge() for the accumulators of its workers')
    return found


def _check_plain(name, what, function):
    """Neither a generator nor async: nobody would run it."""
    kind = ('a generator' if is_generator(function) else
            'async' if is_coroutine(function) else None)
    if kind:
        raise UsageError(f'{name!r} cannot be an aggregate function: {what} is '
                         f'{kind}')


def _check_methods(name, cls):
    """They take what they are called with. Those that are no functions of
    Python's are believed."""
    wanted = {'__init__': (1, 1), 'step': (1, None), 'value': (1, 1),
              'finalize': (1, 1), 'merge': (2, 2), 'inverse': (1, None)}
    for method, (least, most) in wanted.items():
        function = _found_in(cls, method)
        if type(function) is not FunctionType:
            continue
        _check_plain(name, f'its {method}()', function)
        how = signature(name, function, DEFAULT, lenient=True)
        if how.min > (most or how.min) or 0 <= how.max < least:
            called = 'self and a list' if least == 2 else 'self' + (
                '' if most else ' and the arguments')
            raise UsageError(f'{name!r} cannot be an aggregate function: its '
                             f'{method}({how.arguments}) is called with {called}')


def _found_in(cls, name):
    """What the class or one of its bases has under the name, as it stands
    there, or None."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


def _of_class(name, cls, spec):
    _check_methods(name, cls)
    found = Aggregate()
    found.place = cls.step
    inverse, value = has(cls, 'inverse'), has(cls, 'value')
    bound = isinstance(_found_in(cls, 'step'), (staticmethod, classmethod))
    found.inverse = inverse and value
    found.form = (_OBJECT, cls, None, inverse or None, value or None,
                  has(cls, 'merge') or None)
    found.how = signature(name, cls.step, spec,
                          skip=0 if bound else 1)
    found.how.result = found.how.result or _result(name, cls.finalize, spec)
    return found


def _of_accumulator(name, obj, spec):
    for method in (*PYFLINKS, 'retract', 'merge'):
        _check_plain(name, f'its {method}()', getattr(obj, method, None))
    found = Aggregate()
    retract, merge = own(obj, 'retract'), own(obj, 'merge')
    found.place = obj.accumulate
    found.inverse = retract is not None
    found.form = (_ACCUMULATOR, obj.create_accumulator, obj.accumulate, retract,
                  obj.get_value, merge)
    found.how = signature(name, obj.accumulate, spec, skip=1)
    found.how.result = found.how.result or _result(name, obj.get_value, spec)
    return found


def _result(name, method, spec):
    """What the annotation of the method says of its result."""
    return signature(name, method, DEFAULT, lenient=True).result


def _of_function(name, function, spec):
    _check_plain(name, 'it', function)
    found = Aggregate()
    found.place = function
    found.inverse = False
    found.how = how = signature(name, function, spec)
    found.form = (_ROWS, None, None, None,
                  _Rows(function, spec.func_type).value, None)
    # The annotations are the columns', and not the values'.
    how.codes = bytes(len(how.codes))
    return found


class _Rows:
    """Calls a function of a whole group."""

    def __init__(self, function, func_type):
        self.function = function
        self.column = COLUMNS[func_type]

    def value(self, rows, argc):
        if argc == 1:
            return self.function(self.column(rows))
        columns = map(list, zip(*rows)) if rows else ([] for _ in range(argc))
        return self.function(*map(self.column, columns))
