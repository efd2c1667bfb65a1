"""Functions that carry compiled code: ctypes function pointers, numba's cfuncs,
and what `udf(..., compile="numba")` makes.

One whose signature is of numbers alone is called by its address, without Python
(ext/base/native.h); what else is a callable like any other.
"""

import sys

from ._errors import UsageError
from ._signature import Signature

ARGS_MAX = 127
_CDECL = 1  # ctypes: FUNCFLAG_CDECL; any other flag wants what ctypes does
_DEPTH = 8

# By enum native_type of native.h.
NAMES = ('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32',
         'uint64', 'float', 'double')
_BOOL = 0


class Native:
    """Compiled code with a signature.

    address: the code's.
    types, result: places in NAMES.
    parameters: their names, or None for a0, a1, ...
    caller: calls it through Python; keeps the code alive.
    tells: the code takes one more argument: a pointer to an int64 that it sets
        where it raises.
    """

    __slots__ = ('address', 'types', 'result', 'parameters', 'caller', 'tells')

    def __init__(self, address, types, result, parameters, caller, tells=False):
        self.address = address
        self.types = types
        self.result = result
        self.parameters = parameters or [f'a{i}' for i in range(len(types))]
        self.caller = caller
        self.tells = tells

    def row(self):
        """What compiled.c makes a struct native of."""
        return (self.address, self.result, int(self.tells), bytes(self.types),
                '\n'.join(self.parameters))

    def signature(self, spec):
        """The Signature that SQL gets to know."""
        found = Signature()
        found.min = found.max = len(self.types)
        found.arguments = ', '.join(
            f'{name}: {NAMES[kind]}'
            for name, kind in zip(self.parameters, self.types))
        found.result = spec.result_type or NAMES[self.result]
        found.parameters = '\n'.join(self.parameters)
        found.codes = bytes(ARGS_MAX)
        return found


def native_of(obj, spec):
    """The Native of a callable that python_of() gave, or None.

    spec: its declaration.
    Raises UsageError for a function pointer that is NULL: ctypes would crash.
    """
    if spec.kind != 'scalar' or spec.func_type != 'general':
        return None
    if spec.native is not None:
        return spec.native
    if _is_pointer(obj):
        if not _address(obj):
            raise UsageError('a function pointer that is NULL cannot be called')
        return _of_pointer(obj, None)
    if is_cfunc(obj):
        return _of_pointer(obj.ctypes, _names(obj.__wrapped__))
    return None


def is_cfunc(obj):
    """True for numba's cfunc."""
    kind = type(obj)
    return (kind.__name__ == 'CFunc' and kind.__module__.startswith('numba.')
            and hasattr(obj, 'ctypes') and hasattr(obj, '__wrapped__'))


def _is_pointer(obj):
    module = sys.modules.get('_ctypes')  # without it there is none
    return module is not None and isinstance(obj, module.CFuncPtr)


def _names(function):
    code = function.__code__
    return list(code.co_varnames[:code.co_argcount])


def _numbers():
    """ctypes' classes: their places in NAMES. Aliases (c_size_t, ...) are the same
    classes; subclasses mean something of their own."""
    import ctypes
    kinds = {ctypes.c_bool: _BOOL, ctypes.c_float: 9, ctypes.c_double: 10}
    for kind in (ctypes.c_byte, ctypes.c_short, ctypes.c_int, ctypes.c_long,
                 ctypes.c_longlong):
        kinds[kind] = NAMES.index(f'int{8 * ctypes.sizeof(kind)}')
    for kind in (ctypes.c_ubyte, ctypes.c_ushort, ctypes.c_uint,
                 ctypes.c_ulong, ctypes.c_ulonglong):
        kinds[kind] = NAMES.index(f'uint{8 * ctypes.sizeof(kind)}')
    return kinds


def _address(pointer):
    """None for NULL. ctypes.cast() would have the pointer keep itself alive."""
    import ctypes
    return ctypes.c_void_p.from_address(ctypes.addressof(pointer)).value


def _of_pointer(pointer, parameters):
    """The Native of a ctypes function pointer; None where its types are not said
    or no numbers, or where ctypes does more than to call it."""
    import ctypes
    if (pointer._flags_ != _CDECL or pointer.argtypes is None
            or getattr(pointer, 'errcheck', None) is not None
            or len(pointer.argtypes) > ARGS_MAX):
        return None
    kinds = _numbers()
    types = [kinds.get(kind) for kind in pointer.argtypes]
    result = kinds.get(pointer.restype)
    if result is None or None in types:
        return None
    if parameters is not None and len(parameters) != len(types):
        parameters = None
    return Native(_address(pointer), types, result, parameters, pointer)


# ---- callbacks ----

def python_of(obj):
    """The Python function behind a callback that ctypes made of one; any other
    object is given back.

    A callback's code is Python, and ctypes prints what it raises and goes on.
    """
    if not _is_pointer(obj):
        return obj
    thunk = _thunk(obj._objects, 0)
    if thunk is None:
        return obj
    import gc
    for inner in gc.get_referents(thunk):
        if callable(inner) and inner is not type(thunk):
            return inner
    return obj


def _thunk(kept, depth):
    """The thunk among what a ctypes object keeps alive, or None. What a cast has
    made keeps the objects that it was made of."""
    if type(kept).__name__ == 'CThunkObject':
        return kept
    if depth < _DEPTH:
        if isinstance(kept, dict):
            inner = kept.values()
        else:
            inner = [getattr(kept, '_objects', None)]
        for one in inner:
            thunk = None if one is None else _thunk(one, depth + 1)
            if thunk is not None:
                return thunk
    return None
