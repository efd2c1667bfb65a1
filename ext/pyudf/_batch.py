"""Batch functions: what they get.

The runtime makes columns of the rows of a batch (columnar.c) and calls what
batch_of() gave it, which makes them what the function wants, calls it, and has
_results.py look at what came back.

Libraries are imported where a function is declared for them, and nowhere else.
"""

from ._errors import UsageError
from ._results import take, take_columns
from ._rowset import rows_as
from ._runtime import Rows
from ._signature import ARGS_MAX, declared_types
from ._types import row_fields, word

FUNC_TYPES = ('list', 'numpy', 'pandas', 'arrow')  # enum columnar_kind

# enum columns_kind
_NONE, _INTEGER, _REAL, _BOOL, _TEXT, _WIDE, _OBJECT = range(7)

# enum arrow_declared, by the first word of an SQL type and by annotation
_UNKNOWN, _INTEGERS, _REALS, _BOOLS, _TEXTS, _BLOBS = range(6)
_WORDS = {
    _INTEGERS: ('TINYINT', 'SMALLINT', 'INT', 'INTEGER', 'BIGINT'),
    _REALS: ('FLOAT', 'REAL', 'DOUBLE'),
    _BOOLS: ('BOOLEAN', 'BOOL'),
    _TEXTS: ('CHAR', 'VARCHAR', 'STRING', 'TEXT', 'DATE', 'TIME', 'TIMESTAMP',
             'TIMESTAMP_LTZ', 'DECIMAL', 'DEC', 'NUMERIC'),
    _BLOBS: ('BINARY', 'VARBINARY', 'BYTES', 'BLOB'),
}
_OF_WORD = {w: kind for kind, words in _WORDS.items() for w in words}
_OF_CLASS = {int: _INTEGERS, float: _REALS, bool: _BOOLS, str: _TEXTS,
             bytes: _BLOBS}


class Columns:
    """How a batch function is run.

    columns: 'name\\tTYPE' a line for those of its result; '' for one value.
    form: for the runtime (columnar.c).
    """

    __slots__ = ('columns', 'form')


def batch_of(name, function, spec, how):
    """The Columns of a function that was declared with such a func_type.

    name: its name in SQL, for errors.
    how: its Signature, which is changed: SQL's values come as they are.
    Raises UsageError where it cannot be called so, or its library is not there.
    """
    if how.max == 0:
        raise UsageError(f'{name!r} has func_type={spec.func_type!r} and no '
                         'parameter: its columns would tell it how many rows '
                         'there are')
    how.min = max(how.min, 1)
    found = Columns()
    fields = row_fields(spec.result_type, f'{name!r}')
    names = tuple(n for n, _ in fields) or None
    found.columns = '\n'.join(f'{n}\t{t}' for n, t in fields)
    column = _maker(name, spec.func_type)
    declared = [_declared(t) for t in declared_types(function, spec, ARGS_MAX)]
    labels = tuple(how.parameters.replace('*', '').split('\n'))
    run = _runner(function, [_or_rows(column(kind), spec.func_type)
                             for kind in declared], names)
    found.form = (FUNC_TYPES.index(spec.func_type), how.codes, bytes(declared),
                  run, labels, names)
    how.codes = bytes(len(how.codes))
    return found


def _declared(kind):
    if isinstance(kind, str):
        return _OF_WORD.get(word(kind), _UNKNOWN)
    return _OF_CLASS.get(kind, _UNKNOWN) if isinstance(kind, type) else _UNKNOWN


def _or_rows(make, func_type):
    """The same for an argument that may be a set of rows."""
    def make_any(column):
        if type(column) is Rows:
            return rows_as(column, func_type)
        return make(column)
    return make_any


def _runner(function, makers, names):
    if names is None:
        def run(rows, columns):
            return [take(function(*[make(column) for make, column
                                    in zip(makers, columns)]), rows)]
    else:
        def run(rows, columns):
            return take_columns(function(*[make(column) for make, column
                                           in zip(makers, columns)]), rows,
                                names)
    return run


def _maker(name, func_type):
    """A function that gives for a declared type a function that makes an
    argument of a column."""
    if func_type == 'list':
        return lambda kind: _as_it_is
    if func_type == 'arrow':
        make = _arrow_maker(name)
        return lambda kind: make
    library = _imported(name, func_type, func_type)
    if func_type == 'numpy':
        return lambda kind: _numpy_maker(library, kind)
    numpy = _imported(name, func_type, 'numpy')
    return lambda kind: _pandas_maker(numpy, library, kind)


def _imported(name, func_type, library):
    try:
        return __import__(library)
    except ImportError as exc:
        raise _missing(name, func_type, library, exc) from exc


def _missing(name, func_type, library, exc):
    import sys
    return UsageError(
        f'{name!r} has func_type={func_type!r}, which needs {library}: install '
        f'it into the Python at {sys.executable or sys.prefix}, or choose '
        f'another by PRAGMA python_executable ({exc})')


def _as_it_is(column):
    return column


# ---- NumPy ----

# What a column of nothing but NULL is, by declared type.
_DTYPES = {_UNKNOWN: 'f8', _INTEGERS: 'i8', _REALS: 'f8', _BOOLS: '?',
           _TEXTS: 'U1', _BLOBS: 'O'}


def _numpy_maker(numpy, declared):
    types = {_INTEGER: numpy.dtype('i8'), _REAL: numpy.dtype('f8'),
             _BOOL: numpy.dtype('?')}
    boolean = types[_BOOL]
    frombuffer = numpy.frombuffer
    masked = numpy.ma.MaskedArray

    def make(column):
        kind, data, nulls, width = column
        dtype = types.get(kind)
        if dtype is not None:
            array = frombuffer(data, dtype)
        elif kind == _WIDE:
            array = frombuffer(data, f'U{width}')
        elif kind == _NONE:
            array = numpy.zeros(len(nulls), _DTYPES[declared])
        else:
            array = _objects(numpy, data)
        return array if nulls is None else masked(array,
                                                  frombuffer(nulls, boolean))
    return make


def _objects(numpy, values):
    """NumPy would make one type of what has several, or more dimensions."""
    array = numpy.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


# ---- pandas ----

def _pandas_maker(numpy, pandas, declared):
    frombuffer = numpy.frombuffer
    series = pandas.Series
    real = numpy.dtype('f8')
    plain = {_INTEGER: numpy.dtype('i8'), _BOOL: numpy.dtype('?')}
    nullable = {_INTEGER: pandas.arrays.IntegerArray,
                _BOOL: pandas.arrays.BooleanArray}
    # Not the default's: pyarrow, which it may be, refuses what is no UTF-8.
    text = pandas.StringDtype('python')
    empty = {_UNKNOWN: real, _INTEGERS: 'Int64', _REALS: real,
             _BOOLS: 'boolean', _TEXTS: text, _BLOBS: object}[declared]
    na = pandas.NA

    def make(column):
        kind, data, nulls, _ = column
        if kind == _REAL:
            return series(frombuffer(data, real), copy=False)
        dtype = plain.get(kind)
        if dtype is not None:
            array = frombuffer(data, dtype)
            if nulls is not None:
                array = nullable[kind](array, frombuffer(nulls, plain[_BOOL]))
            return series(array, copy=False)
        if kind == _NONE:
            return series([numpy.nan if empty is real else na] * len(nulls),
                          dtype=empty)
        if kind == _TEXT:
            return series(data, dtype=text)
        if nulls is not None:
            data = [na if v is None else v for v in data]
        return series(_objects(numpy, data), copy=False)
    return make


# ---- Arrow ----

class _Capsules:
    """A column on its way into a library of Arrow's."""

    __slots__ = ('_capsules',)

    def __init__(self, capsules):
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema=None):
        return self._capsules


def _arrow_maker(name):
    makers = {'pyarrow': lambda m: m.array, 'nanoarrow': lambda m: m.Array,
              'polars': lambda m: lambda column: m.Series(values=column)}
    tried = []
    for library, maker in makers.items():
        try:
            array = maker(__import__(library))
        except ImportError as exc:
            tried.append(exc)
            continue
        return lambda column: array(_Capsules(column))
    raise _missing(name, 'arrow', 'pyarrow, nanoarrow or polars', tried[0])
