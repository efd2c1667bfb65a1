"""Accumulators on their way to another worker, as pickles.

pickle knows a class or a function by its module's name. Those of definitions it
would not find: many of their modules have the same name, and in another worker
another one. Here they are known by the number of the definition. What a decorator has put
something else in the place of, pickle does not find either.
"""

import io
import pickle
import sys
from importlib import import_module
from types import FunctionType

from ._udf import target

_HERE = __name__, '_found'


def _found(number, qualname):
    """In a pickle: stands for Session.find."""
    raise pickle.UnpicklingError('only pyudf can read this')


def _decorated(module, qualname):
    """The class or function that was decorated."""
    return target(attribute(import_module(module), qualname))


def attribute(module, qualname):
    """What a module has under a __qualname__. Raises AttributeError."""
    obj = module
    for name in qualname.split('.'):
        # CPython's cache of attributes would keep each new string for a while.
        obj = getattr(obj, sys.intern(name))
    return obj


class _Pickler(pickle.Pickler):
    def __init__(self, file, session):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._session = session

    def reducer_override(self, obj):
        if isinstance(obj, (type, FunctionType)):
            return self._reduce(obj)
        return NotImplemented

    def _reduce(self, obj):
        number = self._session.definition_of(obj)
        if number is not None:
            return _found, (number, obj.__qualname__)
        try:
            shown = attribute(sys.modules[obj.__module__], obj.__qualname__)
        except (AttributeError, KeyError):
            return NotImplemented  # pickle knows how to say so
        if shown is not obj and target(shown) is obj:
            return _decorated, (obj.__module__, obj.__qualname__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, session):
        super().__init__(file)
        self._session = session

    def find_class(self, module, name):
        if (module, name) == _HERE:
            return self._session.find
        return super().find_class(module, name)


def pack(session, accumulator):
    """The accumulator as bytes. Raises TypeError where it cannot be pickled."""
    file = io.BytesIO()
    try:
        _Pickler(file, session).dump(accumulator)
    except Exception as exc:
        raise TypeError('parallel=True needs accumulators that pickle can '
                        f'write: {exc}') from exc
    return file.getvalue()


def unpack(session, data):
    """The accumulator of which pack() made these bytes, in the same session or
    in one with the same definitions."""
    return _Unpickler(io.BytesIO(data), session).load()
