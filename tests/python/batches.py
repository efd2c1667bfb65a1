"""What the tests of batches share: the runtime's table, driven through ctypes as a
host in C drives it, in this process."""

import ctypes
import os
import re
import struct
import unittest
from ctypes import (POINTER, Structure, byref, c_char_p, c_int, c_size_t,
                    c_uint32, c_uint64, c_void_p)

import tap  # noqa: F401  (finds the package)
import pyudf._runtime as _runtime

NULL, INTEGER, REAL, TEXT, BLOB = range(5)
_JSON = 1 << 8  # VALUE_JSON as it is in a head


def _table():
    """The names of the functions in struct runtime, in their order."""
    source = os.environ.get('PYUDF_SOURCE') or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), '..', '..')
    with open(os.path.join(source, 'ext', 'base', 'runtime.h')) as file:
        return re.findall(r'\(\*(\w+)\)\(', file.read())


class Text(bytes):
    """TEXT as its bytes, which may be no UTF-8."""


class Json(str):
    """TEXT with SQLite's JSON subtype."""


class _Value(Structure):
    _fields_ = [('type', c_uint32), ('flags', c_uint32), ('data', c_uint64),
                ('len', c_uint64)]


class _Buf(Structure):
    _fields_ = [('data', c_void_p), ('len', c_size_t), ('size', c_size_t),
                ('failed', c_int)]


class _Batch(Structure):
    _fields_ = [('data', c_char_p), ('len', c_uint64), ('columns', c_uint32),
                ('rows', c_uint32)]


class _Options(Structure):
    _fields_ = [('concurrency', c_uint32), ('timeout_ms', c_uint32),
                ('retries', c_uint32)]


class _Err(Structure):
    _fields_ = [('code', c_int), ('line', c_int), ('type', c_char_p),
                ('text', c_char_p), ('file', c_char_p), ('traceback', c_char_p)]


class _Definition(Structure):
    _fields_ = [('id', c_uint32), ('kind', c_uint32), ('reload', c_uint32),
                ('serial', c_uint64), ('module', c_char_p), ('name', c_char_p),
                ('source', c_char_p), ('names', c_char_p), ('expect', c_char_p)]


class Failed(Exception):
    """A struct err; `done`: rows of the batch before it, which are `rows`."""

    def __init__(self, err, done=0, rows=()):
        self.type = err.type and err.type.decode()
        self.text = (err.text or b'').decode()
        self.traceback = (err.traceback or b'').decode()
        self.code, self.done, self.rows = err.code, done, rows
        super().__init__(f'{self.type}: {self.text}' if self.type else self.text)


def _runtime_table():
    library = ctypes.PyDLL(_runtime.__file__)
    library.pyudf_runtime.restype = POINTER(c_void_p)
    found = library.pyudf_runtime()
    # Behind abi and size, which are one pointer's size together.
    return {name: found[1 + i] for i, name in enumerate(_table())}


def _function(result, *args):
    return ctypes.PYFUNCTYPE(result, *args)


# ---- values as bytes: codec.h ----

def put(value):
    if value is None:
        return struct.pack('=QQ', NULL, 0)
    if isinstance(value, int):
        return struct.pack('=Qq', INTEGER, value)
    if isinstance(value, float):
        return struct.pack('=Qd', REAL, value)
    kind = BLOB if type(value) is bytes else TEXT
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack('=QQ', kind, len(data)) + data + bytes(-len(data) % 8)


def values(data):
    """All of them; TEXT that is no UTF-8 as Text."""
    at, result = 0, []
    while at < len(data):
        kind, number = struct.unpack_from('=Qq', data, at)
        at += 16
        if kind & 255 == NULL:
            result.append(None)
        elif kind == INTEGER:
            result.append(number)
        elif kind == REAL:
            result.append(struct.unpack_from('=d', data, at - 8)[0])
        else:
            result.append(_bytes(kind, data[at:at + number]))
            at += number + -number % 8
    assert at == len(data)
    return result


def _bytes(kind, data):
    if kind == BLOB:
        return data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Text(data)
    return Json(text) if kind & _JSON else text


def _fill(values):
    """The array of struct value, and what it points into."""
    array = (_Value * (len(values) + 1))()
    kept = []
    for slot, value in zip(array, values):
        encoded = put(value)
        slot.type, slot.data = struct.unpack('=QQ', encoded[:16])
        if slot.type >= TEXT:
            kept.append(ctypes.create_string_buffer(encoded[16:]))
            slot.len, slot.data = slot.data, ctypes.addressof(kept[-1])
    return array, kept


# ---- a host ----

class Host:
    """A space of the runtime's."""

    def __init__(self):
        table = _runtime_table()
        pointer, number = c_void_p, c_uint32
        err = POINTER(_Err)
        types = {
            'start': (c_int, c_char_p, c_int, err),
            'space_new': (pointer, c_char_p, err),
            'space_free': (None, pointer),
            'define': (c_int, pointer, POINTER(_Definition), POINTER(_Buf), err),
            'forget': (None, pointer, number),
            'call': (c_int, pointer, number, number, pointer, number,
                     POINTER(_Value), err),
            'map': (c_int, pointer, number, number, POINTER(_Batch),
                    POINTER(_Options), POINTER(_Buf), POINTER(number), err),
            'release': (None, pointer),
        }
        for name, signature in types.items():
            setattr(self, '_' + name, _function(*signature)(table[name]))
        package = os.path.dirname(os.path.dirname(_runtime.__file__))
        self._done(self._start(package.encode(), 0, self._err()))
        self.space = self._space_new(None, self._err())
        self.count = 0

    def _err(self):
        self.err = _Err()
        return byref(self.err)

    def _done(self, rc, done=0, rows=()):
        if rc:
            raise Failed(self.err, done, rows)

    def close(self):
        self._space_free(self.space)

    def define(self, source, number=None):
        """python_define(source): the number of the definition, and the manifest as
        values."""
        if number is None:
            self.count += 1
            number = self.count
        definition = _Definition(
            id=number, serial=number, source=source.encode(),
            module=f'pyudf_session1.define{number}'.encode())
        manifest = _Buf()
        self._done(self._define(self.space, byref(definition), byref(manifest),
                                self._err()))
        return number, values(_content(manifest))

    def forget(self, number):
        self._forget(self.space, number)

    def call(self, number, *args, index=0):
        array, kept = _fill(args)
        result = _Value()
        self._done(self._call(self.space, number, index, ctypes.addressof(array),
                              len(args), byref(result), self._err()))
        if result.type < TEXT:
            head = struct.pack('=QQ', result.type, result.data)
            return values(head)[0]
        data = ctypes.string_at(result.data, result.len)
        value = _bytes(result.type | result.flags << 8 & _JSON, data)
        assert result.flags & 8  # VALUE_HELD
        self._release(self.space)
        return value

    def map(self, number, rows, *, index=0, width=1, concurrency=0, timeout_ms=0,
            retries=0, columns=None):
        """The results: values, or tuples where width is not 1."""
        data = b''.join([put(value) for row in rows for value in row])
        columns = columns or (len(rows[0]) if rows else 1)
        return self.map_bytes(number, data, len(rows), columns, index, width,
                              _Options(concurrency, timeout_ms, retries))

    def map_bytes(self, number, data, rows, columns, index=0, width=1,
                  options=None):
        batch = _Batch(data, len(data), columns, rows)
        out, done = _Buf(), c_uint32(77)
        rc = self._map(self.space, number, index, byref(batch),
                       byref(options or _Options()), byref(out), byref(done),
                       self._err())
        found = values(_content(out))
        if width != 1:
            found = list(zip(*[iter(found)] * width))
        self._done(rc, done.value, found)
        assert done.value == rows, done.value
        return found


def _content(buf):
    data = ctypes.string_at(buf.data, buf.len) if buf.len else b''
    ctypes.CDLL(None).free(c_void_p(buf.data))
    return data


class BatchTest(unittest.TestCase):
    """A test with a space of its own."""

    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)

    def define(self, source):
        return self.host.define(source)[0]

    def map(self, source, rows, **more):
        """Of the first function that the source defines."""
        return self.host.map(self.define(source), rows, **more)

    def fails(self, pattern, function, *args, **more):
        """The Failed that the call raises, with such a text."""
        with self.assertRaisesRegex(Failed, pattern) as caught:
            function(*args, **more)
        return caught.exception
