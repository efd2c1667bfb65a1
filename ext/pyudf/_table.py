"""What a table function is made of: its columns, and how its results become rows.

The runtime (rows.c) takes an item that is a plain value, a tuple or a list of the
right length by itself, and asks here about all else. What it hands over as `how`
is the tuple (parameters, columns, declared): the names of the parameters, those of
the columns, and whether the columns were named by the function's author.
"""

from ._adapt import fields_of
from ._errors import UsageError
from ._runtime import Rows
from ._signature import (annotation_parts, is_coroutine, return_annotation,
                         signature)
from ._types import row_fields, sqlite_type
from ._udf import target

_COLUMNS_MAX = 1800  # SQLite has 2000, those of the parameters included
_NOT_ROWS = (str, bytes, bytearray, dict, int, float)


class Table:
    """How a table function is called, and what its rows look like.

    form: for the runtime.
    how: the Signature of its arguments.
    columns: 'name\\tTYPE', a line each.
    ordered_by: 'name\\tASC', a line each.
    rows: how many a call gives, 0 where that is not said.
    """

    __slots__ = ('form', 'how', 'columns', 'ordered_by', 'rows')


def table_of(name, function, spec):
    """The Table of a function that was found under a name.

    Raises UsageError for one that SQL cannot call.
    """
    function = target(function)
    if is_coroutine(function):
        raise UsageError(f'{name!r} cannot be a table function: it is async and '
                         'yields nothing')
    found = Table()
    found.how = signature(name, function, spec)
    declared = spec.columns or _declared(name, spec.result_types)
    columns = declared or _annotated(return_annotation(function)) or [('value', '')]
    names = [c[0] for c in columns]
    _check_names(name, names)
    found.columns = '\n'.join(f'{n}\t{sqlite_type(t)}' for n, t in columns)
    found.how.result = ', '.join(' '.join(c).strip() for c in columns)
    found.ordered_by = '\n'.join(_order(name, term, names)
                                 for term in spec.ordered_by)
    found.rows = spec.rows
    parameters = tuple(p for p in found.how.parameters.split('\n')
                       if p and p[0] != '*')
    found.form = parameters, tuple(names), bool(declared) or len(names) > 1
    return found


def taking_rows(function, func_type):
    """The function, with sets of rows among its arguments as func_type says."""
    if func_type == 'general':
        return function
    from ._rowset import rows_as

    def run(*args, **named):
        return function(*[_as(a, func_type, rows_as) for a in args],
                        **{k: _as(v, func_type, rows_as)
                           for k, v in named.items()})
    run.__wrapped__ = function
    return run


def _as(argument, func_type, rows_as):
    return (rows_as(argument, func_type) if type(argument) is Rows else argument)


def _check_names(name, names):
    if len(names) > _COLUMNS_MAX:
        raise UsageError(f'{name!r} has {len(names)} columns; there may be '
                         f'{_COLUMNS_MAX}')
    seen = set()
    for column in names:
        if not column or not column.isprintable():
            raise UsageError(f'{name!r}: {column!r} cannot be the name of a '
                             'column')
        if column.lower() in seen:
            raise UsageError(f'{name!r} has two columns {column!r}')
        seen.add(column.lower())


def _declared(name, types):
    """[(name, type)] of result_types=."""
    if types is None:
        return None
    if len(types) == 1:
        return row_fields(types[0], repr(name)) or [('value', types[0])]
    return [(f'f{i}', text) for i, text in enumerate(types)]


def _order(name, term, names):
    """'a DESC' as 'a\\tDESC'."""
    column, _, direction = term.strip().partition(' ')
    direction = direction.strip().upper() or 'ASC'
    known = {n.lower(): n for n in names}
    if column.lower() not in known or direction not in ('ASC', 'DESC'):
        raise UsageError(f'{name!r}: ordered_by={term!r} is not a column, or one '
                         f'with ASC or DESC; its columns are {", ".join(names)}')
    return f'{known[column.lower()]}\t{direction}'


# ---- columns out of annotations ----

def _annotated(note):
    """[(name, type)] of Iterator[...], or None where it says nothing."""
    origin, args = annotation_parts(note)
    if origin is None or not args or args[0] is Ellipsis:
        return None
    if origin.__name__ not in ('Iterator', 'Iterable', 'Generator',
                               'AsyncIterator', 'AsyncIterable',
                               'AsyncGenerator', 'Sequence', 'Collection', 'list',
                               'tuple', 'set'):
        return None
    row = args[0]
    fields = getattr(row, '__annotations__', None)
    if isinstance(row, type) and fields and (
            hasattr(row, '_fields') or hasattr(row, '__total__')
            or hasattr(row, '__dataclass_fields__')):
        names = getattr(row, '_fields', None) or list(
            getattr(row, '__dataclass_fields__', None) or fields)
        return [(n, _type_of(fields.get(n))) for n in names]
    inner, parts = annotation_parts(row)
    if inner is tuple and parts and Ellipsis not in parts:
        if len(parts) == 1:
            return [('value', _type_of(parts[0]))]
        return [(f'f{i}', _type_of(p)) for i, p in enumerate(parts)]
    return [('value', _type_of(row))]


def _type_of(note):
    """The SQL type that an annotation stands for, '' where it is none."""
    if isinstance(note, str):
        note = {'int': int, 'bool': bool, 'float': float, 'str': str,
                'bytes': bytes}.get(note)
    _, args = annotation_parts(note)
    if type(None) in args:
        rest = [a for a in args if a is not type(None)]
        note = rest[0] if len(rest) == 1 else None
    if not isinstance(note, type):
        return ''
    for kind, text in ((bool, 'BOOLEAN'), (int, 'INTEGER'), (float, 'REAL'),
                       (str, 'TEXT'), (bytes, 'BLOB')):
        if issubclass(note, kind):
            return text
    return 'TEXT' if note.__name__ in ('Decimal', 'date', 'time', 'datetime',
                                       'UUID', 'Path') else ''


# ---- rows ----

def iterated(how, obj):
    """An iterator over what a table function returned.

    None is no rows. Raises TypeError for what is surely not meant as rows: a str
    would come letter by letter.
    """
    if obj is None:
        return iter(())
    if isinstance(obj, _NOT_ROWS):
        raise TypeError(f'returned a value of type {type(obj).__name__!r}; a table '
                        'function yields its rows, or returns a list of them')
    if hasattr(obj, 'itertuples'):  # a DataFrame
        return obj.itertuples(index=False, name=None)
    if hasattr(obj, 'to_pylist'):  # of Arrow
        return iter(obj.to_pylist())
    try:
        return iter(obj)
    except TypeError:
        raise TypeError(f'returned a value of type {type(obj).__name__!r}, which '
                        'cannot be iterated over; a table function yields its '
                        'rows, or returns a list of them') from None


def row_of(how, item):
    """An item as a tuple of as many values as there are columns.

    Raises TypeError or ValueError for one that is no such row.
    """
    _, columns, declared = how
    if isinstance(item, dict):
        if declared or item.keys() == set(columns):
            return _of_dict(columns, item)
        return (item,)
    if isinstance(item, (tuple, list)):
        if isinstance(item, list) and len(columns) == 1:
            return (item,)
        return _of_sequence(columns, item)
    fields = fields_of(item)
    if fields is not None and (declared or fields.keys() == set(columns)):
        return _of_dict(columns, fields)
    if len(columns) == 1:
        return (item,)
    if hasattr(item, 'tolist'):  # a row of an array
        item = item.tolist()
    if hasattr(item, '__len__') and hasattr(item, '__getitem__') and (
            not isinstance(item, _NOT_ROWS)):
        return _of_sequence(columns, tuple(item))
    raise TypeError(f'yielded a value of type {type(item).__name__!r} for '
                    f'{_shown(columns)}; a row is a tuple, list, dict or '
                    'dataclass')


def _of_sequence(columns, item):
    if len(item) == len(columns):
        return tuple(item)
    hint = ('' if len(columns) > 1 else
            "; udtf(columns=['a', 'b']) names more")
    raise ValueError(f'yielded a row of {len(item)} value'
                     f'{"" if len(item) == 1 else "s"} for {_shown(columns)}'
                     + hint)


def _of_dict(columns, item):
    if len(item) == len(columns):
        try:
            return tuple([item[name] for name in columns])
        except KeyError:
            pass
    raise ValueError(f'yielded a row with {", ".join(map(str, item)) or "no fields"}'
                     f' for {_shown(columns)}')


def _shown(columns):
    shown = ', '.join(columns[:8]) + (', ...' if len(columns) > 8 else '')
    return f'{len(columns)} column{"" if len(columns) == 1 else "s"} ({shown})'
