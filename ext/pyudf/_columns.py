"""A column of values, as the func_type of a function wants it.

Modules are imported where they are asked for alone.
"""


def array(values):
    """A NumPy array of the values of a column; NULLs among numbers are NaN."""
    import numpy
    types = {type(v) for v in values}
    nulls = type(None) in types
    if types <= {int} or types <= {float} or (
            types <= {int, float, type(None)} and all(
                type(v) is not int or abs(v) <= 1 << 53 for v in values)):
        return numpy.array([float('nan') if v is None else v for v in values]
                           if nulls else values)
    # NumPy would make one type of what has several, and cut NULs off.
    objects = numpy.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def series(values):
    """A pandas Series of the values of a column."""
    import pandas
    given = [v for v in values if v is not None]
    if not given:
        return pandas.Series(values, dtype='float64')
    if len(given) < len(values) and all(type(v) is int for v in given):
        return pandas.Series(values, dtype='Int64')
    return pandas.Series(values)


COLUMNS = {'general': iter, 'list': list, 'numpy': array, 'pandas': series}
