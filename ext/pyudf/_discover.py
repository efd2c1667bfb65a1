"""What a module offers to SQL.

Every function here gives a list of Found, and raises UsageError with what the
user can do about it.
"""

from types import BuiltinFunctionType, FunctionType

from ._aggregate import is_aggregate
from ._errors import UsageError, is_library, nearest
from ._native import is_cfunc
from ._signature import is_generator
from ._udaf import AggregateFunction, lacks
from ._udf import (AGGREGATE, DEFAULT, Evaluated, decorated_in, spec_of, target)
from ._udtf import is_table, plain_spec

_ADVICE = ('begin its name with _ or decorate with @udf what is to be '
           'registered')


class Found:
    """A callable under its SQL name."""

    __slots__ = ('name', 'object', 'spec')

    def __init__(self, name, obj):
        self.name = name
        self.object = obj
        self.spec = spec_of(obj) or (
            AGGREGATE if is_aggregate(target(obj)) else
            plain_spec() if is_table(obj) else DEFAULT)


def kind_refused(obj):
    """What is wrong with the kind that an object was declared to be, or None."""
    function = target(obj)
    if (hasattr(function, 'emit_value') and hasattr(function, 'accumulate')
            and not is_table(obj)):
        return 'has emit_value(), and is no TableAggregateFunction'
    spec = spec_of(obj)
    if (spec is not None and spec.kind == 'scalar' and callable(function)
            and is_generator(function)):
        return 'yields rows, so it is a table function: declare it with udtf'
    return None


def _refuse(name, obj, advice=''):
    what = kind_refused(obj)
    if what:
        raise UsageError(f'{name!r} {what}{advice}')


# ---- all of a module ----

def _decorated(module_name, namespace, extra=()):
    """What is declared with @udf. `extra`: names that count wherever they were
    declared."""
    found = {}  # by spec: a decorator on top of @udf keeps it
    for obj in decorated_in(namespace):
        found[id(spec_of(obj))] = Found(_declared_name(obj), obj)
    prefix = module_name + '.'
    bound = {id(obj) for obj in namespace.values()}
    for name, obj in list(namespace.items()):
        spec = spec_of(obj)
        if spec is None:
            continue
        where = getattr(obj, '__module__', None) or ''
        if not (where == module_name or spec.where == module_name
                or (spec.where or '').startswith(prefix) or name in extra):
            continue
        key = id(spec)
        if key not in found or id(found[key].object) not in bound:
            found[key] = Found(spec.name or name, obj)
        elif found[key].object is obj and not spec.name:
            if getattr(namespace.get(obj.__name__), '__pyudf__', 0) is not spec:
                found[key].name = name
    result = sorted(found.values(), key=lambda f: f.spec.order)
    for item in result:
        _refuse(item.name, item.object)
    return result


def _declared_name(obj):
    return spec_of(obj).name or obj.__name__


def _is_function(obj, module_name):
    """True for a function that the module defines, also behind a decorator."""
    if is_cfunc(obj):
        return obj.__wrapped__.__module__ == module_name
    if getattr(obj, '__module__', None) != module_name:
        return False
    if isinstance(obj, (FunctionType, BuiltinFunctionType)):
        return True
    return (isinstance(obj, type)
            and (issubclass(obj, Evaluated) or is_aggregate(obj))
            or not isinstance(obj, type) and callable(obj)
            and hasattr(obj, '__wrapped__'))


def _public(module_name, namespace):
    """Public top-level functions and aggregate classes defined there."""
    result = []
    for name, obj in list(namespace.items()):
        if name.startswith('_'):
            continue
        if _is_function(obj, module_name):
            _refuse(name, obj, '; ' + _ADVICE)
            result.append(Found(name, _instance(obj)))
        elif (isinstance(obj, type) and obj.__module__ == module_name):
            _refuse(name, obj, '; ' + _ADVICE)
            lack = lacks(obj)
            if lack:
                raise UsageError(f'class {name!r} has {lack}, which an aggregate '
                                 f'function has; {_ADVICE}')
    return result


def _instance(obj):
    """Of a class of PyFlink's an instance; SQLite's makes one for each group."""
    if isinstance(obj, type) and issubclass(obj, (Evaluated,
                                                  AggregateFunction)):
        return obj()
    return obj


def in_source(module_name, namespace):
    """For python_define(source)."""
    found = (_decorated(module_name, namespace)
             or _public(module_name, namespace))
    if not found:
        raise UsageError('the source defines no function to register'
                         + _what_is_there(namespace))
    return found


def in_module(module_name, shown, namespace, filename):
    """For python_import(module): what it decorates, else its __all__, else its
    public functions. What an installed module has that SQL cannot call is left
    out."""
    chosen = [n for n in namespace.get('__all__', ()) if isinstance(n, str)]
    found = _decorated(module_name, namespace, chosen)
    if found:
        return found
    lenient = filename is None or is_library(filename)
    if chosen:
        found = _listed(chosen, namespace, lenient)
    elif lenient:
        found = [Found(n, o) for n, o in list(namespace.items())
                 if not n.startswith('_') and _is_function(o, module_name)
                 and not kind_refused(o)]
    else:
        found = _public(module_name, namespace)
    if not found:
        raise UsageError(f'module {shown!r} has no function to register'
                         + _what_is_there(namespace))
    return found


def _listed(names, namespace, lenient):
    result = []
    for name in names:
        obj = namespace.get(name)
        if isinstance(obj, type):
            if not issubclass(obj, Evaluated) and not is_aggregate(obj):
                if not lenient:
                    _refuse(name, obj, '; name in python_import() what is to be '
                                       'registered')
                continue
            obj = _instance(obj)
        if not callable(target(obj)) and not is_aggregate(target(obj)):
            continue
        if lenient and kind_refused(obj):
            continue
        _refuse(name, obj, '; name in python_import() what is to be registered')
        result.append(Found(name, obj))
    return result


def _what_is_there(namespace):
    names = [n for n in namespace if not n.startswith('__')]
    if not names:
        return '; it defines nothing'
    shown = ', '.join(f'{n} ({_word(namespace[n])})' for n in names[:8])
    return f'; it has {shown}' + (', ...' if len(names) > 8 else '')


def _word(obj):
    if isinstance(obj, type):
        return 'class'
    return {'function': 'function', 'module': 'module',
            'builtin_function_or_method': 'function'}.get(
                type(obj).__name__, type(obj).__name__)


# ---- some of a module ----

def picked(module_name, namespace, names):
    """For the second argument of python_import: 'a, b as sqlname, C.method'."""
    result = []
    for item in names.split(','):
        words = item.split()
        if len(words) == 3 and words[1].lower() == 'as':
            result.append(pick(module_name, namespace, words[0], words[2]))
        elif len(words) == 1:
            result.append(pick(module_name, namespace, words[0], None))
        else:
            raise UsageError(f'names: {item.strip()!r} is neither a name nor '
                             "'name as sqlname'")
    return result


def pick(module_name, namespace, path, sql_name):
    """One callable of a module, by its name in Python or the one that its
    declaration gives it."""
    obj = _look_up(namespace, path)
    declared = {_declared_name(o): o for o in decorated_in(namespace)}
    if obj is None:
        obj = declared.get(path)
    if obj is None:
        known = [n for n, o in namespace.items()
                 if not n.startswith('__') and callable(o)]
        raise UsageError(f'module {module_name!r} has no function {path!r}'
                         + nearest(path, known + list(declared)))
    obj = check_callable(path, obj)
    spec = spec_of(obj)
    declared_name = spec.name if spec else None
    return Found(sql_name or declared_name or path.rpartition('.')[2], obj)


def _look_up(namespace, path):
    first, *rest = path.split('.')
    obj = namespace.get(first)
    for name in rest:
        obj = getattr(obj, name, None)
    return obj


def check_callable(name, obj):
    """The object where it can be a function (a ScalarFunction class, say, gives an
    instance); else UsageError."""
    _refuse(name, obj)
    obj = _instance(obj)
    if not callable(target(obj)) and not is_aggregate(target(obj)):
        raise UsageError(f'{name!r} is of type {type(obj).__name__!r}, which '
                         'cannot be called')
    return obj


def only_one(sql_name, module_name, namespace):
    """For python_define(name, source) where the source is a def."""
    declared = _decorated(module_name, namespace)
    public = {n: o for n, o in namespace.items()
              if _is_function(o, module_name)}
    if sql_name in public:
        return Found(sql_name, check_callable(sql_name, public[sql_name]))
    named = ([(f.name, f.object) for f in declared]
             or [i for i in public.items() if not i[0].startswith('_')]
             or list(public.items()))
    if len(named) == 1:
        return Found(sql_name, check_callable(*named[0]))
    if not named:
        for name, obj in namespace.items():
            if getattr(obj, '__module__', None) == module_name:
                _refuse(name, obj)
        raise UsageError('the source is neither an expression nor does it define '
                         'a function' + _what_is_there(namespace))
    raise UsageError(f'the source defines {", ".join(n for n, _ in named)}: call '
                     f'one of them {sql_name!r}, or begin the names of the '
                     'others with _')
