"""Python functions in SQL: what a module of user-defined functions imports.

    from pyudf import udf

    @udf(result_type='STRING', deterministic=True)
    def slug(s: str) -> str:
        return '-'.join(s.lower().split())

The names are PyFlink's, so that a module written for one reads the same for
the other. Nothing here needs a database: what `udf` returns is called like the
function it was made of.
"""

from ._types import DataType, DataTypes
from ._udaf import AggregateFunction, udaf
from ._udf import (AsyncScalarFunction, FunctionContext, ScalarFunction,
                   UserDefinedFunction, udf)
from ._udtf import TableAggregateFunction, TableFunction, udtaf, udtf

__all__ = ['AggregateFunction', 'AsyncScalarFunction', 'DataType', 'DataTypes',
           'FunctionContext', 'ScalarFunction', 'TableAggregateFunction',
           'TableFunction', 'UserDefinedFunction', 'udaf', 'udf', 'udtaf', 'udtf',
           '__version__']

__version__ = '0.1.0'

_abi = 7  # of _runtime's table for C: RUNTIME_ABI
