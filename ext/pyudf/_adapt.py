"""Results that are of none of SQLite's types, and JSON both ways.

The C converter calls this for what it does not know. Modules are never imported
for a type test: an object of a type can be there only once its module is.
"""

import sys

_ACCEPTED = ('int, float, str, bytes, bool, None, a buffer, date, time, datetime, '
             'Decimal, UUID, Path, an Enum member, a numpy scalar, or dict, list, '
             'tuple and dataclass as JSON')


def adapt(obj):
    """What the converter can take instead of `obj`: an object of a plain type,
    or the text of a JSON value in a tuple.

    Raises OverflowError for an int of more than 64 bits and TypeError for a type
    that has no form in SQL.
    """
    if isinstance(obj, int):
        raise OverflowError(_too_big(obj))
    plain = _scalar(obj)
    if plain is not _UNKNOWN:
        if isinstance(plain, int) and not -1 << 63 <= plain < 1 << 63:
            raise OverflowError(_too_big(plain))
        return plain
    if isinstance(obj, (dict, list, tuple)) or _is_dataclass(obj):
        return (json_text(obj),)
    try:
        return memoryview(obj)
    except TypeError:
        pass
    raise _no_form(obj)


def _no_form(obj):
    return TypeError(f'a result of type {_type_name(obj)!r} has no form in SQL; '
                     f'accepted are {_ACCEPTED}')


class _Unknown:
    pass


_UNKNOWN = _Unknown()


def _scalar(obj):
    """A plain object for one that stands for a single value, else _UNKNOWN."""
    loaded = sys.modules
    if isinstance(obj, _of('enum', 'Enum')):
        value = obj.value
        if isinstance(value, (int, float, str, bytes, type(None))):
            return value
        return adapt(value)
    if 'numpy' in loaded and isinstance(obj, _of('numpy', 'generic')):
        return _numpy_scalar(obj)
    if 'pandas' in loaded and (obj is loaded['pandas'].NA
                               or obj is loaded['pandas'].NaT):
        return None
    if isinstance(obj, _of('datetime', 'datetime')):
        return obj.isoformat(' ')
    if isinstance(obj, (_of('datetime', 'date'), _of('datetime', 'time'))):
        return obj.isoformat()
    if isinstance(obj, (_of('decimal', 'Decimal'), _of('uuid', 'UUID'),
                        _of('pathlib', 'PurePath'))):
        return str(obj)
    return _UNKNOWN


def _numpy_scalar(obj):
    value = obj.item()
    if type(value) is type(obj):  # longdouble: has no Python type of its own
        return float(obj)
    if isinstance(value, (bool, int, float, str, bytes, type(None))):
        return value
    if isinstance(value, complex):  # it would do as a buffer
        raise _no_form(obj)
    return adapt(value)


def _of(module, name):
    """A class of a module that may not be loaded; () is no object's class."""
    return getattr(sys.modules.get(module), name, ())


def _is_dataclass(obj):
    return (hasattr(type(obj), '__dataclass_fields__')
            and not isinstance(obj, type))


def _too_big(number):
    bits = number.bit_length()
    text = number if bits <= 256 else f'an int of {bits} bits'
    return f'{text} does not fit into 64 bits'


def _type_name(obj):
    kind = type(obj)
    if kind.__module__ in ('builtins', '__main__'):
        return kind.__qualname__
    return f'{kind.__module__}.{kind.__qualname__}'


# ---- JSON ----

_encoder = None


def json_text(obj):
    """Compact JSON. Nested values are adapted as results are; NaN and the
    infinities are ValueErrors, as JSON has none."""
    global _encoder
    if _encoder is None:
        from json import JSONEncoder
        _encoder = JSONEncoder(ensure_ascii=False, allow_nan=False,
                               separators=(',', ':'), default=_nested).encode
    try:
        return _encoder(obj)
    except TypeError:
        # A key of a type that JSON does not know; or what _nested refused, which
        # it then will again.
        return _encoder(_with_plain_keys(obj))


def _nested(obj):
    """json's `default`: for what it does not know itself."""
    plain = _scalar(obj)
    if plain is not _UNKNOWN:
        if isinstance(plain, tuple):  # an Enum whose value is a list, say
            return obj.value
        if not isinstance(plain, bytes):
            return plain
    elif _is_dataclass(obj):
        return _fields(obj)
    elif isinstance(obj, _of('numpy', 'ndarray')):
        return obj.tolist()
    raise TypeError(f'a value of type {_type_name(obj)!r} has no form in JSON')


def _fields(obj):
    return {name: getattr(obj, name) for name in type(obj).__dataclass_fields__
            if hasattr(obj, name)}


def fields_of(obj):
    """The fields of a dataclass, by name; None for anything else."""
    return _fields(obj) if _is_dataclass(obj) else None


def _with_plain_keys(obj):
    if isinstance(obj, dict):
        return {_key(key): _with_plain_keys(value)
                for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [_with_plain_keys(value) for value in obj]
    if _is_dataclass(obj):
        return _with_plain_keys(_fields(obj))
    return obj


def _key(key):
    if isinstance(key, (str, int, float, type(None))):
        return key
    plain = _scalar(key)
    if isinstance(plain, (str, int, float, type(None))):
        return plain
    raise TypeError(f'a key of type {_type_name(key)!r} has no form in JSON')


_loads = None


def json_value(text):
    """What JSON text says, for an argument that is annotated so."""
    global _loads
    if _loads is None:
        from json import loads as _loads
    return _loads(text)


# ---- text ----

def encode(text):
    """The UTF-8 of a str that holds surrogates. Those that stand for bytes that
    were no UTF-8 become these bytes again; a lone one of another kind becomes
    the three bytes that SQLite itself makes of one in UTF-16."""
    try:
        return text.encode('utf-8', 'surrogateescape')
    except UnicodeEncodeError:
        return b''.join(
            c.encode('utf-8', 'surrogateescape' if '\udc80' <= c <= '\udcff'
                     else 'surrogatepass') for c in text)
