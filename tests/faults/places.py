"""The same crashes where nobody expects a call: in methods that Python or pyudf
calls, at import, at start, while idle, at the end."""

import os
import re
import signal

from rig import (ERROR, MODES, NOTHING, STATE, Ends, Gives, Raises, Tap, Wrong,
                 begin, end, fault, need, other_goes_on, trial, wait_for)

# What f() does of all this; {} stands for one of DEEDS.
PLACES = {
    '__init__ of an object': '''
class C:
    def __init__(self): deed()
def f(): return C()
''',
    '__del__': '''
class C:
    def __del__(self): deed()
def f():
    c = C()
    del c
    return "gone"
''',
    '__next__ of an iterator': '''
class C:
    def __iter__(self): return self
    def __next__(self): deed()
def f(): return sum(C())
''',
    '__str__ of an exception': '''
class E(Exception):
    def __str__(self): deed()
def f(): raise E()
''',
    'a collector callback': '''
import gc
def callback(phase, info):
    gc.callbacks.remove(callback)
    deed()
def f():
    gc.callbacks.append(callback)
    gc.collect()
    return "gone"
''',
    'a weak reference callback': '''
import weakref
class C: pass
def f():
    c = C()
    w = weakref.ref(c, lambda w: deed())
    del c
    return "gone"
''',
    '__class__ of a result': '''
class C:
    @property
    def __class__(self): deed()
def f(): return C()
''',
    '__str__ of a result': '''
from decimal import Decimal
class C(Decimal):
    def __str__(self): deed()
def f(): return C(1)
''',
    'a field of a result': '''
class C(dict):
    def items(self): deed()
def f(): return C(a=1)
''',
    "another thread's call": '''
import threading
def f():
    t = threading.Thread(target=deed)
    t.start()
    t.join()
    return "gone"
''',
}

DEEDS = {
    'SIGSEGV': ('ctypes.string_at(0)', 'was killed by SIGSEGV', -signal.SIGSEGV),
    'SIGKILL': ('os.kill(os.getpid(), 9) or time.sleep(30)',
                'was killed by SIGKILL', -signal.SIGKILL),
    'os._exit(0)': ('os._exit(0)', 'exited with status 0', 0),
}

# Where an exception has nowhere to go, Python tells standard error and goes on.
EXITS = {
    '__del__': Gives('gone'),
    'a weak reference callback': Gives('gone'),
    "another thread's call": Gives('gone'),
    'a collector callback': Gives('gone'),
    '__str__ of an exception': Raises(r'^python function f: E: <exception str\(\) failed> \(<define 2>:\d+\)$'),
}


def place(source, deed):
    return f'import ctypes, os, sys, time\ndef deed(): {deed}\n{source}' \
        'from pyudf import udf\nf = udf(f)\n'


for where, source in PLACES.items():
    for name, (deed, how, status) in DEEDS.items():
        # faulthandler tells the stack of the thread that has the GIL.
        told = name == 'SIGSEGV' and r'in deed\b' or None
        fault(f'{name} in {where}', place(source, deed), 'f()',
              Raises(f'^python function f: worker {{pid}} {how}$', kept=False,
                     trace=told), Ends(status))
    expected = EXITS.get(where) or Raises(
        r'^python function f: SystemExit: 3 \(<define 2>:\d+\)$', trace='in deed\n')
    fault(f'sys.exit in {where}', place(source, 'sys.exit(3)'), 'f()', expected,
          expected)

# A buffer that the worker cannot read; the host does not look at it.
fault('SIGSEGV in the bytes of a result', '''
import ctypes
def f(): return (ctypes.c_char * 100).from_address(8)
''', 'f()', Raises('^python function f: worker {pid} was killed by SIGSEGV$', kept=False),
      Ends(-signal.SIGSEGV))

# ---- instances: open() when they are defined and when they are made again, close() ----

INSTANCE = '''
import ctypes, os, sys, time
from pyudf import ScalarFunction, udf
class C(ScalarFunction):
    def open(self, context): {open}
    def close(self): {close}
    def eval(self): return "here"
f = udf(C())
'''


def defining(source):
    return "SELECT python_define('" + source.replace("'", "''") + "')"


for name, (deed, how, status) in DEEDS.items():
    fault(f'{name} in open()', '', defining(INSTANCE.format(open=deed, close='pass')),
          Raises(f'^python_define: worker {{pid}} {how}$', kept=False), Ends(status))
fault('sys.exit in open()', '', defining(INSTANCE.format(open='sys.exit(3)', close='pass')),
      *[Raises(r'^python_define: SystemExit: 3 \(<define 2>:5\)$')] * 2)


def at_close(mode, name, deed, status):
    """Nobody is there to be told; nothing else may be lost."""
    def body(host):
        empty = begin(host)
        host.define(INSTANCE.format(open='pass', close=deed))
        need(host.value('SELECT f()') == 'here', 'f')
        pid = host.value('SELECT pid()', 1)
        if status is not None:
            Ends(status).check(host, lambda: host.close(0), pid, 0)
            return
        host.close(0)
        need(host.value('SELECT tick()', 1) == '1', 'the other connection')
        other_goes_on(host, pid, 2)
        host.open(0)
        end(host, empty)
    trial(mode, f'{name} in close() at the end', NOTHING if status is None else Ends.lost, body)


for name, (deed, how, status) in DEEDS.items():
    at_close('process', name, deed, None)
    at_close('thread', name, deed, status)
for mode in MODES:
    at_close(mode, 'sys.exit', 'sys.exit(3)', None)
at_close('process', 'a loop', '''
        while True: pass''', None)


def stopped(host):
    """A worker that is stopped from outside, and then wanted no more."""
    empty = begin(host)
    os.kill(int(host.value('SELECT pid()')), signal.SIGSTOP)
    os.kill(int(host.value('SELECT pid()', 1)), signal.SIGSTOP)
    end(host, empty)


trial('process', 'SIGSTOP while idle, and the end', NOTHING, stopped)

# ---- at import ----

MODULE = '''
import ctypes, os, time
with open(os.environ["FAULT_FOLDER"] + "/imported", "a") as file: file.write("x")
if not os.path.exists(os.environ["FAULT_FOLDER"] + "/fine"): {deed}
def f(): return "here"
'''


def importing(mode, name, deed, expected):
    """Each time one error, and one try."""
    def body(host):
        empty = begin(host)
        with open(host.path('broken.py'), 'w') as file:
            file.write(MODULE.format(deed=deed))
        sql = f"SELECT python_import('{host.path('broken.py')}')"
        other = host.value('SELECT pid()', 1)
        host.value('SELECT tick()', 1)
        for i in range(3):
            pid, before = host.value('SELECT pid()'), host.value(
                'SELECT coalesce(max(id), 0) FROM python_errors')
            host.value('SELECT tick()')
            expected.check(host, lambda: host.sql(sql), pid, before)
            if isinstance(expected, Ends):
                return
            need(len(host.text('imported')) == i + 1,
                 'it was imported so often:', len(host.text('imported')))
            need(host.value('SELECT tick()') == ('2' if expected.kept and i == 0 else '1')
                 or expected.kept, 'tick')
        other_goes_on(host, other, 2)
        open(host.path('fine'), 'w').close()
        need(host.value(sql) == 'f', 'once it can be imported')
        need(host.value('SELECT f()') == 'here', 'f')
        end(host, empty)
    trial(mode, f'{name} at import', expected.lost, body)


for name, (deed, how, status) in DEEDS.items():
    importing('process', name, deed,
              Raises(f'^python_import: worker {{pid}} {how}$', kept=False))
    importing('thread', name, deed, Ends(status))
for mode in MODES:
    importing(mode, 'sys.exit', '__import__("sys").exit(3)',
              Raises(r'^python_import: SystemExit: 3 \(broken.py:4\)$'))


def again(mode, name, deed, how):
    """A module that could be imported once, and crashes when a new worker makes
    its definition again: that alone is lost, and made once more where it is called,
    as the worker may have died of something else."""
    def body(host):
        empty = begin(host)
        with open(host.path('broken.py'), 'w') as file:
            file.write(MODULE.format(deed=deed))
        open(host.path('fine'), 'w').close()
        host.value(f"SELECT python_import('{host.path('broken.py')}')")
        host.define('import os\ndef die(): os._exit(9)')
        need(host.value('SELECT f()') == 'here', 'f')
        os_pid = host.value('SELECT pid()')
        Raises('exited with status 9', kept=False).check(
            host, lambda: host.sql('SELECT die()'), os_pid, '0')
        os.unlink(host.path('fine'))
        answer = host.sql('SELECT tick()')
        need(answer.code == ERROR and how in answer.message, f'an error, not {answer}')
        need(host.value('SELECT tick()') == '1', 'tick')
        answer = host.sql('SELECT f()')
        need(answer.code == ERROR and how in answer.message, f'an error, not {answer}')
        for i in range(3):
            need(host.value('SELECT tick()') == str(i + 1), 'tick')
            answer = host.sql('SELECT f()')
            need(answer.code == ERROR and 'define it anew' in answer.message,
                 f'an error, not {answer}')
        need(host.text('imported') == 'xxx', 'imports:', host.text('imported'))
        end(host, empty)
    trial(mode, f'{name} at import in a new worker', "the statement, the definition", body)


for name, (deed, how, status) in DEEDS.items():
    again('process', name, deed, how)

# ---- at start ----


def starting(name, settings, pattern, env=()):
    """The template never comes up; others' go on."""
    def body(host):
        empty = begin(host)
        with open(host.path('crashes.py'), 'w') as file:
            file.write(MODULE.format(deed='ctypes.string_at(0)'))
        with open(host.path('exits.py'), 'w') as file:
            file.write(MODULE.format(deed='os._exit(0)'))
        with open(host.path('python'), 'w') as file:
            file.write('#!/bin/sh\nkill -9 $$\n')
        os.chmod(host.path('python'), 0o755)
        other = host.value('SELECT pid()', 1)
        host.value('SELECT tick()', 1)
        before = {key: host.value('PRAGMA ' + key) for key in settings}
        for key, value in settings.items():
            host.value(f"PRAGMA {key}='{value.format(folder=host.folder)}'")
        for i in range(3):
            answer = host.sql('SELECT tick()')
            need(answer.code == ERROR, f'an error, not {answer}')
            need(re.search(pattern, answer.message), f'{pattern!r}, not {answer}')
        if os.path.exists(host.path('imported')):
            need(host.text('imported') == 'xxx', 'imports:', host.text('imported'))
        need(host.value('SELECT tick()', 1) == '2', 'the other connection')
        need(host.value('SELECT pid()', 1) == other, 'the other worker')
        for key in settings:
            host.value(f"PRAGMA {key}='{before[key]}'")
        need(host.value('SELECT tick()') == '1', 'tick')
        end(host, empty)
    trial('process', name, 'the statement', body)


PAST = 'python_executable .*: it did not get past importing '
CRASHES = {'python_path': '{folder}', 'python_preload': 'crashes'}
EXITS_AT_ONCE = {'python_path': '{folder}', 'python_preload': 'exits'}
starting('SIGSEGV in python_preload', CRASHES,
         PAST + r'crashes \(python_preload\): Fatal Python error: Segmentation fault$')
starting('os._exit(0) in python_preload', EXITS_AT_ONCE,
         PAST + r'exits \(python_preload\)$')
starting('a python_preload that is not there', {'python_preload': 'nowhere_at_all'},
         PAST + r"nowhere_at_all \(python_preload\): ModuleNotFoundError: No module named 'nowhere_at_all'")
starting('a python_executable that is killed', {'python_executable': '{folder}/python'},
         'python_executable .*/python: it ended at its start')
starting('a python_executable that exits', {'python_executable': '/bin/true'},
         'python_executable /bin/true: it ended at its start')

# ---- while idle ----

IDLE = '''
import ctypes, os, threading, time
def f():
    def later():
        time.sleep(0.05)
        {deed}
    threading.Thread(target=later, daemon=True).start()
    return os.getpid()
'''


def idle(mode, name, deed, how, status):
    def body(host):
        empty = begin(host)
        host.define(IDLE.format(deed=deed))
        host.value('SELECT tick()', 1)
        other = host.value('SELECT pid()', 1)
        pid = host.value('SELECT f()')
        if status is not None:
            try:
                need(host.process.wait(20) == status, 'status')
            except Exception as exc:
                raise Wrong(str(exc)) from None
            return
        need(wait_for(lambda: int(pid) not in host.processes()), 'it goes on')
        answer = host.sql('SELECT tick()')
        need(answer.code == ERROR and answer.message ==
             f'python function tick: worker {pid} {how} before the call',
             f'an error, not {answer}')
        need(host.value('SELECT tick()') == '1', 'tick')
        other_goes_on(host, other, 2)
        end(host, empty)
    trial(mode, f'{name} while idle', Ends.lost if status is not None
          else "the next statement, the worker's state", body)


for name, (deed, how, status) in DEEDS.items():
    idle('process', name, deed, how, None)
    idle('thread', name, deed, how, status)

Tap.done()
