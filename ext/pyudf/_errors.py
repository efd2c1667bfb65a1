"""Exceptions as texts: type, message, place and traceback."""

import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_INTERNAL = ('<frozen importlib', '<pyudf>', _STDLIB + 'importlib' + os.sep)

ERR_PYTHON = 1  # as in err.h
ERR_USAGE = 2
ERR_NOMEM = 3


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
    """
    if isinstance(exc, UsageError):
        return ERR_USAGE, None, _bytes(str(exc)), None, 0, None
    code = ERR_NOMEM if isinstance(exc, MemoryError) else ERR_PYTHON
    file, line = _place(exc, function)
    return (code, _bytes(_type_name(type(exc), session)), _bytes(_text(exc)),
            None if file is None else _bytes(file), line,
            _bytes(_traceback(exc, session)))


def _bytes(text):
    return text.encode('utf-8', 'backslashreplace')


def _text(exc):
    try:
        if isinstance(exc, SyntaxError) and exc.msg:
            return str(exc.msg)  # str() has the place as well, which we tell
        return str(exc)
    except BaseException:  # sys.exit() in it, say
        return '<exception str() failed>'


def _type_name(kind, session):
    """As the last line of a traceback has it; a class of a module that pyudf
    made is told without the module."""
    module = kind.__module__
    if (module in ('builtins', '__main__') or not isinstance(module, str)
            or session is not None and module in session.modules):
        return kind.__qualname__
    return f'{module}.{kind.__qualname__}'


def _place(exc, function):
    """Where it was raised: the innermost code of the user's own, else the
    innermost code that is not ours, else the function."""
    if isinstance(exc, SyntaxError) and exc.filename and exc.lineno:
        return str(exc.filename), exc.lineno
    own = other = None
    tb = exc.__traceback__
    while tb is not None:
        filename = tb.tb_frame.f_code.co_filename
        if not is_library(filename):
            own = filename, tb.tb_lineno or 0
        elif not is_internal(filename):
            other = filename, tb.tb_lineno or 0
        tb = tb.tb_next
    return own or other or _place_of(function)


def _place_of(function):
    while hasattr(function, '__wrapped__'):
        function = function.__wrapped__
    code = getattr(getattr(function, '__func__', function), '__code__', None)
    if code is None or is_internal(code.co_filename):
        return None, 0
    return code.co_filename, code.co_firstlineno


def _traceback(exc, session):
    """The whole of it, causes included, without the frames of pyudf."""
    try:
        from traceback import TracebackException
        told = TracebackException(type(exc), exc, exc.__traceback__,
                                  lookup_lines=False, compact=True)
        files = set()
        _prune(told, set(), files)
        if session is None:
            return ''.join(told.format())
        session.show_sources(files)
        try:
            return ''.join(told.format())
        finally:
            session.hide_sources(files)
    except BaseException:
        return f'{type(exc).__name__}: {_text(exc)}\n'


def _prune(told, seen, files):
    """Takes frames of pyudf's own away; adds the files of the others."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    if told.stack is not None:
        told.stack[:] = [frame for frame in told.stack
                         if not is_internal(frame.filename)]
        files.update(frame.filename for frame in told.stack)
    _prune(told.__cause__, seen, files)
    _prune(told.__context__, seen, files)
    for inner in getattr(told, 'exceptions', None) or ():
        _prune(inner, seen, files)


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
