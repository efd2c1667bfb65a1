"""Modules: made of a text, of a file, or imported."""

import builtins
import sys
from types import ModuleType

from ._errors import UsageError
from ._udf import forget_decorated

_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without importing ast

print_to_stderr = False  # set where sys.stdout and sys.stdin are the host's


def user_print(*args, sep=' ', end='\n', file=None, flush=False):
    """print, to standard error unless told otherwise: standard output belongs
    to the host's data."""
    builtins.print(*args, sep=sep, end=end, flush=flush,
                   file=sys.stderr if file is None else file)


def user_input(prompt='', /):
    """input, where standard input is the host's: it is at its end."""
    user_print(prompt, end='', flush=True)
    raise EOFError('EOF when reading a line')


def user_builtins():
    """The __builtins__ of code that users wrote for SQL."""
    if not print_to_stderr:
        return builtins
    scope = dict(vars(builtins))
    scope['print'] = user_print
    scope['input'] = user_input
    return scope


# ---- modules of our own ----

class PrivateModule:
    """A module that belongs to one definition.

    It is in sys.modules, where dataclasses, pickle and typing look for it, until
    `remove`. Its __name__ is the one given, or one like it that is free.
    """

    def __init__(self, name, filename=None):
        self.module = ModuleType(name)
        self.previous = sys.modules.get(name)
        if filename is not None:
            self.module.__file__ = filename
        self.module.__builtins__ = user_builtins()
        self._add_parents(name)
        sys.modules[name] = self.module

    @property
    def name(self):
        return self.module.__name__

    def restore(self):
        """As it was before: for a definition that failed."""
        previous, self.previous = self.previous, None
        self.remove()
        if previous is not None:
            self._add_parents(self.name)
            sys.modules[self.name] = previous

    def keep(self):
        """The definition is made."""
        self.previous = None

    def remove(self):
        """Takes it, and parents that were made for it alone, away."""
        name = self.name
        if sys.modules.get(name) is not self.module:
            return
        del sys.modules[name]
        while '.' in name:
            name = name.rpartition('.')[0]
            parent = sys.modules.get(name)
            if (not getattr(parent, '__pyudf_parent__', False)
                    or any(m.startswith(name + '.') for m in list(sys.modules))):
                break
            del sys.modules[name]

    @staticmethod
    def _add_parents(name):
        # pickle imports a.b by importing a first.
        while '.' in name:
            name = name.rpartition('.')[0]
            if name not in sys.modules:
                parent = sys.modules[name] = ModuleType(name)
                parent.__path__ = []
                parent.__pyudf_parent__ = True


def free_name(name):
    """`name`, or name_2, name_3, ... where that is taken in sys.modules."""
    found, count = name, 1
    while found in sys.modules:
        count += 1
        found = f'{name}_{count}'
    return found


def dedented(source):
    """A source whose first line is indented, as SQL scripts have them, without
    that margin."""
    for line in source.splitlines():
        if line.strip():
            if line[0] in ' \t':
                from textwrap import dedent
                return dedent(source)
            break
    return source


def run(source, filename, namespace):
    """Runs a source as a module's."""
    exec(compile(source, filename, 'exec', dont_inherit=True), namespace)


# ---- expressions ----

def expression_tree(source, filename):
    """The syntax tree of an expression. Raises SyntaxError."""
    return compile(source, filename, 'eval', _ONLY_AST, True)


def expression_source(source):
    """An expression without the white space around it, on the same lines."""
    text = source.strip()
    lines = source[:len(source) - len(source.lstrip())].count('\n')
    return '\n' * lines + text


def import_names(tree, namespace):
    """Puts the modules into `namespace` that an expression names and nothing
    defines: `math` in math.sqrt(x), os and os.path in os.path.join. A name that
    is no module is left for Python to complain about."""
    bound, used, dotted = set(), {}, []
    _scan(tree, bound, used, dotted)
    for name in used:
        if name in bound or name in namespace or hasattr(builtins, name):
            continue
        module = _import_or_none(name)
        if module is not None:
            namespace[name] = module
            _import_parts(name, module, dotted)


def _import_parts(root, module, dotted):
    for names in dotted:
        here, path = module, root
        if names[0] != root:
            continue
        for part in names[1:]:
            path += '.' + part
            if not isinstance(here, ModuleType):
                break
            if not hasattr(here, part) and _import_or_none(path) is None:
                break
            here = getattr(here, part, None)


def _import_or_none(name):
    from importlib import import_module
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name == exc.name
                                     or name.startswith(exc.name + '.')):
            return None
        raise


def _scan(node, bound, used, dotted):
    """Names that a tree binds and uses, and its chains of attributes."""
    kind = type(node).__name__
    if kind == 'Name':
        if type(node.ctx).__name__ == 'Load':
            used[node.id] = True
        else:
            bound.add(node.id)
    elif kind == 'arg':
        bound.add(node.arg)
    elif kind == 'Attribute':
        chain = _chain(node)
        if chain:
            dotted.append(chain)
    for field in node._fields:
        value = getattr(node, field, None)
        for item in value if isinstance(value, list) else (value,):
            if hasattr(item, '_fields'):
                _scan(item, bound, used, dotted)


def _chain(node):
    names = []
    while type(node).__name__ == 'Attribute':
        names.append(node.attr)
        node = node.value
    if type(node).__name__ != 'Name':
        return None
    names.append(node.id)
    return names[::-1]


# ---- files and importable modules ----

def run_file(module, path):
    """Runs a file as the module. What lies beside it can be imported while it
    runs, as in a script; later imports need python_path."""
    import os
    folder = os.path.dirname(path)
    try:
        with open(path, 'rb') as file:
            source = file.read()
    except OSError as exc:
        raise UsageError(f'{path}: {exc.strerror}') from None
    sys.path.insert(0, folder)
    try:
        exec(compile(source, path, 'exec', dont_inherit=True), vars(module))
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def import_named(name, reload):
    """An importable module; `reload`: anew, where it is imported already."""
    import importlib
    importlib.invalidate_caches()
    module = sys.modules.get(name)
    with _NoStaleBytecode(name):
        if module is None:
            return importlib.import_module(name)
        if not reload:
            return module
        for part in _changed_parts(name):
            _reload(part)
        return _reload(module)


def _reload(module):
    """importlib.reload() leaves what the source no longer defines where it was.
    A process that imports the module afresh would not have it: so it goes. What
    the source names may have been kept on purpose (`try: x` `except NameError:
    def x...`), and stays."""
    import importlib
    before = dict(vars(module))
    forget_decorated(vars(module))
    module = importlib.reload(module)
    code = _code_of(module)
    if code is None:  # nobody knows what it names
        return module
    namespace = vars(module)
    for key, obj in before.items():
        if (key not in code.co_names and namespace.get(key) is obj
                and callable(obj) and _defined_in(obj) == module.__name__):
            del namespace[key]
    return module


def _code_of(module):
    try:
        return module.__spec__.loader.get_code(module.__spec__.name)
    except Exception:  # a loader of another kind
        return None


def _defined_in(obj):
    try:
        return getattr(obj, '__module__', None)
    except Exception:
        return None


_stamps = {}  # module name -> mtime of its source when we last saw it


def _changed_parts(name):
    """The loaded submodules whose source has changed, the last imported first:
    others may depend on them."""
    import os
    parts = []
    for key in reversed([m for m in sys.modules if m.startswith(name + '.')]):
        part = sys.modules[key]
        path = getattr(part, '__file__', None)
        if path and path.endswith('.py'):
            try:
                stamp = os.stat(path).st_mtime_ns
            except OSError:
                continue
            if _stamps.get(key, stamp) != stamp:
                parts.append(part)
            _stamps[key] = stamp
    return parts


class _NoStaleBytecode:
    """A .pyc is valid for a source of the same size and second. A source that
    is being edited is both too easily, so none is written for a fresh one; and
    what is imported is noted for _changed_parts."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.written = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        if not self._is_fresh():
            sys.dont_write_bytecode = self.written

    def __exit__(self, *exc):
        sys.dont_write_bytecode = self.written
        _changed_parts(self.name)

    def _is_fresh(self):
        import os
        import time
        from importlib.util import find_spec
        try:
            path = find_spec(self.name).origin
            return time.time() - os.stat(path).st_mtime < 2
        except Exception:  # no such module, no such file: import tells
            return False
