"""What a process that runs functions needs around forking."""

import faulthandler
import gc
import importlib
import signal
import sys

from . import _runtime


def preload():
    """Imports what definitions and errors will need, before workers are forked.
    """
    import dataclasses  # noqa: F401
    import difflib  # noqa: F401
    import importlib.util  # noqa: F401
    import inspect  # noqa: F401
    import json  # noqa: F401
    import linecache  # noqa: F401
    import textwrap  # noqa: F401
    import traceback  # noqa: F401
    import typing  # noqa: F401

    from . import _session  # noqa: F401


def template(path, modules):
    """What the template does, from its start to its end; never returns.

    path: entries for the front of sys.path, ':' between.
    modules: modules to import before forking, ',' between.
    Raises what importing them raises: the host then shows its last line. Where one
    ends the process without a word, or never comes back, ours is the last.
    """
    faulthandler.enable()
    _runtime.forkserver_prepare()
    preload()
    sys.path[:0] = [entry for entry in path.split(':') if entry]
    for name in modules.split(','):
        if name.strip():
            print(f'it did not get past importing {name.strip()} '
                  '(python_preload)', file=sys.stderr)
            importlib.import_module(name.strip())
    # Until a worker has its handler: the default is to die of it. A call that is
    # to end that early is ended by killing the worker.
    signal.signal(_runtime.alarm_signal, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what is there now stays shared with the workers
    _runtime.forkserver(path)


def after_fork(crash_fd):
    """Called in a fresh worker.

    crash_fd: descriptor that gets the Python stack when a signal kills it.

    Python's own random reseeds itself; NumPy's global generator does not, and
    all workers would draw the same numbers.
    """
    faulthandler.enable(crash_fd, all_threads=False)
    signal.signal(_runtime.alarm_signal, lambda number, frame: _runtime.alarm())
    random = sys.modules.get('numpy.random')
    seed = getattr(random, 'seed', None)
    if seed is not None:
        seed()
