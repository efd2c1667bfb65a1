"""Exceptions as texts: type, message, place and traceback."""

import os
from types import CodeType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_INTERNAL = ('<frozen importlib', '<pyudf>', _STDLIB + 'importlib' + os.sep)

ERR_PYTHON = 1  # as in err.h
ERR_USAGE = 2
ERR_NOMEM = 3

_LINE_MAX = 0x7fffffff
_WRAPPERS = 100
_NO_TEXT = '<exception str() failed>'


class UsageError(Exception):
    """The caller asked for something that cannot be: the text says it all."""


def is_internal(filename):
    """True for code of pyudf's own and of the import machinery."""
    return filename.startswith(_PACKAGE) or filename.startswith(_INTERNAL)


def is_library(filename):
    """True for code that the user did not write: Python's own, installed."""
    return (filename.startswith((_STDLIB, '<frozen ', '<__array_function__'))
            or '/site-packages/' in filename or '/dist-packages/' in filename
            or is_internal(filename))


def describe(exc, session, function):
    """(code, type, text, file, line, traceback) of an exception; the strings
    are UTF-8, or None.

    session: whose sources without a file tracebacks may show, or None.
    function: what was called, or None.

    Nothing of the exception's own is trusted: what it says of itself may be code
    that raises, exits, or gives something else.
    """
    kind = type(exc)  # isinstance() would ask its __class__
    if issubclass(kind, UsageError):
        return ERR_USAGE, None, _bytes(str(exc)), None, 0, None
    code = ERR_NOMEM if issubclass(kind, MemoryError) else ERR_PYTHON
    text = _text(exc)
    file, line = _place(exc, function)
    return (code, _bytes(_type_name(kind, session)), _bytes(text),
            None if file is None else _bytes(file), line,
            _bytes(_traceback(exc, text, session)))


def _bytes(text):
    return str.encode(text, 'utf-8', 'backslashreplace')


def _text(exc):
    try:
        if issubclass(type(exc), SyntaxError) and isinstance(exc.msg, str):
            return str.__str__(exc.msg)  # str() has the place as well
        return str.__str__(str(exc))
    except BaseException:  # sys.exit() in it, say
        return _NO_TEXT


# Past what a metaclass has instead.
_type_own_name = type.__dict__['__qualname__'].__get__
_type_own_module = type.__dict__['__module__'].__get__
_own_traceback = BaseException.__dict__['__traceback__'].__get__


def _type_name(kind, session):
    """As the last line of a traceback has it; a class of a module that pyudf
    made is told without the module."""
    name = str.__str__(_type_own_name(kind))  # as f-strings would ask it
    module = _type_own_module(kind)
    if not issubclass(type(module), str):
        return name
    module = str.__str__(module)
    if (module in ('builtins', '__main__')
            or session is not None and module in session.modules):
        return name
    return f'{module}.{name}'


def _place(exc, function):
    """Where it was raised: the innermost code of the user's own, else the
    innermost code that is not ours, else the function."""
    if issubclass(type(exc), SyntaxError):
        try:
            file, line = exc.filename, exc.lineno
        except BaseException:
            file = line = None
        if (type(file) is str and file and type(line) is int
                and 0 < line <= _LINE_MAX):
            return file, line
    own = other = None
    tb = _own_traceback(exc)
    while tb is not None:
        filename = tb.tb_frame.f_code.co_filename
        if not is_library(filename):
            own = filename, tb.tb_lineno or 0
        elif not is_internal(filename):
            other = filename, tb.tb_lineno or 0
        tb = tb.tb_next
    return own or other or _place_of(function)


def _place_of(function):
    try:
        code = getattr(getattr(unwrapped(function), '__func__', function),
                       '__code__', None)
        if type(code) is CodeType and not is_internal(code.co_filename):
            return code.co_filename, code.co_firstlineno
    except BaseException:
        pass
    return None, 0


def unwrapped(function):
    """What decorators have made it of. Anything may say that it wraps, even
    itself."""
    for _ in range(_WRAPPERS):
        inner = getattr(function, '__wrapped__', None)
        if inner is None:
            break
        function = inner
    return function


def _traceback(exc, text, session):
    """The whole of it, causes included, without the frames of pyudf."""
    if text is not _NO_TEXT:  # what does not end would not end again
        try:
            from traceback import TracebackException
            told = TracebackException(type(exc), exc, _own_traceback(exc),
                                      lookup_lines=False, compact=True)
            files = set()
            _prune(told, files)
            return _told_with_sources(told.format, files, session)
        except BaseException:
            pass
    return _plain_traceback(exc, text, session)


def _plain_traceback(exc, text, session):
    """For one that Python itself cannot tell, as what it says of itself is
    broken, or there is too much of it."""
    from traceback import StackSummary, walk_tb
    frames = StackSummary.extract(walk_tb(_own_traceback(exc)),
                                  lookup_lines=False)
    frames[:] = [frame for frame in frames if not is_internal(frame.filename)]
    stack = _told_with_sources(frames.format,
                               {frame.filename for frame in frames}, session)
    return (f'Traceback (most recent call last):\n{stack}'
            f'{_type_name(type(exc), session)}: {text}\n')


def _told_with_sources(tell, files, session):
    """What tell() gives while the lines of these files can be had."""
    if session is None:
        return ''.join(tell())
    session.show_sources(files)
    try:
        return ''.join(tell())
    finally:
        session.hide_sources(files)


def _prune(told, files):
    """Takes frames of pyudf's own away; adds the files of the others."""
    seen, rest = set(), [told]
    while rest:
        told = rest.pop()
        if told is None or id(told) in seen:
            continue
        seen.add(id(told))
        if told.stack is not None:
            told.stack[:] = [frame for frame in told.stack
                             if not is_internal(frame.filename)]
            files.update(frame.filename for frame in told.stack)
        rest += (told.__cause__, told.__context__,
                 *(getattr(told, 'exceptions', None) or ()))


def nearest(name, known):
    """'; did you mean ...' for a name that is not among the known, or ''."""
    from difflib import get_close_matches
    close = get_close_matches(name, list(known), 3, 0.6)
    if not close:
        lower = {k.lower(): k for k in known}
        close = [lower[k] for k in
                 get_close_matches(name.lower(), list(lower), 3, 0.6)]
    if not close:
        return ''
    return '; did you mean ' + ' or '.join(repr(c) for c in close) + '?'
