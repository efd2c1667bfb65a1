"""What the runtime gets to know of each function: a row of values.

A row has the fields of struct function_spec in definition.h, in their order, and
behind them what is called, a byte for the conversion of each argument, the form of
an aggregate, that of a table function, the code and signature of a compiled
function, and the form of a batch or async function.
"""

import os

from ._aggregate import aggregate_of
from ._async import Awaits
from ._errors import UsageError, unwrapped
from ._native import native_of
from ._signature import is_coroutine, signature
from ._table import table_of
from ._udf import target

_KINDS = {'scalar': 0, 'aggregate': 1, 'table': 3}  # enum function_kind
_DETERMINISTIC, _DIRECT_ONLY, _INNOCUOUS, _NULL_CALL, _INVERSE = 1, 2, 4, 8, 16
_PARALLEL, _BATCH, _ASYNC, _NATIVE = 32, 64, 128, 256

NAME, MIN, MAX, FUNCTION, BATCH = 0, 5, 6, 15, 20  # define.c has enum row
_NAME_MAX = 255  # bytes; SQLite's limit


def row_of(definition, found):
    """The row of what was found in a definition. Raises UsageError for what SQL
    cannot call."""
    name, spec = found.name, found.spec
    _check_name(name)
    function = target(found.object)
    form, inverse, place = None, False, function
    table = native = batch = None
    columns, ordered_by, rows = '', '', 0
    if spec.kind == 'aggregate':
        aggregate = aggregate_of(name, function, spec)
        how, form = aggregate.how, aggregate.form
        inverse, place = aggregate.inverse, aggregate.place
    elif spec.kind == 'table':
        found_table = table_of(name, function, spec)
        how, table = found_table.how, found_table.form
        columns, ordered_by = found_table.columns, found_table.ordered_by
        rows = found_table.rows
    else:
        native = native_of(function, spec)
        how = (native.signature(spec) if native
               else signature(name, function, spec))
        if spec.func_type != 'general':
            from ._batch import batch_of  # few functions want it
            made = batch_of(name, function, spec, how)
            batch, columns = made.form, made.columns
        elif is_coroutine(function):
            batch = Awaits(function, spec)
    flags = ((spec.deterministic and _DETERMINISTIC)
             | (inverse and _INVERSE)
             | (spec.parallel and _PARALLEL)
             | (type(batch) is tuple and _BATCH)
             | (type(batch) is Awaits and _ASYNC)
             | (spec.direct_only and _DIRECT_ONLY)
             | (spec.innocuous and _INNOCUOUS)
             | (spec.null_call and not native and _NULL_CALL)
             | (native is not None and _NATIVE))
    module = getattr(found.object, '__module__', None)
    module = module if isinstance(module, str) else ''
    if definition.private is not None and module == definition.private.name:
        module = definition.shown or module
    return (name, _KINDS[spec.kind], flags, spec.mode, spec.timeout,
            how.min, how.max,
            _utf8(how.arguments), _utf8(how.result), _utf8(module),
            _utf8(_where(place)), _utf8(how.parameters), _utf8(columns),
            _utf8(ordered_by), rows, native.caller if native else found.object,
            how.codes, form, table, native.row() if native else None, batch)


def check_text(text, what):
    """Raises UsageError for a str that is none in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f'{what} is not valid UTF-8') from None


def _check_name(name):
    if not name or '\n' in name or '\0' in name:
        raise UsageError(f'{name!r} cannot be the name of a function')
    check_text(name, 'the name of a function')
    if len(name.encode()) > _NAME_MAX:
        raise UsageError(f'the name {name[:20] + "..."!r} is longer than '
                         f'{_NAME_MAX} bytes')


def _where(function):
    """'slug.py:12', or '' for what is not written in Python."""
    function = unwrapped(function)
    code = getattr(getattr(function, '__func__', function), '__code__', None)
    if code is None:
        return ''
    return f'{os.path.basename(code.co_filename)}:{code.co_firstlineno}'


def _utf8(text):
    return text.encode('utf-8', 'backslashreplace').decode()


def without_shadowed(rows):
    """Of functions of one name and number of arguments the last one counts."""
    last = {(row[NAME], row[MIN], row[MAX]): row for row in rows}
    return [row for row in rows if last[row[NAME], row[MIN], row[MAX]] is row]


def expected(rows, names, source):
    """The rows in the order of the names they had when it was defined first."""
    left = list(rows)
    result = []
    for name in names:
        row = next((r for r in left if r[NAME] == name), None)
        if row is None:
            raise UsageError(f'{name!r} is no longer in {source}, which has '
                             'changed since it was imported; python_reload() '
                             'takes it as it is now')
        left.remove(row)
        result.append(row)
    return result
