"""The decorator `udf` and what it accepts."""

import sys
from types import FunctionType

from ._native import python_of
from ._signature import is_coroutine
from ._types import type_text

_TIMEOUT_MAX = 2**31 - 1  # as python_timeout's
_MODES = {None: 0, 'any': 0, 'process': 1, 'thread': 2}
_FUNC_TYPES = ('general', 'list', 'numpy', 'pandas', 'arrow')
_AWAITING_MAX = 10000  # calls of an async function at once, and retries
_MARK = '__pyudf__'            # attribute of what was decorated: a Spec
_LIST = '__pyudf_functions__'  # global of a module: what was decorated in it


class FunctionContext:
    """What `ScalarFunction.open` is given."""


class Evaluated:
    """What ScalarFunction and its kin have in common: SQL calls `eval`."""

    def open(self, function_context):
        """Called once before the first call, where the calls will run."""

    def close(self):
        """Called once after the last call, if the process gets that far."""


class ScalarFunction(Evaluated):
    """A function with state: subclass it and define `eval`.

        class Scale(ScalarFunction):
            def open(self, function_context):
                self.factor = load_factor()
            def eval(self, x):
                return x * self.factor

        scale = udf(Scale(), result_type='DOUBLE')
    """

    def eval(self, *args):
        """Called for every row. The result is the function's value."""
        raise NotImplementedError(f'{type(self).__name__}.eval')


class AsyncScalarFunction(ScalarFunction):
    """A function with state whose `eval` is an `async def`: python_map() awaits
    several rows at once."""

    async def eval(self, *args):
        """Called for every row. The result is the function's value."""
        raise NotImplementedError(f'{type(self).__name__}.eval')


class Spec:
    """What a declaration said of a function."""

    count = 0

    def __init__(self, name, input_types, result_type, deterministic,
                 direct_only, innocuous, null_call, mode, timeout, where):
        self.kind = 'scalar'
        self.func_type = 'general'
        self.parallel = False
        self.columns = None  # of a table function: [(name, type)]
        self.result_types = None
        self.rows = 0
        self.ordered_by = []
        self.native = None  # a Native: what compile has made
        self.concurrency = 0  # of an async function: 0 for the default
        self.retries = 0
        self.name = name
        self.input_types = input_types
        self.result_type = result_type
        self.deterministic = deterministic
        self.direct_only = direct_only
        self.innocuous = innocuous
        self.null_call = null_call
        self.mode = mode
        self.timeout = timeout
        self.where = where  # __name__ of the module that declared it
        Spec.count += 1
        self.order = Spec.count


DEFAULT = Spec(None, None, None, False, True, False, True, 0, 0, None)
AGGREGATE = Spec(None, None, None, False, True, False, True, 0, 0, None)
AGGREGATE.kind = 'aggregate'


class UserDefinedFunction:
    """What `udf` makes of a callable that is no plain Python function."""

    def __init__(self, function):
        self.__wrapped__ = function
        name = getattr(function, '__name__', None)
        self.__name__ = name or type(function).__name__
        self.__doc__ = getattr(function, '__doc__', None)
        module = getattr(function, '__module__', None)
        self.__module__ = module or type(function).__module__

    def __call__(self, *args, **kwargs):
        return target(self)(*args, **kwargs)

    def __mro_entries__(self, bases):
        """A class that was decorated can be a base class still."""
        return (self.__wrapped__,)

    def __repr__(self):
        return f'<udf of {self.__wrapped__!r}>'


def udf(f=None, input_types=None, result_type=None, deterministic=False,
        name=None, func_type='general', *, direct_only=True, innocuous=False,
        null_call=True, mode=None, timeout=0, compile=None, concurrency=None,
        retries=None):
    """Declares a scalar function for SQL.

    Used as `@udf`, as `@udf(result_type='BIGINT', ...)` or as `udf(f, ...)`.

    f: a callable, an instance of a subclass of ScalarFunction, or such a class.
        An `async def` is run to its end; python_map() awaits several rows at once.
    input_types: the arguments' SQL types, one or a list; annotations say more.
    result_type: the SQL type of the result: a DataType or its text. For humans,
        but that DataTypes.ROW() of a batch function says that it returns several
        columns.
    deterministic: True lets SQLite fold calls and use the function in indexes.
    name: the name in SQL; else that of the variable it is bound to.
    func_type: 'general': called once for every row. Else it is a batch function:
        called with a column for each argument, it returns as many values. 'list':
        columns are lists; 'numpy': arrays, masked ones where there is a NULL;
        'pandas': Series; 'arrow': arrays of pyarrow, else of nanoarrow, else
        polars' Series.
    direct_only: False lets triggers, views and the schema call it.
    innocuous: True says that it cannot do harm, whoever calls it; needs
        direct_only=False to matter.
    null_call: False: where an argument is NULL the result is, without a call.
    mode: 'process' or 'thread' where it must run in one of them; None: in any.
    timeout: milliseconds that a call may take; 0: what the setting
        python_timeout says.
    compile: 'numba' has numba make compiled code of a function of numbers, which
        is called without Python; its types are input_types and result_type, or
        the annotations. NULL in, NULL out, without a call.
    concurrency: of an async function: rows that python_map() awaits at once, 1 to
        10000; 10 unless told.
    retries: of an async function: how often python_map() calls it again for a row
        for which it raised.

    Returns something that is called as f was: f itself, a copy of it, or a
    UserDefinedFunction.
    Raises TypeError or ValueError for an argument that is none of these.
    """
    scope = sys._getframe(1).f_globals
    if compile not in (None, 'numba'):
        raise ValueError(f"udf: compile must be 'numba' or None, not {compile!r}")
    if compile is not None and func_type != 'general':
        raise ValueError('udf: compile is for functions of single values, not for '
                         f'func_type={func_type!r}')
    if func_type not in _FUNC_TYPES:
        raise ValueError('udf: func_type must be one of '
                         f'{", ".join(map(repr, _FUNC_TYPES))}, not {func_type!r}')
    spec = declared('udf', scope, name=name, input_types=input_types,
                    result_type=result_type, deterministic=deterministic,
                    direct_only=direct_only, innocuous=innocuous,
                    null_call=null_call, mode=mode, timeout=timeout)
    spec.func_type = func_type
    spec.concurrency = _awaiting('concurrency', concurrency, 1)
    spec.retries = _awaiting('retries', retries, 0)
    if f is None:
        return lambda function: _mark_scalar(function, spec, scope, False,
                                             compile)
    return _mark_scalar(f, spec, scope, True, compile)


def _awaiting(key, value, least):
    """0 where nothing is said."""
    if value is None:
        return 0
    if (isinstance(value, bool) or not isinstance(value, int)
            or not least <= value <= _AWAITING_MAX):
        raise ValueError(f'udf: {key} must be an int from {least} to '
                         f'{_AWAITING_MAX}, not {value!r}')
    return value


def declared(decorator, scope, *, name, input_types, result_type, mode, timeout,
             **flags):
    """The Spec of a decorator's arguments; `scope`: the globals around it."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f'{decorator}: name must be a str, not '
                        f'{type(name).__name__}')
    if mode not in _MODES:
        raise ValueError(f"{decorator}: mode must be 'process', 'thread' or "
                         f'None, not {mode!r}')
    if (isinstance(timeout, bool) or not isinstance(timeout, int)
            or not 0 <= timeout <= _TIMEOUT_MAX):
        raise ValueError(f'{decorator}: timeout must be milliseconds from 0 to '
                         f'{_TIMEOUT_MAX}, not {timeout!r}')
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f'{decorator}: {key} must be True or False, not '
                            f'{value!r}')
    return Spec(name, _input_texts(input_types, decorator),
                None if result_type is None
                else type_text(result_type, f'{decorator}: result_type'),
                mode=_MODES[mode], timeout=timeout,
                where=scope.get('__name__'), **flags)


def _input_texts(types, decorator):
    if types is None:
        return None
    if isinstance(types, str) or not isinstance(types, (list, tuple)):
        types = [types]
    return [type_text(t, f'{decorator}: input_types') for t in types]


def has(obj, *names):
    """True where all these are methods of a class or an instance."""
    return all(callable(getattr(obj, name, None)) for name in names)


def _mark_scalar(function, spec, scope, copy, compile):
    if isinstance(function, type) and issubclass(function, ScalarFunction):
        function = function()
    if isinstance(function, UserDefinedFunction):
        function = function.__wrapped__
    if isinstance(function, type) and has(function, 'step', 'finalize'):
        raise TypeError(f'udf: class {function.__name__} has step() and '
                        'finalize(): an aggregate function, for udaf')
    if not isinstance(function, ScalarFunction) and not callable(function):
        raise TypeError('udf: a function or an instance of ScalarFunction is '
                        f'expected, not {type(function).__name__}')
    if compile is not None:
        if type(function) is not FunctionType:
            raise TypeError("udf: compile='numba' wants a Python function, not "
                            f'{type(function).__name__}')
        from ._compile import compiled
        given, spec = spec, Spec.__new__(Spec)  # it may declare more than one
        vars(spec).update(vars(given), native=compiled(function, given))
    _check_awaits(function, spec)
    return mark(function, spec, scope, copy)


def _check_awaits(function, spec):
    """What is said of async functions is said of one."""
    if is_coroutine(target(function)):
        if spec.func_type != 'general':
            raise ValueError(f'udf: func_type={spec.func_type!r} is not for async '
                             'functions, which are called once for every row')
    elif isinstance(function, AsyncScalarFunction):
        raise TypeError(f'udf: eval() of {type(function).__name__}, an '
                        'AsyncScalarFunction, is not an async def')
    else:
        for key in 'concurrency', 'retries':
            if getattr(spec, key):
                raise ValueError(f'udf: {key} is for async functions')


def mark(function, spec, scope, copy):
    """The function with its Spec. `copy`: another declaration of the same
    function is not to be touched."""
    if type(function) is not FunctionType:
        if type(function) is not UserDefinedFunction:
            function = UserDefinedFunction(function)
    elif copy or _MARK in function.__dict__:
        function = _copy(function)
    setattr(function, _MARK, spec)
    scope.setdefault(_LIST, []).append(function)
    return function


def _copy(function):
    twin = FunctionType(function.__code__, function.__globals__,
                         function.__name__, function.__defaults__,
                         function.__closure__)
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__annotations__ = function.__annotations__
    twin.__qualname__ = function.__qualname__
    twin.__module__ = function.__module__
    twin.__doc__ = function.__doc__
    twin.__dict__.update(function.__dict__)
    return twin


def spec_of(obj):
    """The Spec of something decorated, or None."""
    if isinstance(obj, type):
        return None
    try:
        spec = getattr(obj, _MARK, None)
    except Exception:  # an object of the user's with its own ideas
        return None
    return spec if isinstance(spec, Spec) else None


def target(obj):
    """The callable that SQL calls for something that udf returned or may get."""
    if isinstance(obj, UserDefinedFunction):
        obj = obj.__wrapped__
    return obj.eval if isinstance(obj, Evaluated) else python_of(obj)


def decorated_in(namespace):
    """What was decorated in a module, in order; a new list."""
    return list(namespace.get(_LIST, ()))


def forget_decorated(namespace):
    """For before the module is run again."""
    namespace.pop(_LIST, None)
