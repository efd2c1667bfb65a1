"""What ends a process, in a call. In process mode one statement has an error that
says how; in thread mode it is the host that ends."""

import signal

from rig import ERROR, Ends, Gives, Raises, Tap, fault, need, wait_for

CRASHED = r'^python function f: worker {pid} was killed by SIG%s$'
EXITED = r'^python function f: worker {pid} exited with status %d$'
STACK = r'^Fatal Python error: .*<define 2>", line \d+ in f\b'


def crash(name, source, process, *status, call='f()'):
    fault(name + ' in a call', source, call, process, Ends(*status))


def killed(sig, trace=STACK):
    return Raises(CRASHED % sig, kept=False, trace=trace)


def exited(status):
    return Raises(EXITED % status, kept=False)


crash('SIGSEGV', '''
import ctypes
def f(): ctypes.string_at(0)
''', killed('SEGV'), -signal.SIGSEGV)

crash('SIGSEGV of one row of many', '''
import ctypes
def f(x): return ctypes.string_at(0) if x == 3 else x
''', killed('SEGV'), -signal.SIGSEGV,
      call='SELECT f(column1) FROM (VALUES (1), (2), (3), (4))')

crash('SIGBUS', '''
import ctypes, mmap, os, tempfile
def f():
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        memory = mmap.mmap(file.fileno(), 4096)
        os.ftruncate(file.fileno(), 0)
        return memory[0]
''', killed('BUS'), -signal.SIGBUS)

crash('SIGILL', '''
import signal
def f(): signal.raise_signal(signal.SIGILL)
''', killed('ILL'), -signal.SIGILL)

crash('SIGFPE', '''
import signal
def f(): signal.raise_signal(signal.SIGFPE)
''', killed('FPE'), -signal.SIGFPE)

crash('SIGABRT', '''
import os
def f(): os.abort()
''', killed('ABRT'), -signal.SIGABRT)

# No Python is left to tell a stack.
crash('SIGKILL', '''
import os, signal, time
def f():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(30)
''', killed('KILL', None), -signal.SIGKILL)

crash('SIGTERM', '''
import os, signal, time
def f():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
''', killed('TERM', None), -signal.SIGTERM)

crash('a signal to its process group', '''
import os, signal, time
def f():
    os.killpg(0, signal.SIGKILL) if os.getpgid(0) == os.getpid() else os.kill(os.getpid(), 9)
    time.sleep(30)
''', killed('KILL', None), -signal.SIGKILL)

for status in (0, 1, 3):
    crash(f'os._exit({status})', f'''
import os
def f(): os._exit({status})
''', exited(status), status)

fault('sys.exit in a call', '''
import sys
def f(): sys.exit(3)
''', 'f()', *[Raises(r'^python function f: SystemExit: 3 \(<define 2>:3\)$',
                     trace='in f\n.*SystemExit: 3')] * 2)

# What is registered with atexit() runs, and may want more than is left.
crash("C's exit() with handlers", '''
import ctypes
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def handler(arg): raise ValueError("at exit")
libc = ctypes.CDLL(None)
def f():
    libc.__cxa_atexit(handler, None, None)
    libc.exit(5)
''', exited(5), 5)

fault('endless recursion in Python', '''
def f(x=0): return f(x + 1)
''', 'f()', *[Raises(r'^python function f: RecursionError: maximum recursion depth exceeded',
                     trace='in f\n.*RecursionError')] * 2)

fault('deep recursion in C', '''
def f():
    x = []
    for i in range(200000): x = [x]
    return repr(x)
''', 'f()', *[Raises(r'^python function f: RecursionError: ')] * 2)

# A compiler of regular expressions that recurses: in a call of C's, out of any limit of Python's.
crash('a stack overflow in C', '''
import ctypes
def f():
    regex = ctypes.create_string_buffer(4096)
    return ctypes.CDLL(None).regcomp(regex, b"(" * 1000000, 1)
''', killed('SEGV', STACK), -signal.SIGSEGV)

# 200 children that sleep: they go with the worker.
BOMB = '''
import os, time
def f(x):
    for i in range(200):
        if os.fork() == 0:
            time.sleep(120)
            os._exit(0)
    if x: os._exit(1)
    return "forked"
'''


def all_gone(host):
    need(wait_for(lambda: len(host.processes()) <= 3), 'processes after it:',
         len(host.processes()))


fault('a fork bomb, then a crash', BOMB, 'f(1)', exited(1), after=all_gone)
fault('a fork bomb, and no crash', BOMB, 'f(0)', Gives('forked'))
fault('a fork bomb without an end', '''
import os, time
def f():
    for i in range(200):
        if os.fork() == 0:
            while True: time.sleep(60)
    time.sleep(120)
''', 'f()', Raises('^python function f: timed out after 500 ms$'),
      settings=['python_timeout=500'])


def child_crash(host):
    """Its stack is not told as the worker's."""
    need('Fatal Python error: Aborted' in host.text('stderr'), 'no stack')
    need(host.sql('SELECT f(1)').code == ERROR, 'no error')
    need(host.value('SELECT traceback IS NULL FROM python_errors') == '1',
         "the child's stack", host.value('SELECT traceback FROM python_errors'))


# The child of a fork comes back from the call, too.
fault('a forked child that returns', '''
import os, time
def f():
    child = os.fork()
    if child: os.waitpid(child, 0)
    return "child" if not child else "parent"
''', 'f()', Gives('^parent$'))
fault('a forked child that raises', '''
import os, sys
def f():
    child = os.fork()
    if not child: raise ValueError("in the child")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
''', 'f()', Gives('^1$'), after=lambda host: need(
    'forked by a function: ValueError: in the child (<define 2>:5)' in host.text('stderr'),
    'standard error has', host.text('stderr')))
fault('a forked child that crashes', '''
import os
def f(x):
    child = os.fork()
    if not child: os.abort()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if x: os._exit(3)
    return status
''', 'f(0)', Gives('^-6$'), after=child_crash)

# Nothing that it needs has a descriptor by then.
fault('all descriptors closed', '''
import os
def f():
    os.closerange(0, 65536)
    return "closed"
''', 'f()', Gives('closed'), Ends(0, 99))

# In thread mode there is none.
fault('the shared memory unmapped in a call', '''
import ctypes
libc = ctypes.CDLL(None)
def f():
    for line in list(open("/proc/self/maps")):
        if "memfd:pyudf" in line:
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            libc.munmap(ctypes.c_void_p(start), ctypes.c_size_t(end - start))
    return 1
''', 'f()', killed('SEGV', None))

Tap.done()
