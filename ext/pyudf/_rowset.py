"""A set of rows, as the func_type of a function wants it."""

from ._columns import array, series


def rows_as(rows, func_type):
    """What a function of that func_type gets for a Rows object.

    'general': the object itself: an iterable of tuples.
    'list': a list of lists, one a column.
    'numpy': a tuple of arrays, one a column.
    'pandas': a DataFrame whose columns are c0, c1, ...
    'arrow': a pyarrow.Table whose columns are called so.

    A set that was made of no row has no columns either.
    Raises what the modules raise, pyarrow for a column of several types; an
    ImportError where there is none.
    """
    if func_type == 'general':
        return rows
    columns = rows.lists()
    if func_type == 'list':
        return columns
    if func_type == 'numpy':
        return tuple(map(array, columns))
    if func_type == 'pandas':
        import pandas
        return pandas.DataFrame(_named(map(series, columns)))
    if func_type == 'arrow':
        import pyarrow
        return pyarrow.table(_named(columns))
    raise ValueError(f'no func_type {func_type!r}')


def _named(columns):
    return {f'c{i}': column for i, column in enumerate(columns)}
