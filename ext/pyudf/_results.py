"""Batch functions: what they returned.

take() gives a column as a tuple (kind, data, nulls, extra) for results.c: its
length is right, and its data are a list or a contiguous buffer of one type. What
is of no such type becomes a list of objects, which are converted one by one as any
result is.
"""

import sys

_LIST, _INTEGER, _UNSIGNED, _REAL, _BOOL, _WIDE, _BYTES, _ARROW = range(8)

_ACCEPTED = ('a list, tuple or other sequence, a one-dimensional NumPy array, a '
             'pandas Series, or an Arrow array')
_ACCEPTED_COLUMNS = ('a tuple of columns, a dict of columns by name, a structured '
                     'NumPy array, a pandas DataFrame, or an Arrow record batch '
                     'or table')


def take(column, rows):
    """One column, of so many rows.

    Raises ValueError for a wrong length or shape, TypeError for what is no column
    or holds what has no form in SQL.
    """
    kind = type(column)
    if kind is list:
        return _list(column, rows)
    loaded = sys.modules
    numpy = loaded.get('numpy')
    if numpy is not None and isinstance(column, getattr(numpy, 'ndarray', ())):
        return _array(numpy, column, rows)
    pandas = loaded.get('pandas')
    if pandas is not None and _is_pandas(pandas, column):
        return _series(numpy, column, rows)
    if (hasattr(kind, '__arrow_c_array__')
            or hasattr(kind, '__arrow_c_stream__')):
        return _arrow(column, rows)
    if kind is tuple or _is_sequence(column):
        return _list(list(column), rows)
    raise _refused(column, _ACCEPTED)


def take_columns(result, rows, names):
    """The columns of a result that was declared to have these, in this order."""
    loaded = sys.modules
    if isinstance(result, tuple):
        if len(result) != len(names):
            raise ValueError(f'returned {_count(len(result), "column")} instead '
                             f'of {len(names)}: {", ".join(names)}')
        return [take(column, rows) for column in result]
    if isinstance(result, dict):
        return [take(column, rows)
                for column in _in_order(result, result.__getitem__, names)]
    numpy = loaded.get('numpy')
    if (numpy is not None and isinstance(result, getattr(numpy, 'ndarray', ()))
            and result.dtype.names):
        return [take(column, rows) for column in
                _in_order(result.dtype.names, result.__getitem__, names)]
    pandas = loaded.get('pandas')
    if (pandas is not None
            and isinstance(result, getattr(pandas, 'DataFrame', ()))):
        return [take(column, rows) for column in
                _in_order(list(result.columns), result.__getitem__, names)]
    if (hasattr(type(result), '__arrow_c_array__')
            or hasattr(type(result), '__arrow_c_stream__')):
        return _arrow_columns(result, rows, names)
    raise _refused(result, _ACCEPTED_COLUMNS)


def _in_order(found, get, names):
    found = list(found)
    if sorted(map(str, found)) != sorted(names):
        raise ValueError(f'returned the columns {", ".join(map(str, found))} '
                         f'instead of {", ".join(names)}')
    return [get(name) for name in names]


def _refused(result, accepted):
    kind = type(result)
    name = kind.__qualname__
    if kind.__module__ not in ('builtins', '__main__'):
        name = f'{kind.__module__}.{name}'
    return TypeError(f'returned an object of type {name!r}; a batch function '
                     f'returns {accepted}')


def _count(count, noun):
    return f'{count} {noun}{"" if count == 1 else "s"}'


def _check(found, rows):
    if found != rows:
        raise ValueError(f'returned {_count(found, "value")} for '
                         f'{_count(rows, "row")}')


def _list(values, rows):
    _check(len(values), rows)
    return _LIST, values, None, 0


def _is_sequence(obj):
    """Of those that are no single value."""
    if isinstance(obj, (str, bytes, bytearray, memoryview, dict)):
        return False
    kind = type(obj)
    return hasattr(kind, '__len__') and hasattr(kind, '__getitem__')


# ---- NumPy ----

def _array(numpy, array, rows):
    if array.ndim != 1:
        raise ValueError(f'returned an array of shape {array.shape}; a column has '
                         'one dimension')
    _check(array.shape[0], rows)
    nulls = None
    if isinstance(array, numpy.ma.MaskedArray):
        if array.mask is not numpy.ma.nomask:
            nulls = numpy.ascontiguousarray(array.mask)
        array = array.data
    return _plain(numpy, array, nulls)


def _plain(numpy, array, nulls):
    """`nulls`: an array of bool, or None. They are of the right length."""
    dtype = array.dtype
    kind = dtype.kind
    whole = numpy.ascontiguousarray
    if kind == 'f':
        data = whole(array, numpy.float64)
        return _REAL, data, nulls, 0
    if kind == 'i' or kind == 'u' and dtype.itemsize < 8:
        return _INTEGER, whole(array, numpy.int64), nulls, 0
    if kind == 'b':
        return _BOOL, whole(array).view(numpy.uint8), nulls, 0
    if kind == 'u':
        return _UNSIGNED, whole(array, numpy.uint64), nulls, 0
    if kind == 'U':
        return _WIDE, _bytes(numpy, whole(array, dtype.newbyteorder('='))), \
            nulls, dtype.itemsize // 4
    if kind == 'S':
        return _BYTES, _bytes(numpy, whole(array)), nulls, dtype.itemsize
    if kind == 'M':
        values = _times(numpy, array)
    elif kind in 'OT':  # T: of strings of any length
        values = array.tolist()
    elif kind == 'V' and dtype.names:
        values = [dict(zip(dtype.names, row)) for row in array.tolist()]
    else:
        raise TypeError(f'returned an array of {dtype}, which has no form in SQL')
    if nulls is not None:
        values = [None if null else value
                  for value, null in zip(values, nulls.tolist())]
    return _LIST, values, None, 0


def _bytes(numpy, array):
    """The buffer protocol has no format for text."""
    return array.view(numpy.uint8) if array.itemsize and array.size else b''


def _times(numpy, array):
    """datetime64 as date and datetime objects, or where these do not do (years
    beyond 9999, nanoseconds) as text of the same form; NaT as None."""
    unit = numpy.datetime_data(array.dtype)[0]
    if unit == 'generic':
        return [None] * len(array)
    dates = unit in ('Y', 'M', 'W', 'D')
    coarse = array.astype('M8[D]' if dates else 'M8[us]')
    exact = dates or unit not in ('ns', 'ps', 'fs', 'as') or bool(
        ((coarse.astype(array.dtype) == array) | numpy.isnat(array)).all())
    values = coarse.tolist() if exact else [0] * len(array)
    if not any(type(value) is int for value in values):
        return values
    texts = numpy.datetime_as_string(coarse if exact else array).tolist()
    return [None if text == 'NaT' else text.replace('T', ' ') for text in texts]


# ---- pandas ----

def _is_pandas(pandas, obj):
    arrays = getattr(getattr(pandas, 'api', None), 'extensions', None)
    return isinstance(obj, (getattr(pandas, 'Series', ()),
                            getattr(pandas, 'Index', ()),
                            getattr(arrays, 'ExtensionArray', ())))


def _series(numpy, series, rows):
    _check(len(series), rows)
    dtype = series.dtype
    if getattr(series, 'nlevels', 1) > 1:
        raise TypeError('returned a pandas MultiIndex, which is several columns')
    if isinstance(dtype, numpy.dtype):
        return _plain(numpy, series.to_numpy(), None)
    plain = getattr(dtype, 'numpy_dtype', None)  # of Int64, Float64, boolean
    if (isinstance(plain, numpy.dtype) and plain.kind in 'iufb'
            and type(dtype).__name__ != 'ArrowDtype'):
        nulls = numpy.ascontiguousarray(series.isna(), dtype=bool)
        return _plain(numpy, series.to_numpy(dtype=plain, na_value=plain.type(0)),
                      nulls if nulls.any() else None)
    return _LIST, series.astype(object).tolist(), None, 0


# ---- Arrow ----

def _imported(obj):
    from ._runtime import arrow_import
    if hasattr(type(obj), '__arrow_c_array__'):
        return arrow_import(obj.__arrow_c_array__())
    return arrow_import(obj.__arrow_c_stream__())


def _arrow(obj, rows):
    imported, count, (_, form, known), _ = _imported(obj)
    _check(count, rows)
    if known:
        return _ARROW, imported, None, -1
    return _LIST, _objects(obj, form), None, 0


def _objects(obj, form):
    """Of a type that is read by the library that it came from."""
    for method in 'to_pylist', 'to_list', 'tolist':
        if hasattr(obj, method):
            return list(getattr(obj, method)())
    if form == '+s':
        raise _refused(obj, _ACCEPTED)
    raise TypeError(f'returned an Arrow array of format {form!r}, which pyudf '
                    'does not know, and it has no to_pylist()')


def _arrow_columns(obj, rows, names):
    imported, count, (_, form, _), children = _imported(obj)
    if form != '+s':
        raise _refused(obj, _ACCEPTED_COLUMNS)
    found = [name for name, _, _ in children]
    places = _in_order(found, found.index, names)
    _check(count, rows)
    result = []
    for name, place in zip(names, places):
        _, form, known = children[place]
        if known:
            result.append((_ARROW, imported, None, place))
        else:
            column = obj[name] if hasattr(obj, '__getitem__') else obj
            result.append((_LIST, _objects(column, form), None, 0))
    return result
