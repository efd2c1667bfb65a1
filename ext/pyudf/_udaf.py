"""The decorator `udaf` and what it accepts."""

import sys

from ._udf import (UserDefinedFunction, declared, mark, target)


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


BATCHES = ('general', 'list', 'numpy', 'pandas')


def udaf(f=None, input_types=None, result_type=None, deterministic=False,
         name=None, func_type='general', *, direct_only=True, innocuous=False,
         null_call=True, mode=None, timeout=0, parallel=False):
    """Declares an aggregate function for SQL; it is a window function too.

    Used as `@udaf`, as `@udaf(result_type='BIGINT', ...)` or as `udaf(f, ...)`.

    f: an instance of a subclass of AggregateFunction, or such a class; a class
        with step() and finalize() and maybe value() and inverse(); or a function
        that is called once a group, with an iterator for each parameter: over
        the values of that argument. A function of one parameter takes any number
        of arguments in SQL: of more than one it gets them as tuples.
    func_type: what such a function gets instead of iterators: 'list', 'numpy'
        (arrays) or 'pandas' (Series).
    null_call: False: rows where an argument is NULL are left out.
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
        obj = obj()
    if isinstance(obj, UserDefinedFunction):
        obj = obj.__wrapped__
    if isinstance(obj, AggregateFunction):
        obj = UserDefinedFunction(obj)
    elif not callable(target(obj)):
        raise TypeError('udaf: a function, a class or an instance of '
                        f'AggregateFunction is expected, not {type(obj).__name__}')
    return mark(obj, spec, scope, copy)
