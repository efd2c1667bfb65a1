"""How a function is called: how many arguments, and how each is converted."""

import sys
from types import FunctionType, MethodType

from ._errors import UsageError
from ._types import is_boolean, is_json

ARGS_MAX = 127  # SQLite's limit

# As enum convert_code in convert.h.
_DEFAULT, _BOOL, _MEMORYVIEW, _JSON = range(4)

EMPTY = object()  # no default, no annotation

# Kinds of a parameter, as inspect numbers them.
_VARARGS, _KEYWORD, _KEYWORDS = 2, 3, 4

_CO_VARARGS = 0x04
_CO_GENERATOR = 0x20
_CO_COROUTINE = 0x80
_CO_ASYNC_GENERATOR = 0x200


class Signature:
    """min, max (-1: any number), arguments and result as text, parameters (a name
    a line, '*name' takes the rest), and codes: a byte for each argument there may
    be."""

    __slots__ = ('min', 'max', 'arguments', 'result', 'parameters', 'codes')


def code_flags(function):
    """co_flags of the Python function that runs, 0 where there is none."""
    function = getattr(function, '__func__', function)
    while type(function).__name__ == 'partial' and hasattr(function, 'func'):
        function = function.func
    code = getattr(function, '__code__', None)
    if code is None and not isinstance(function, type):
        code = getattr(getattr(type(function), '__call__', None), '__code__',
                       None)
    return getattr(code, 'co_flags', 0)


def is_generator(function):
    """True for a function that yields, async ones included."""
    return bool(code_flags(function) & (_CO_GENERATOR | _CO_ASYNC_GENERATOR))


def is_async_generator(function):
    """True for an `async def` that yields."""
    return bool(code_flags(function) & _CO_ASYNC_GENERATOR)


def is_coroutine(function):
    """True for an `async def`."""
    return bool(code_flags(function) & _CO_COROUTINE)


def signature(name, function, spec, skip=0, lenient=False):
    """The Signature of a callable.

    name: its name in SQL, for errors.
    spec: its declaration.
    skip: so many parameters at the front are not SQL's.
    lenient: whether SQL can call it does not matter.
    Raises UsageError for one that SQL cannot call.
    """
    parameters, returns = parameters_of(function)
    parameters = _skipped(parameters, skip)
    positional = [p for p in parameters if p[1] < _VARARGS]
    rest = [p for p in parameters if p[1] == _VARARGS]
    for parameter, kind, default, _ in parameters:
        if kind == _KEYWORD and default is EMPTY and not lenient:
            raise UsageError(
                f'{name!r} cannot be called from SQL: its keyword-only '
                f'parameter {parameter!r} has no default')
    if len(positional) > ARGS_MAX:
        raise UsageError(f'{name!r} has {len(positional)} parameters; SQLite '
                         f'passes at most {ARGS_MAX}')
    types = spec.input_types
    if types and (len(types) > len(positional) and not rest
                  or len(types) < _required(positional)):
        raise UsageError(f'{name!r} has {len(types)} input_types for '
                         f'{len(positional)} parameters')

    result = Signature()
    result.min = _required(positional)
    result.max = -1 if rest else len(positional)
    result.arguments = ', '.join(_parameter_text(p) for p in parameters
                                 if p[1] != _KEYWORDS)
    result.result = spec.result_type or _annotation_text(returns)
    result.parameters = '\n'.join([p[0] for p in positional]
                                  + ['*' + p[0] for p in rest])
    result.codes = _codes(function, positional, rest, types)
    return result


def _skipped(parameters, skip):
    """Without so many at the front; what takes any number goes on doing so."""
    while skip and parameters and parameters[0][1] < _VARARGS:
        parameters = parameters[1:]
        skip -= 1
    return parameters


def _required(positional):
    return sum(p[2] is EMPTY for p in positional)


def parameters_of(function):
    """[(name, kind, default, annotation)], and the annotation of the result.
    What tells nothing of itself takes any number."""
    plain = function.__func__ if type(function) is MethodType else function
    if (type(plain) is FunctionType and '__wrapped__' not in plain.__dict__
            and '__signature__' not in plain.__dict__):
        return _plain_parameters(plain, plain is not function)
    from inspect import signature as inspect_signature
    try:
        found = inspect_signature(function)
    except (ValueError, TypeError):
        return [('args', _VARARGS, EMPTY, EMPTY)], EMPTY
    missing = found.empty
    return ([(p.name, int(p.kind),
              EMPTY if p.default is missing else p.default,
              EMPTY if p.annotation is missing else p.annotation)
             for p in found.parameters.values()],
            EMPTY if found.return_annotation is missing
            else found.return_annotation)


def _plain_parameters(function, bound):
    """The same for a Python function, without importing inspect."""
    code = function.__code__
    names = code.co_varnames
    notes = _annotations(function)
    defaults = function.__defaults__ or ()
    first_default = code.co_argcount - len(defaults)
    found = [(n, 1, defaults[i - first_default] if i >= first_default
              else EMPTY, notes.get(n, EMPTY))
             for i, n in enumerate(names[:code.co_argcount])]
    end = code.co_argcount + code.co_kwonlyargcount
    if bound:
        found = found[1:]
    if code.co_flags & _CO_VARARGS:
        found.append((names[end], _VARARGS, EMPTY,
                      notes.get(names[end], EMPTY)))
    keywords = function.__kwdefaults__ or {}
    found += [(n, _KEYWORD, keywords.get(n, EMPTY), notes.get(n, EMPTY))
              for n in names[code.co_argcount:end]]
    return found, notes.get('return', EMPTY)


def _annotations(function):
    try:
        return function.__annotations__
    except Exception:  # 3.14 evaluates them only now
        return {}


def return_annotation(function):
    """The annotation of the result, evaluated where it is a text; None where there
    is none, or it cannot be."""
    _, note = parameters_of(function)
    if isinstance(note, str):
        plain = getattr(function, '__func__', function)
        try:
            note = eval(note, getattr(plain, '__globals__', {}))
        except Exception:
            return None
    return None if note is EMPTY else note


def annotation_parts(note):
    """(origin, args) of an annotation such as list[int]: (list, (int,)). A plain
    one has no args."""
    if hasattr(note, '__metadata__'):  # typing.Annotated
        note = note.__origin__
    return (getattr(note, '__origin__', None),
            tuple(getattr(note, '__args__', None) or ()))


# ---- for humans ----

def _parameter_text(parameter):
    name, kind, default, note = parameter
    text = '*' + name if kind == _VARARGS else name
    if note is not EMPTY:
        text += ': ' + _annotation_text(note)
    if default is not EMPTY:
        try:
            shown = repr(default)
        except Exception:
            shown = '...'
        if len(shown) > 40:
            shown = shown[:37] + '...'
        text += (' = ' if note is not EMPTY else '=') + shown
    return text


def _annotation_text(note):
    if note is EMPTY:
        return ''
    if note is None:
        return 'None'
    if isinstance(note, str):
        return note
    if isinstance(note, type) and not getattr(note, '__args__', None):
        if note.__module__ == 'builtins':
            return note.__qualname__
        return f'{note.__module__}.{note.__qualname__}'
    try:
        return repr(note).replace('typing.', '')
    except Exception:
        return '...'


# ---- converters ----

def _scope(function):
    """What its annotations may name."""
    return getattr(getattr(function, '__func__', function), '__globals__', {})


def _codes(function, positional, rest, types):
    scope = _scope(function)
    codes = [_code(p[3], scope) for p in positional]
    last = _code(rest[0][3], scope) if rest else _DEFAULT
    codes += [last] * (ARGS_MAX - len(codes))
    for i, text in enumerate(types or ()):
        if not codes[i]:
            codes[i] = (_BOOL if is_boolean(text)
                        else _JSON if is_json(text) else _DEFAULT)
    return bytes(codes)


def _code(note, scope):
    note = _resolved(note, scope)
    return _DEFAULT if note is EMPTY else _code_of_type(note)


def _resolved(note, scope):
    """An annotation that is a text, as what it means."""
    if isinstance(note, str):
        # As typing.get_type_hints does it, but one by one, and what cannot be
        # resolved is no reason to refuse the function.
        try:
            return eval(note, scope)
        except Exception:
            return EMPTY
    return note


def declared_types(function, spec, count):
    """For each argument there may be its SQL type as text, or its annotation, or
    None."""
    scope = _scope(function)
    parameters, _ = parameters_of(function)
    notes = [_resolved(p[3], scope) for p in parameters if p[1] < _VARARGS]
    rest = [_resolved(p[3], scope) for p in parameters if p[1] == _VARARGS]
    notes += [rest[0] if rest else EMPTY] * (count - len(notes))
    types = list(spec.input_types or ())
    return types + [None if n is EMPTY else n for n in notes[len(types):]]


def _code_of_type(note, depth=0):
    if note is bool:
        return _BOOL
    if note is memoryview:
        return _MEMORYVIEW
    if note is dict or note is list:
        return _JSON
    if depth > 8:
        return _DEFAULT
    if hasattr(note, '__supertype__'):  # typing.NewType
        return _code_of_type(note.__supertype__, depth + 1)
    if isinstance(note, type) and not hasattr(note, '__origin__'):
        return _code_of_class(note)
    origin = getattr(note, '__origin__', None)
    args = getattr(note, '__args__', ())
    if hasattr(note, '__metadata__'):  # typing.Annotated
        return _code_of_type(origin, depth + 1)
    if _is_union(note, origin):
        inner = [a for a in args if a is not type(None)]
        codes = {_code_of_type(a, depth + 1) for a in inner}
        return codes.pop() if len(codes) == 1 else _DEFAULT
    return _code_of_type(origin, depth + 1) if origin else _DEFAULT


def _is_union(note, origin):
    typing = sys.modules.get('typing')
    return (type(note).__name__ in ('UnionType', 'Union')
            or typing is not None and origin is typing.Union)


def _code_of_class(kind):
    # typing.TypedDict makes classes that derive from dict.
    if issubclass(kind, dict) and hasattr(kind, '__total__'):
        return _JSON
    return _DEFAULT
