"""The Python side of one session: its modules and functions.

The runtime's C code (define.c, call.c, error.c) is the only caller. Where it
runs, in the host or in a worker, makes no difference here.
"""

import os
import sys
from collections import ChainMap

from . import _discover, _load
from ._async import Awaits, run_one
from ._errors import UsageError
from ._rows import BATCH, FUNCTION, check_text, expected, row_of, without_shadowed
from ._signature import is_async_generator, is_coroutine
from ._udaf import AggregateFunction
from ._table import taking_rows
from ._udf import (Evaluated, FunctionContext, UserDefinedFunction, spec_of,
                   target)

_SOURCE, _NAMED, _IMPORT = range(3)  # enum definition_kind
_EXPRESSIONS = 256      # kept compiled,
_EXPRESSION_MAX = 4096  # those of at most so many characters


def started(owned):
    """Called once, when the runtime comes up.

    owned: true where this Python is pyudf's own, and not the host's.
    Returns None, or what speaks against running here.
    """
    if owned:
        sys.stdout = sys.__stdout__ = sys.stderr
        sys.stdin = sys.__stdin__ = open(os.devnull, encoding='utf-8')
        return None
    _load.print_to_stderr = True
    if sys.version_info < (3, 12) and _interpreters() > 1:
        # 3.11 cannot tell from which of them we are called.
        return 'this Python has subinterpreters'
    return None


def _interpreters():
    try:
        import _xxsubinterpreters
        return len(_xxsubinterpreters.list_all())
    except Exception:
        return 1


class _Definition:
    """What came of one python_define or python_import."""

    def __init__(self):
        self.private = None   # a PrivateModule
        self.shown = None     # its name, where users know it by another
        self.filename = None  # of a source that has no file
        self.functions = {}   # SQL name -> what SQL calls
        self.opened = []      # instances that have open() and close()


class Session:
    """What one connection has defined.

    path: entries for the front of sys.path, ':' between, or None.
    """

    def __init__(self, path):
        self._definitions = {}  # by id, oldest first
        self.modules = set()    # names of the modules that we made
        self._sources = {}      # file name -> text, for tracebacks
        self._expressions = {}  # (text, count) -> callable
        self._base = {          # what expressions see beside the functions
            '__builtins__': _load.user_builtins(), '__name__': '<eval>'}
        self._scope = dict(self._base)  # globals of expressions
        self._named = {}        # SQL name -> {id of definition: function}
        self._failed = None
        self._runner = None
        self._path = []
        entries = [e for e in (path or '').split(':') if e]
        for entry in reversed(entries):
            if entry not in sys.path:
                sys.path.insert(0, entry)
                self._path.append(entry)

    def close(self):
        """Forgets everything."""
        for number in list(self._definitions):
            self.forget(number)
        self._forget_failed()
        self._scope.clear()
        self._expressions.clear()
        for entry in self._path:
            if entry in sys.path:
                sys.path.remove(entry)
        self._path = []
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    @staticmethod
    def version():
        """'CPython 3.11.7 (/usr/bin/python3.11)'"""
        name = sys.implementation.name.replace('cpython', 'CPython')
        version = sys.version.split()[0]
        return f'{name} {version} ({sys.executable or sys.prefix})'

    # ---- definitions ----

    def define(self, number, kind, reload, module, name, source, names, expect):
        """Makes a definition: the fields are those of struct definition.

        Returns a list of rows: the fields of struct function_spec, what is to be
        called, and a byte for the conversion of each argument.
        Raises UsageError, or whatever the user's code raises.
        """
        check_text(source, 'the source')
        self._forget_failed()
        definition = _Definition()
        try:
            if kind == _IMPORT:
                found = self._import(definition, source, names, reload)
            else:
                found = self._define(definition, kind, module, name, source)
            rows = without_shadowed(
                [row_of(definition, item) for item in found])
            if expect is not None:
                rows = expected(rows, expect.split('\n'),
                                 source if kind == _IMPORT else 'the source')
            _open_all(definition, [row[FUNCTION] for row in rows])
        except BaseException:
            self._drop(definition, True)
            raise
        old = self._definitions.pop(number, None)
        self._definitions[number] = definition
        if definition.private is not None:
            definition.private.keep()
        if old is not None:
            self._take_away(number, old)
        rows = [row[:FUNCTION] + (self._runnable(row[FUNCTION]),)
                + row[FUNCTION + 1:BATCH] + (self._mapped(row[BATCH]),)
                + row[BATCH + 1:] for row in rows]
        definition.functions = {row[0]: row[FUNCTION] for row in rows}
        for name, function in definition.functions.items():
            self._named.setdefault(name, {})[number] = function
            self._scope[name] = function
        return rows

    def forget(self, number):
        """Takes a definition away; unknown ones are no error."""
        definition = self._definitions.pop(number, None)
        if definition is not None:
            self._take_away(number, definition)

    def _take_away(self, number, definition):
        """Expressions then see an older function of a name, if there is one."""
        for name in definition.functions:
            named = self._named[name]
            del named[number]
            if named:
                self._scope[name] = next(reversed(named.values()))
                continue
            del self._named[name]
            self._scope.pop(name, None)
            if name in self._base:
                self._scope[name] = self._base[name]
        self._drop(definition)

    def _drop(self, definition, failed=False):
        opened, definition.opened = definition.opened, []
        for instance in opened:
            _close(instance)
        private = definition.private
        if private is None:
            return
        if failed:
            private.restore()
            self._failed = definition  # its traceback is still to be told
            return
        private.remove()
        self._forget_module(definition)

    def _forget_failed(self):
        failed, self._failed = self._failed, None
        if failed is not None:
            self._forget_module(failed)

    def _forget_module(self, definition):
        name = definition.private.name
        if name in sys.modules:
            return
        self.modules.discard(name)
        self._sources.pop(definition.filename, None)

    def _define(self, definition, kind, module, name, source):
        filename = _filename(module)
        private = self._private(definition, module or 'pyudf_define')
        namespace = vars(private.module)
        definition.filename = filename
        text = _load.dedented(source)
        self._sources[filename] = text
        if kind == _SOURCE:
            _load.run(text, filename, namespace)
            return _discover.in_source(private.name, namespace)
        expression = _load.expression_source(source)
        try:
            tree = _load.expression_tree(expression, filename)
        except SyntaxError:
            _load.run(text, filename, namespace)
            found = _discover.only_one(name, private.name, namespace)
        else:
            self._sources[filename] = expression
            _load.import_names(tree, namespace)
            obj = eval(compile(expression, filename, 'eval', 0, True), namespace)
            found = _discover.Found(name, _discover.check_callable(name, obj))
        found.name = name
        return [found]

    def _import(self, definition, source, names, reload):
        where, colon, path = _split_import(source)
        if where.endswith('.py') or os.sep in where:
            file = os.path.abspath(os.path.expanduser(where))
            stem = os.path.splitext(os.path.basename(file))[0]
            name = _load.free_name('pyudf_file.' + stem.replace('.', '_'))
            module = self._private(definition, name, file).module
            shown = definition.shown = stem
            _load.run_file(module, file)
        else:
            module = _load.import_named(where, reload)
            file = getattr(module, '__file__', None)
            name = shown = module.__name__
        namespace = vars(module)
        if colon:
            if names is not None:
                raise UsageError(f'{source!r} names a function already')
            return [_discover.pick(shown, namespace, path, None)]
        if names is not None:
            return _discover.picked(shown, namespace, names)
        return _discover.in_module(name, shown, namespace, file)

    def _private(self, definition, name, file=None):
        definition.private = _load.PrivateModule(name, file)
        self.modules.add(name)
        return definition.private

    # ---- accumulators that go to another worker ----

    def pack(self, accumulator):
        """The accumulator as bytes."""
        from ._parts import pack  # pickle takes its time
        return pack(self, accumulator)

    def unpack(self, data):
        """The accumulator again."""
        from ._parts import unpack
        return unpack(self, data)

    def definition_of(self, obj):
        """The number of the definition that a class or a function is found in
        by its __qualname__, or None."""
        for number, definition in self._definitions.items():
            private = definition.private
            if private is not None and private.name == obj.__module__:
                try:
                    if self.find(number, obj.__qualname__) is obj:
                        return number
                except AttributeError:
                    pass
        return None

    def find(self, number, qualname):
        """What definition_of() gave the number of."""
        from ._parts import attribute
        return target(attribute(self._definitions[number].private.module,
                                qualname))

    # ---- running ----

    def _runnable(self, obj):
        """What SQL calls; an `async def` is run to its end."""
        function = target(obj)
        if callable(function) and is_async_generator(function):
            function = self._rows_of_async(function)
        spec = spec_of(obj)
        if spec is not None and spec.kind == 'table':
            return taking_rows(function, spec.func_type)
        if not callable(function) or not is_coroutine(function):
            return function

        def run(*args):
            return self._run(function(*args))
        run.__wrapped__ = function
        return run

    def _rows_of_async(self, function):
        """A generator of what an async one yields."""
        def run(*args, **kwargs):
            rows = function(*args, **kwargs)

            async def following():
                return await anext(rows, rows)  # which it does not yield
            try:
                while (row := self._run(following())) is not rows:
                    yield row
            finally:
                self._run(rows.aclose())
        run.__wrapped__ = function
        return run

    def _mapped(self, how):
        """How a batch is run: Awaits, with the session's loop."""
        if not isinstance(how, Awaits):
            return how
        return lambda *args: how.run(self, *args)

    def runner(self):
        """The asyncio.Runner for all coroutines; None where the thread has a loop
        that runs."""
        import asyncio
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner
        return None

    def _run(self, coroutine):
        runner = self.runner()
        return run_one(runner, coroutine) if runner else _run_aside(coroutine)

    def expression(self, text, count):
        """A callable of `count` arguments a0, a1, ... for an expression."""
        self._sources['<eval>'] = text
        key = text, count
        function = self._expressions.get(key)
        if function is None:
            function = self._compile(text, count)
            if len(text) > _EXPRESSION_MAX:
                return function
            if len(self._expressions) >= _EXPRESSIONS:
                del self._expressions[next(iter(self._expressions))]
            self._expressions[key] = function
        return function

    def _compile(self, text, count):
        check_text(text, 'the expression')
        source = text.strip()
        tree = _load.expression_tree(source, '<eval>')
        names = {f'a{i}': None for i in range(count)}
        scope = ChainMap({}, names, self._scope)
        _load.import_names(tree, scope)
        self._base.update(scope.maps[0])
        self._scope.update(scope.maps[0])
        # A function, so that lambdas and comprehensions see the arguments.
        whole = _load.expression_tree(f'lambda {", ".join(names)}: 0', '<eval>')
        whole.body.body = tree.body
        return eval(compile(whole, '<eval>', 'eval', 0, True), self._scope)

    # ---- sources ----

    def show_sources(self, filenames):
        """Lets tracebacks show the lines of those that are sources without a
        file, until hide_sources(): two sessions may use the same names."""
        import linecache
        for filename in filenames:
            text = self._sources.get(filename)
            if text is not None:
                linecache.cache[filename] = (len(text), None,
                                             text.splitlines(True), filename)

    def hide_sources(self, filenames):
        import linecache
        for filename in filenames:
            if filename in self._sources:
                linecache.cache.pop(filename, None)


# ---- names ----

def _filename(module):
    """'<define 3>' for the module pyudf_session1.define3."""
    stem = (module or '').rstrip('0123456789')
    number = (module or '')[len(stem):]
    return f'<define {number}>' if number else '<define>'


def _split_import(source):
    """'pkg.mod:callable' as ('pkg.mod', ':', 'callable')."""
    text = source.strip()
    if not text:
        raise UsageError('the name of a module is empty')
    where, colon, path = text.rpartition(':')
    if not colon or os.sep in path or path.endswith('.py'):
        return text, '', ''
    return where, colon, path.strip()


# ---- open and close ----

_opened = {}  # id of an instance -> how often it is in use


def _open_all(definition, objects):
    for obj in objects:
        if isinstance(obj, UserDefinedFunction):
            obj = obj.__wrapped__
        if isinstance(obj, (Evaluated, AggregateFunction)):
            if not _opened.get(id(obj)):
                obj.open(FunctionContext())
            _opened[id(obj)] = _opened.get(id(obj), 0) + 1
            definition.opened.append(obj)


def _close(instance):
    left = _opened.pop(id(instance), 1) - 1
    if left:
        _opened[id(instance)] = left
        return
    try:
        instance.close()
    except Exception:
        pass  # nobody is there to be told


def _run_aside(coroutine):
    """Runs a coroutine from inside a running loop: in a thread of its own."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
