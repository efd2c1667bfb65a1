"""Memory and the number of calls; a call that is made once more."""

from rig import NOMEM, SANITIZER, Gives, Raises, Tap, fault, need

F = '^python function f: '


def memory(name, source, expected, call='f()', limit=400, **more):
    """python_memory_limit is about workers: thread mode has nobody to limit."""
    if SANITIZER:
        Tap.line(True, 'process', name, f'nothing # SKIP {SANITIZER} maps more than any limit')
    else:
        fault(name, source, call, expected, settings=[f'python_memory_limit={limit}'], **more)


OUT = Raises('^python function f: (MemoryError.*|out of memory)$', NOMEM)
memory('more memory than the limit, at once', 'def f(): return len(bytearray(10**9))', OUT)
memory('more memory than the limit, little by little', '''
def f():
    x = []
    while True: x.append(bytes(100_000))
''', Raises('^python function f: MemoryError', NOMEM, trace='in f\n.*MemoryError'))
memory('more memory than the limit, in small objects', '''
def f():
    x = []
    while True: x.append([])
''', OUT)
memory('a long str', 'def f(): return "x" * 10**9', OUT)
memory('a result that takes the last memory', 'def f(): return "\\xe9" * 150_000_000', OUT)
memory('a BLOB that does not fit', 'def f(x): return len(x)', OUT, 'f(zeroblob(600000000))')
memory('a TEXT that does not fit', 'def f(x): return len(x)', OUT,
       "f(replace(hex(zeroblob(250000000)), '0', 'x'))")
memory('a C program that ignores NULL', '''
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
def f(): return ctypes.memset(libc.malloc(10**9), 0, 10**9)
''', Raises(F + 'worker {pid} was killed by SIGSEGV$', kept=False, trace=' in f\\b'))
memory('a thread that has no room', '''
import threading
def f():
    threading.stack_size(1 << 30)
    try: threading.Thread(target=print).start()
    finally: threading.stack_size(0)
''', Raises(F + "RuntimeError: can't start new thread"))
memory('MemoryError that is swallowed', '''
def f():
    try: bytearray(10**9)
    except MemoryError: return "less"
''', Gives('^less$'))
memory('MemoryError again and again', '''
def f(x):
    try: return len(bytearray(x))
    except MemoryError: return 0
''', Gives('^[0-9]+$'),
       'SELECT sum(f(column1 * 500000000)) FROM (VALUES (1), (0), (2), (0), (3), (4))')
memory('a limit below what Python needs', 'def f(): return "small"', Gives('small'), limit=64)

# ---- the number of calls ----

COUNT = ('(WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c '
         'WHERE x < 10000) SELECT x FROM c)')
fault('10 000 rows over 100 workers', 'def f(x): return x',
      f'SELECT sum(f(x)) || " " || count(f(x)) FROM {COUNT}'.replace('"', "'"),
      Gives('^50005000 10000$', kept=False), settings=['python_max_calls=200'])
fault('rows of which some raise, over many workers', '''
def f(x):
    if x == 5000: raise ValueError(x)
    return x
''', f'SELECT sum(f(x)) FROM {COUNT}', Raises(F + 'ValueError: 5000', kept=False),
      settings=['python_max_calls=200'])
fault('a crash, over many workers', '''
import os
def f(x): return os.abort() if x == 5000 else x
''', f'SELECT sum(f(x)) FROM {COUNT}',
      Raises(F + r'worker \d+ was killed by SIGABRT$', kept=False, trace=' in f\\b'),
      settings=['python_max_calls=200'])

# ---- once more ----

TRIES = '''
import ctypes, os, time
from pyudf import udf
@udf(deterministic={deterministic})
def f():
    path = os.environ["FAULT_FOLDER"] + "/tries"
    with open(path, "a") as file: file.write("x")
    if {condition}: {deed}
    return "done"
'''


def tries(count):
    def check(host):
        need(len(host.text('tries')) == count, 'tries:', len(host.text('tries')))
    return check


def retry(name, count, expected, deed='os.abort()', deterministic=True,
          condition='True', settings=('python_on_crash=retry',), **more):
    fault(name, TRIES.format(deed=deed, deterministic=deterministic, condition=condition),
          'f()', expected, settings=settings, after=tries(count), **more)


ONCE = 'os.path.getsize(path) < 2'
for deed, how in (('os.abort()', 'killed by SIGABRT'), ('os._exit(0)', 'exited with status 0'),
                  ('ctypes.string_at(0)', 'killed by SIGSEGV')):
    retry(f'{deed} once, and python_on_crash=retry', 2, Gives('done', kept=False), deed,
          condition=ONCE)
    retry(f'{deed} each time, and python_on_crash=retry', 2,
          Raises(F + rf'worker \d+ (was )?{how}$', kept=False, errors=2), deed)
retry('a crash that is not deterministic, and python_on_crash=retry', 1,
      Raises(F + 'worker {pid} was killed by SIGABRT$', kept=False), deterministic=False)
retry('a crash without python_on_crash', 1,
      Raises(F + 'worker {pid} was killed by SIGABRT$', kept=False), settings=())
EXCEPTION = Raises(F + 'ValueError: it')
retry('an exception, and python_on_crash=retry', 1, EXCEPTION, 'raise ValueError("it")',
      thread=EXCEPTION)
retry('a deadline, and python_on_crash=retry', 1, Raises(F + 'timed out after 200 ms$'),
      'time.sleep(60)', settings=('python_on_crash=retry', 'python_timeout=200'))

# ---- NULL for an exception, and for nothing else ----

NULL = ["python_on_error='null'"]
fault("an exception, and python_on_error='null'", 'def f(): raise ValueError("it")', 'f()',
      *[Gives('^NULL$')] * 2, settings=NULL)
fault("SystemExit, and python_on_error='null'", 'def f(): raise SystemExit(3)', 'f()',
      *[Gives('^NULL$')] * 2, settings=NULL)
fault("a crash, and python_on_error='null'", 'import os\ndef f(): os.abort()', 'f()',
      Raises(F + 'worker {pid} was killed by SIGABRT$', kept=False), settings=NULL)
fault("a deadline, and python_on_error='null'", 'def f():\n    while True: pass\n', 'f()',
      *[Raises(F + 'timed out after 200 ms$')] * 2, settings=[*NULL, 'python_timeout=200'])

Tap.done()
