"""The decorators `udtf` and `udtaf`, and what they accept."""

import sys

from ._signature import is_generator
from ._types import split_types, type_text
from ._udf import (Evaluated, UserDefinedFunction, declared, mark, target)

_ROWS_MAX = 2**32 - 1


class TableFunction(Evaluated):
    """A table function with state: subclass it and define `eval`.

        class Words(TableFunction):
            def eval(self, text):
                for word in text.split():
                    yield word, len(word)

        words = udtf(Words(), columns=['word', 'length'])
    """

    def eval(self, *args):
        """Called for every call in SQL. Yields its rows, or returns an iterable of
        them."""
        raise NotImplementedError(f'{type(self).__name__}.eval')


class TableAggregateFunction(Evaluated):
    """A function of a set of rows that gives rows: subclass it.

        class Top2(TableAggregateFunction):
            def create_accumulator(self):
                return []
            def accumulate(self, best, x):
                best.append(x)
                best.sort(reverse=True)
                del best[2:]
            def emit_value(self, best):
                yield from enumerate(best, 1)

        top2 = udtaf(Top2(), columns=['rank', 'x'])

    In SQL it gets its rows as one argument:

        SELECT * FROM top2((SELECT python_rows(x) FROM t))
    """

    def create_accumulator(self):
        """A new accumulator, for one set of rows."""
        raise NotImplementedError(f'{type(self).__name__}.create_accumulator')

    def accumulate(self, accumulator, *args):
        """Called for every row."""
        raise NotImplementedError(f'{type(self).__name__}.accumulate')

    def emit_value(self, accumulator):
        """Called at the end. Yields rows, or returns an iterable of them."""
        raise NotImplementedError(f'{type(self).__name__}.emit_value')

    def eval(self, rows):
        """What SQL calls: all of the above."""
        if not hasattr(rows, 'columns'):
            raise TypeError('a set of rows is wanted: (SELECT python_rows(...) '
                            f'FROM ...), not {type(rows).__name__}')
        accumulator = self.create_accumulator()
        for row in rows:
            self.accumulate(accumulator, *row)
        return self.emit_value(accumulator)


def is_table(obj):
    """True for what gives rows without being declared to: a generator, or one of
    the classes here."""
    if isinstance(obj, UserDefinedFunction):
        obj = obj.__wrapped__
    kind = obj if isinstance(obj, type) else type(obj)
    if issubclass(kind, (TableFunction, TableAggregateFunction)):
        return True
    return callable(obj) and is_generator(obj)


def udtf(f=None, input_types=None, result_types=None, deterministic=False,
         name=None, *, columns=None, rows=0, ordered_by=(), func_type='general',
         direct_only=True, innocuous=False, null_call=True, mode=None, timeout=0):
    """Declares a table function for SQL: SELECT * FROM name(...).

    Used as `@udtf`, as `@udtf(columns=['a', 'b'], ...)` or as `udtf(f, ...)`.

    f: a generator; a function that returns an iterable of rows; an instance of a
        subclass of TableFunction, or such a class. A row is a value, where there
        is one column, or a tuple, list, dict or dataclass.
    columns: names of the columns, ['a', 'b TEXT', ('c', 'INTEGER')], a dict of
        names and types, or 'a, b TEXT'. Without it they come from result_types,
        or the annotation of the result (Iterator[tuple[int, str]], a NamedTuple,
        dataclass or TypedDict in it), or there is one: value.
    result_types: SQL types of the columns, which are then called f0, f1, ...; of
        one: value. A ROW has names.
    rows: how many rows a call gives, about: SQLite's planner asks.
    ordered_by: columns that the rows come ordered by, 'a' or ['a', 'b DESC']:
        SQLite then does not sort them.
    func_type: what an argument that is a set of rows comes as; see python_rows.
    null_call: False: where an argument is NULL there are no rows.
    timeout: milliseconds that a row may take; 0: what the setting python_timeout
        says.
    The other arguments are those of `udf`.

    Returns something that is called as f was.
    Raises TypeError or ValueError for an argument that is none of these.
    """
    scope = sys._getframe(1).f_globals
    spec = _spec('udtf', scope, locals())
    if f is None:
        return lambda function: _mark(function, spec, scope, False)
    return _mark(f, spec, scope, True)


def udtaf(f=None, input_types=None, result_type=None, accumulator_type=None,
          deterministic=False, name=None, *, result_types=None, columns=None,
          rows=0, ordered_by=(), direct_only=True, innocuous=False, mode=None,
          timeout=0):
    """Declares a table aggregate function, which gives rows for a set of rows:
    SELECT * FROM name((SELECT python_rows(a, b) FROM t)).

    f: an instance of a subclass of TableAggregateFunction, or such a class.
    result_type: a ROW type, or what result_types of `udtf` is.
    accumulator_type: for humans, and PyFlink's modules.
    The other arguments are those of `udtf`.

    Returns a UserDefinedFunction.
    Raises TypeError or ValueError for an argument that is none of these.
    """
    scope = sys._getframe(1).f_globals
    given = dict(locals(), func_type='general', null_call=True)
    if given['result_types'] is None:
        given['result_types'] = result_type
    spec = _spec('udtaf', scope, given)
    if f is None:
        return lambda function: _mark_aggregate(function, spec, scope)
    return _mark_aggregate(f, spec, scope)


def _spec(decorator, scope, given):
    """The Spec of a decorator's arguments, its local variables."""
    spec = declared(decorator, scope, result_type=None, **{
        key: given[key] for key in (
            'name', 'input_types', 'deterministic', 'direct_only', 'innocuous',
            'null_call', 'mode', 'timeout')})
    rows = given['rows']
    if isinstance(rows, bool) or not isinstance(rows, int) or (
            not 0 <= rows <= _ROWS_MAX):
        raise ValueError(f'{decorator}: rows must be a number of rows, not '
                         f'{rows!r}')
    if given['func_type'] not in ('general', 'list', 'numpy', 'pandas', 'arrow'):
        raise ValueError(f"{decorator}: func_type must be one of 'general', 'list',"
                         " 'numpy', 'pandas', 'arrow', not "
                         f"{given['func_type']!r}")
    order = given['ordered_by']
    spec.kind = 'table'
    spec.func_type = given['func_type']
    spec.rows = rows
    spec.ordered_by = order.split(',') if isinstance(order, str) else list(order)
    spec.columns = _columns(decorator, given['columns'])
    spec.result_types = _result_types(decorator, given['result_types'])
    if spec.columns and spec.result_types:
        if len(spec.columns) != len(spec.result_types):
            raise ValueError(f'{decorator}: {len(spec.columns)} columns, and '
                             f'{len(spec.result_types)} result_types')
        spec.columns = [(c[0], t) for c, t in zip(spec.columns,
                                                  spec.result_types)]
    return spec


def _columns(decorator, columns):
    """[(name, type)], or None."""
    if columns is None:
        return None
    if isinstance(columns, str):
        columns = split_types(columns)
    if isinstance(columns, dict):
        columns = list(columns.items())
    found = []
    for column in columns:
        if isinstance(column, str):
            name, _, text = column.strip().partition(' ')
        elif isinstance(column, (tuple, list)) and len(column) == 2:
            name, text = column
        else:
            raise TypeError(f'{decorator}: columns are names, or names with types, '
                            f'not {column!r}')
        if isinstance(text, str) and not text.strip():
            text = ''
        else:
            text = type_text(text, f'{decorator}: column {name}')
        found.append((name, text))
    if not found:
        raise ValueError(f'{decorator}: columns has none')
    return found


def _result_types(decorator, types):
    if types is None:
        return None
    if not isinstance(types, (list, tuple)):
        types = [types]
    if not types:
        raise ValueError(f'{decorator}: result_types has none')
    return [type_text(t, f'{decorator}: result_types') for t in types]


def _mark(obj, spec, scope, copy):
    if isinstance(obj, type) and issubclass(obj, TableFunction):
        obj = obj()
    if isinstance(obj, UserDefinedFunction):
        obj = obj.__wrapped__
    if isinstance(obj, type) or not callable(target(obj)):
        raise TypeError('udtf: a generator, a function that returns rows, or an '
                        'instance of TableFunction is expected, not '
                        + (f'class {obj.__name__}' if isinstance(obj, type) else
                           f'an object of type {type(obj).__name__}'))
    return mark(obj, spec, scope, copy)


def _mark_aggregate(obj, spec, scope):
    if isinstance(obj, type) and issubclass(obj, TableAggregateFunction):
        obj = obj()
    if not isinstance(obj, TableAggregateFunction):
        raise TypeError('udtaf: an instance of TableAggregateFunction is expected, '
                        f'not {type(obj).__name__}')
    return mark(obj, spec, scope, True)


def plain_spec():
    """Of a generator that is not declared."""
    return _spec('udtf', {}, dict(
        name=None, input_types=None, deterministic=False, direct_only=True,
        innocuous=False, null_call=True, mode=None, timeout=0, rows=0,
        func_type='general', ordered_by=(), columns=None, result_types=None))
