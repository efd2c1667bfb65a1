"""The decorator `udaf` and what it accepts."""

import sys

from ._udf import UserDefinedFunction, declared, has, mark, target


class AggregateFunction:
    """An aggregate function over groups: subclass it.

        class Mean(AggregateFunction):
            def create_accumulator(self):
                return [0, 0]
            def accumulate(self, acc, x):
                acc[0] += x
                acc[1] += 1
            def retract(self, acc, x):
                acc[0] -= x
                acc[1] -= 1
            def get_value(self, acc):
                return acc[0] / acc[1] if acc[1] else None

        mean = udaf(Mean(), result_type='DOUBLE')

    An accumulator is any object that accumulate() can change. With retract() a
    moving window costs one call for a row that leaves; without, its rows are kept.
    """

    def open(self, function_context):
        """Called once before the first group, where the calls will run."""

    def close(self):
        """Called once after the last group, if the process gets that far."""

    def create_accumulator(self):
        """A new accumulator: of a group, an empty one too."""
        raise NotImplementedError(f'{type(self).__name__}.create_accumulator')

    def accumulate(self, accumulator, *args):
        """Called for every row of the group."""
        raise NotImplementedError(f'{type(self).__name__}.accumulate')

    def retract(self, accumulator, *args):
        """Called for a row that leaves a moving window; may be left out."""
        raise NotImplementedError(f'{type(self).__name__}.retract')

    def merge(self, accumulator, accumulators):
        """Adds other accumulators of the same group, an iterable of them, to the
        first; may be left out but for parallel=True."""
        raise NotImplementedError(f'{type(self).__name__}.merge')

    def get_value(self, accumulator):
        """The value of the rows so far. May be called many times."""
        raise NotImplementedError(f'{type(self).__name__}.get_value')


PYFLINKS = 'create_accumulator', 'accumulate', 'get_value'
BATCHES = ('general', 'list', 'numpy', 'pandas')


def lacks(cls):
    """'step() but no finalize()' of a class that is almost an aggregate, else
    None."""
    for names in ('step', 'finalize'), PYFLINKS:
        there = [n for n in names if callable(own(cls, n))]
        gone = [n for n in names if n not in there]
        if there and gone:
            return (' and '.join(f'{n}()' for n in there) + ' but no '
                    + ' and no '.join(f'{n}()' for n in gone))
    return None


def own(obj, name):
    """A method of a class or an instance, None where AggregateFunction has it
    only to be left out."""
    method = getattr(obj, name, None)
    left_out = getattr(AggregateFunction, name, None)
    return None if getattr(method, '__func__', method) is left_out else method


def udaf(f=None, input_types=None, result_type=None, deterministic=False,
         name=None, func_type='general', *, accumulator_type=None, direct_only=True, innocuous=False,
         null_call=True, mode=None, timeout=0, parallel=False):
    """Declares an aggregate function for SQL; it is a window function too.

    Used as `@udaf`, as `@udaf(result_type='BIGINT', ...)` or as `udaf(f, ...)`.

    f: an instance of a subclass of AggregateFunction, or such a class; a class
        with step() and finalize() and maybe value() and inverse(); or a function
        that is called once a group, with an iterator for each parameter: over
        the values of that argument.
    func_type: what such a function gets instead of iterators: 'list', 'numpy'
        (arrays) or 'pandas' (Series).
    null_call: False: rows where an argument is NULL are left out.
    accumulator_type: for humans, and PyFlink's modules.
    parallel: True deals the rows of a big group to accumulators in as many
        workers as python_workers says, and merges them at the end: for functions
        with merge() whose value does not depend on the rows' order.
    The other arguments are those of `udf`.

    Returns a function that is called as f was, or f with a mark.
    Raises TypeError or ValueError for an argument that is none of these.
    """
    scope = sys._getframe(1).f_globals
    if func_type not in BATCHES:
        raise ValueError("udaf: func_type must be one of 'general', 'list', "
                         f"'numpy', 'pandas', not {func_type!r}")
    if not isinstance(parallel, bool):
        raise TypeError(f'udaf: parallel must be True or False, not {parallel!r}')
    spec = declared('udaf', scope, name=name, input_types=input_types,
                    result_type=result_type, deterministic=deterministic,
                    direct_only=direct_only, innocuous=innocuous,
                    null_call=null_call, mode=mode, timeout=timeout)
    spec.kind = 'aggregate'
    spec.func_type = func_type
    spec.parallel = parallel
    if f is None:
        return lambda function: _mark(function, spec, scope, False)
    return _mark(f, spec, scope, True)


def _mark(obj, spec, scope, copy):
    if isinstance(obj, type) and issubclass(obj, AggregateFunction):
        _check_class(obj, scope)
        obj = obj()
    if isinstance(obj, UserDefinedFunction):
        obj = obj.__wrapped__
    if isinstance(obj, AggregateFunction):
        obj = UserDefinedFunction(obj)
    elif isinstance(obj, type):
        _check_class(obj, scope)
    elif not callable(target(obj)):
        raise TypeError('udaf: a function, a class with step() and finalize(), or '
                        'an instance of AggregateFunction is expected, not an '
                        f'object of type {type(obj).__name__}')
    return mark(obj, spec, scope, copy)


def _check_class(cls, scope):
    """A class of the declaring module's own is no function of the whole group."""
    lack = lacks(cls)
    if lack:
        raise TypeError(f'udaf: class {cls.__name__} has {lack}')
    if (cls.__module__ == scope.get('__name__')
            and not has(cls, 'step') and not has(cls, 'accumulate')):
        raise TypeError(f'udaf: class {cls.__name__} has neither step() and '
                        'finalize(), nor is it an AggregateFunction')
