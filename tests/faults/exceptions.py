"""Exceptions of every kind: an error with its text, and nothing is lost but the
statement, in both modes alike."""

from rig import ERROR, MODES, NOMEM, Gives, Raises, Shared, Tap, need

F = '^python function f: '
PLACE = r' \(<define \d+>:\d+\)$'
HOSTS = [Shared(mode) for mode in MODES]


def both(name, source, expected, call='f()', after=None):
    for host in HOSTS:
        host.fault(name, source, call, expected, after)


def raises(name, statement, pattern, trace=None, code=ERROR, before=''):
    """f() runs one statement, with what stands before it."""
    both(name, f'{before}\ndef f():\n    {statement}\n',
         Raises(F + pattern + PLACE if code == ERROR else pattern, code, trace))


# ---- classes ----

for kind, text in (('BaseException', 'BaseException: it'),
                   ('KeyboardInterrupt', 'KeyboardInterrupt: it'),
                   ('GeneratorExit', 'GeneratorExit: it'),
                   ('StopIteration', 'StopIteration: it'),
                   ('StopAsyncIteration', 'StopAsyncIteration: it'),
                   ('SystemExit', 'SystemExit: it'),
                   ('TimeoutError', 'TimeoutError: it'),
                   ('RecursionError', 'RecursionError: it'),
                   ('Warning', 'Warning: it')):
    raises(kind, f'raise {kind}("it")', text, f'in f\n.*{kind}: it\n$')
raises('an exception without a message', 'raise ValueError', 'ValueError')
raises('SystemExit without a status', 'raise SystemExit', 'SystemExit')
raises('MemoryError', 'raise MemoryError("no room")', 'MemoryError: no room',
       'MemoryError: no room', NOMEM)
raises('what is no exception', 'raise 3',
       'TypeError: exceptions must derive from BaseException')
raises('an ExceptionGroup',
       'raise ExceptionGroup("many", [ValueError("one"), KeyError("two")])',
       r'ExceptionGroup: many \(2 sub-exceptions\)',
       'ValueError: one.*KeyError: .two')
raises('a BaseExceptionGroup of groups', 'raise group()',
       r'BaseExceptionGroup: outer \(2 sub-exceptions\)', 'KeyboardInterrupt: deep',
       before='''
def group():
    return BaseExceptionGroup("outer", [
        ExceptionGroup("inner", [ValueError("one")]),
        BaseExceptionGroup("inner", [KeyboardInterrupt("deep")])])
''')
raises('a class made at run time', 'raise type("Made", (ValueError,), {})("it")',
       'Made: it')
raises('a class whose __name__ was changed', 'raise E("it")', 'E: it', 'E: it\n$',
       before='class E(Exception): pass\nE.__name__ = "Other"\n')
raises('a class whose __qualname__ was changed', 'raise E("it")', 'Other: it',
       before='class E(Exception): pass\nE.__qualname__ = "Other"\n')
raises('a class with a __module__ that is no name', 'raise E("it")', 'E: it',
       before='class E(Exception): __module__ = 3\n')
raises('a class of a module that is not there', 'raise E("it")', 'no.such: it',
       before='class E(Exception): __module__ = "no"\nE.__qualname__ = "such"\n')
raises('a class whose __module__ raises', 'raise _E("it")', '_E: it', before='''
class Meta(type):
    @property
    def __module__(cls): raise ValueError("no module")
class _E(Exception, metaclass=Meta): pass
''')
raises('a class that tells nothing', 'raise _E("it")', '_E: it', before='''
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit("no attribute")
class _E(Exception, metaclass=Meta): pass
''')
raises('a class whose attributes are 3', 'raise _E("it")', '_E: it', before='''
class Meta(type):
    def __getattribute__(cls, name): return 3
class _E(Exception, metaclass=Meta): pass
''')
raises('a class with a name of lone surrogates', 'raise E("it")', r'\\udcffX: it',
       before='class E(Exception): pass\nE.__qualname__ = "\\udcffX"\n')
raises('a class with a str of its own for a name', 'raise E("it")', 'no.such: it', 'in f\n',
       before='''
class S(str):
    def __str__(self): raise SystemExit("no name")
    def __format__(self, spec): raise SystemExit("no name")
class E(Exception): __module__ = "no"
E.__qualname__ = S("such")
''')
raises('a __class__ that lies', 'raise E("it")', 'E: it', before='''
class E(Exception):
    __class__ = KeyError
''')
raises('a __traceback__ that raises', 'raise E("it")', 'E: it', 'in f\n', before='''
class E(Exception):
    @property
    def __traceback__(self): raise SystemExit("none")
    @property
    def __cause__(self): raise SystemExit("none")
''')
raises('a __class__ that raises', 'raise E("it")', 'E: it', before='''
class E(Exception):
    @property
    def __class__(self): raise SystemExit("no class")
''')
raises('a class that cannot be made', 'raise E', 'TypeError: nothing', before='''
class E(Exception):
    def __init__(self): raise TypeError("nothing")
''')

# ---- messages ----

for what, body, text in (
        ('raises', 'raise ValueError("no")', '<exception str\\(\\) failed>'),
        ('raises KeyboardInterrupt', 'raise KeyboardInterrupt', '<exception str\\(\\) failed>'),
        ('gives no str', 'return 3', '<exception str\\(\\) failed>'),
        ('recurses', 'return str(self)', '<exception str\\(\\) failed>'),
        ('raises itself', 'raise self', '<exception str\\(\\) failed>')):
    raises(f'an exception whose __str__ {what}', 'raise E()', 'E: ' + text,
           'in f\n', before=f'''
class E(Exception):
    def __str__(self): {body}
''')
raises('an exception whose __repr__ raises', 'raise ValueError(C())',
       'ValueError: <exception str\\(\\) failed>', before='''
class C:
    def __repr__(self): raise ValueError("no")
''')
raises('a str of its own for a message', 'raise E()', 'E: it', before='''
class S(str):
    def encode(self, *args): raise ValueError("no")
    def __str__(self): raise ValueError("no")
class E(Exception):
    def __str__(self): return S("it")
''')
raises('a message of 100 MB', 'raise ValueError("x" * 100_000_000)',
       r'ValueError: x{1000,100000}\.\.\.', 'in f\n')
raises('a message with NUL', 'raise ValueError("a\\0b")', 'ValueError: a b')
raises('a message that is no UTF-8', 'raise ValueError("a\\udcffb")',
       r'ValueError: a\\udcffb', r'a\\udcffb')
raises('a message of lone surrogates', 'raise ValueError("\\ud800" * 3)',
       r'ValueError: (\\ud800){3}')
raises('a message of many lines', 'raise ValueError("one\\ntwo\\n\\n")', 'ValueError: one\ntwo\n\n')
raises('a message with a percent sign', 'raise ValueError("%s%n%d")', 'ValueError: %s%n%d')
raises('an error of a module of bytes', 'compile(b"\\0", "x", "exec")', '(ValueError|SyntaxError): source code .*')

# ---- chains ----

raises('a cause', 'raise KeyError("k") from ValueError("why")', "KeyError: 'k'",
       'ValueError: why.*direct cause.*KeyError')
raises('a context', '''try: 1 / 0
    except ZeroDivisionError: raise KeyError("k")''', "KeyError: 'k'",
       'ZeroDivisionError.*During handling.*KeyError')
raises('a chain that goes round', 'raise a', 'ValueError: a', 'ValueError: a',
       before='''
a, b = ValueError("a"), KeyError("b")
a.__cause__, b.__cause__ = b, a
a.__context__, b.__context__ = b, a
''')
raises('its own cause', 'raise a', 'ValueError: a', 'ValueError: a\n',
       before='a = ValueError("a")\na.__cause__ = a\n')
raises('a chain of 100 000', 'raise a', 'ValueError: 99999', 'ValueError: 99999\n', before='''
a = None
for i in range(100_000):
    b = ValueError(i)
    b.__cause__, a = a, b
''')
raises('a chain of 500', 'raise a', 'ValueError: 499', 'ValueError: 0\n.*ValueError: 499\n', before='''
a = None
for i in range(500):
    b = ValueError(i)
    b.__cause__, a = a, b
''')
raises('a group that is nested 5000 times', 'raise a', r'ExceptionGroup: g \(1 sub-exception\)',
       'ExceptionGroup', before='''
a = ValueError("inner")
for i in range(5000): a = ExceptionGroup("g", [a])
''')
raises('notes that are none', 'raise a', 'ValueError: it', 'ValueError: it',
       before='''
a = ValueError("it")
a.__notes__ = 3
''')
raises('notes that raise', 'raise a', 'ValueError: it', 'in f\n',
       before='''
class Note:
    def __str__(self): raise SystemExit
class E(ValueError):
    @property
    def __notes__(self): raise SystemExit
a = ValueError("it")
a.__notes__ = [Note(), E()]
''')
raises('a traceback of a frame that is gone', 'raise a.with_traceback(None)', 'ValueError: it',
       before='a = ValueError("it")')
raises('a SyntaxError with nonsense in it', 'raise a', r'SyntaxError: it', before='''
a = SyntaxError("it")
a.filename, a.lineno, a.offset, a.text, a.end_lineno = 3, "x", [], {}, "y"
''')
raises('a SyntaxError of a line that cannot be', 'raise a', r'SyntaxError: it', before='''
a = SyntaxError("it")
a.filename, a.lineno = "x.py", 1 << 80
''')
for attribute in 'filename', 'lineno', 'msg', 'text':
    raises(f'a SyntaxError whose {attribute} raises', 'raise E("it")',
           'E: ' + ('<exception str\\(\\) failed>' if attribute == 'msg' else 'it'), 'in f\n', before=f'''
class E(SyntaxError):
    @property
    def {attribute}(self): raise SystemExit("none")
    def __str__(self): return "it"
''')
raises('an OSError without a file name', 'open("/nowhere/at/all")',
       r"FileNotFoundError: \[Errno 2\] No such file or directory: '/nowhere/at/all'")

both('an exception that pyudf fails to describe', '''
import pyudf._errors as errors
text = errors._text
class Meta(type):
    def __getattribute__(cls, name): raise SystemExit("no attribute")
class _E(Exception, metaclass=Meta):
    def __str__(self):
        errors._text = text
        return "it"
def f():
    errors._text = None
    raise _E()
''', Raises(F + '_E: it$'))

# ---- where an exception has nowhere to go ----

both('an exception in __del__', '''
class C:
    def __del__(self): raise ValueError("told on standard error")
def f():
    c = C()
    del c
    return "goes on"
''', Gives('goes on'), after=lambda host: need(
    'told on standard error' in host.text('stderr'), 'standard error is empty'))
both('an exception in a thread', '''
import threading
def f():
    def run(): raise ValueError("told on standard error")
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return "goes on"
''', Gives('goes on'), after=lambda host: need(
    'told on standard error' in host.text('stderr'), 'standard error is empty'))
both('an excepthook that raises', '''
import sys, threading
def bad(*args): raise SystemExit(3)
def f():
    sys.excepthook = threading.excepthook = sys.unraisablehook = bad
    class C:
        def __del__(self): raise ValueError("lost")
    C()
    raise ValueError("it")
''', Raises(F + 'ValueError: it' + PLACE))

both('a function that wraps itself', '''
def f(): raise ValueError("it")
f.__wrapped__ = f
''', Raises(F + 'ValueError: it' + PLACE))
both('a callable that tells nothing', '''
from pyudf import udf
class C:
    def __call__(self): raise ValueError("it").with_traceback(None)
    def __getattr__(self, name): raise AttributeError(name)
f = udf(C(), name="f")
''', Raises(F + 'ValueError: it' + PLACE))

# ---- and in definitions ----


def defining(source):
    return "SELECT python_define('" + source.replace("'", "''") + "')"


for kind in ('SystemExit', 'KeyboardInterrupt', 'GeneratorExit', 'BaseException'):
    both(f'{kind} in a definition', '', Raises(
        rf'^python_define: {kind}: it \(<define \d+>:2\)$', trace=f'{kind}: it'),
         call=defining(f'x = 1\nraise {kind}("it")\n'))
    both(f'{kind} in python_eval', '', Raises(
        rf'^python_eval: {kind}: it'),
         call=f"SELECT python_eval('(_ for _ in ()).throw({kind}(\"it\"))')")

for host in HOSTS:
    host.close('all exceptions')
Tap.done()
