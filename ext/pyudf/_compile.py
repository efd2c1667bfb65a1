"""What `udf(..., compile="numba")` does."""

from ._native import NAMES, Native
from ._signature import EMPTY, parameters_of

_WORDS = {  # numba's types, by the SQL type's first word
    'BOOLEAN': 'boolean', 'BOOL': 'boolean',
    'TINYINT': 'int64', 'SMALLINT': 'int64', 'INT': 'int64', 'INTEGER': 'int64',
    'BIGINT': 'int64', 'FLOAT': 'float64', 'REAL': 'float64',
    'DOUBLE': 'float64'}
_KINDS = {bool: 'boolean', int: 'int64', float: 'float64'}
_PLACES = {'boolean': NAMES.index('bool'), 'int64': NAMES.index('int64'),
           'float64': NAMES.index('double')}
_ZEROS = {'boolean': 'False', 'int64': '0', 'float64': '0.0'}
_POSITIONAL = 2  # a parameter's kinds below it

# What is compiled around the function: an exception cannot leave compiled code, so
# that it is told by a flag.
_AROUND = """
def around({args}):
    try:
        return inner({passed})
    except Exception:
        carray(flag, 1)[0] = 1
        return {zero}
"""


def compiled(function, spec):
    """The Native that numba makes of a Python function.

    Types come from spec's input_types and result_type, else from annotations.
    Raises ValueError where there is no numba, a type is not said or no number, or
    numba cannot compile the code.
    """
    name = spec.name or getattr(function, '__name__', 'the function')
    parameters, returns = parameters_of(function)
    types, result = _types(name, parameters, returns, spec, function)
    numba = _numba()
    try:
        return _build(numba, function, [p[0] for p in parameters], types, result)
    except Exception as e:
        raise ValueError(f'udf: numba cannot compile {name!r}: '
                         f'{_useful(e)}') from None


def _numba():
    try:
        import numba
    except ModuleNotFoundError as e:
        if e.name != 'numba':
            raise
        raise ValueError("udf: compile='numba' needs numba, which this Python "
                         'does not have: pip install numba') from None
    except ImportError as e:
        raise ValueError("udf: compile='numba' needs numba, which cannot be "
                         f'imported: {_useful(e)}') from None
    return numba


def _types(name, parameters, returns, spec, function):
    """numba's names of the types of parameters and result."""
    said = spec.input_types
    if said is not None and len(said) != len(parameters):
        raise ValueError(f'udf: {name!r} has {len(said)} input_types for '
                         f'{len(parameters)} parameters')
    types = []
    for i, (parameter, kind, default, note) in enumerate(parameters):
        if kind >= _POSITIONAL:
            raise ValueError(f"udf: compile='numba': {name!r} takes any number "
                             'of arguments, or some by keyword: a compiled '
                             'function has its parameters one by one')
        if default is not EMPTY:
            raise ValueError(f"udf: compile='numba': the parameter {parameter!r} "
                             f'of {name!r} has a default, which compiled code '
                             'does not')
        text = said[i] if said is not None else None
        types.append(_type(name, f'the parameter {parameter!r}', text, note,
                           function, 'input_types'))
    return types, _type(name, 'the result', spec.result_type, returns, function,
                        'result_type')


def _type(name, what, text, note, function, where):
    if text is not None:
        word = text.replace('(', ' ').split()[0].upper()
        found, shown = _WORDS.get(word), text
    elif note is EMPTY:
        raise ValueError(f"udf: compile='numba' needs the type of {what} of "
                         f'{name!r}: annotate it, or say {where}')
    else:
        if isinstance(note, str):
            try:
                note = eval(note, getattr(function, '__globals__', {}))
            except Exception:
                pass
        found = _KINDS.get(note) if isinstance(note, type) else None
        shown = getattr(note, '__name__', None) or str(note)
    if found is None:
        raise ValueError(f"udf: compile='numba': {what} of {name!r} is {shown}; "
                         'BOOLEAN, BIGINT and DOUBLE (bool, int, float) can be '
                         'compiled')
    return found


def _build(numba, function, names, types, result):
    args = [f'a{i}' for i in range(len(names))]
    scope = {'inner': numba.njit(function), 'carray': numba.carray}
    exec(_AROUND.format(args=', '.join([*args, 'flag']),
                        passed=', '.join(args), zero=_ZEROS[result]), scope)
    flag = numba.types.CPointer(numba.int64)
    signature = getattr(numba, result)(
        *[getattr(numba, kind) for kind in types], flag)
    code = numba.cfunc(signature)(scope['around'])
    return Native(code.address, [_PLACES[kind] for kind in types],
                  _PLACES[result], names, _caller(code, function), True)


def _caller(code, function):
    """Calls it through Python; where it raises, the Python function says what."""
    from ctypes import byref, c_int64
    pointer = code.ctypes

    def call(*args):
        flag = c_int64(0)
        result = pointer(*args, byref(flag))
        return function(*args) if flag.value else result
    call.__wrapped__ = function
    call.code = code
    return call


def _useful(exception):
    """The first line of what numba says that says something of the code."""
    lines = [line.strip() for line in str(exception).splitlines()]
    lines = [line for line in lines
             if line and not line.startswith(('Failed in ', 'During: ', 'File "'))]
    return lines[0] if lines else type(exception).__name__
