"""The functions that bench/run maps over rows: pyudf and DuckDB run these very
functions.

`same` gives back what it gets, a value or a column. `busy_50` takes some fifty
microseconds a row, and `busy_column` as much for each row of a column of Arrow's.
"""


def same(x):
    return x


def busy_50(x):
    for i in _LOOP_50:
        x += i
    return x


def busy_column(column):
    import pyarrow
    return pyarrow.array([busy_50(x) for x in column.to_pylist()],
                         type=pyarrow.int64())


_LOOP_50 = range(2000)
