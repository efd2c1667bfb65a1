"""`same` of mapped.py as pyudf's batch functions."""

from mapped import same
from pyudf import udf


def _takes(func_type):
    return udf(name='same_' + func_type, func_type=func_type)(lambda x: same(x))


same_list, same_numpy, same_arrow = map(_takes, ('list', 'numpy', 'arrow'))
