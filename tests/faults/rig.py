"""Faults, provoked one after the other in hosts of their own, and what they cost.

A host (calls_host.c) has two connections. Function number 0 has the fault; number
1 has nothing to do with it, and is asked before, after, and for what its module
knows. A test line says what was lost, and is not ok where anything else was:

    ok 3 - process | SIGSEGV in a call | the statement, the worker's state

Every process of a host's has a mark of its own in its environment, so that what
is left over is found, whoever its parent is.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

BUILD = os.environ.get('PYUDF_BUILD', '.')
PYTHON = os.environ.get('PYUDF_PYTHON', sys.executable)
SANITIZER = os.environ.get('PYUDF_SANITIZER', '')
if SANITIZER == 'thread':
    print('1..0 # SKIP the thread sanitizer is too slow for it: see check-soak')
    sys.exit(0)
HANG_S = 60          # longer than anything takes on a slow machine
MODES = ('process', 'thread')

ERROR, NOMEM, INTERRUPT, TOOBIG = 1, 7, 9, 18  # SQLite's codes

STATEMENT = 'the statement'
STATEMENT_AND_STATE = "the statement, the worker's state"
STATE = "the worker's state"
NOTHING = 'nothing'
HOST = 'the host: documented'

# What the next statement asks, and what the worker knows.
WITNESS = '''
import os
n = 0
def tick():
    global n
    n += 1
    return n
def pid(): return os.getpid()
'''

ESCAPES = {'n': '\n', 't': '\t', '\\': '\\', '0': '\0'}


class Wrong(Exception):
    """What a test finds to be otherwise than it should."""


def need(condition, what, *more):
    if not condition:
        raise Wrong(' '.join([what, *map(repr, more)]))


def wait_for(condition):
    """Its first true value, or the last false one."""
    until = time.monotonic() + HANG_S / 4
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(0.005)


class Answer:
    def __init__(self, code, message, values):
        self.code, self.message, self.values = code, message, values

    @property
    def value(self):
        return self.values[0] if self.values else None

    def __str__(self):
        return f'{self.code}: {self.message[:300]!r} {self.values!r:.300}'


class Gone(Exception):
    """The host has ended."""


class Host:
    """A host in one mode. `settings` are PRAGMAs for connection 0."""

    def __init__(self, mode, env=(), stdin=b''):
        self.mode = mode
        self.folder = tempfile.mkdtemp(prefix='pyudf-fault-')
        self.mark = f'PYUDF_FAULT_MARK={uuid.uuid4()}'
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.buffer = b''
        environment = {**os.environ, 'PYUDF_EXECUTION_MODE': mode,
                       'FAULT_FOLDER': self.folder, **dict(env),
                       **dict([self.mark.split('=')])}
        with open(self.path('stdin'), 'wb') as file:
            file.write(stdin)
        with open(self.path('stdin'), 'rb') as stdin, \
                open(self.path('stdout'), 'wb') as stdout, \
                open(self.path('stderr'), 'wb') as stderr:
            self.process = subprocess.Popen(
                [f'{BUILD}/tests/faults/calls_host', f'{BUILD}/pyudf',
                 str(requests), str(answers)], stdin=stdin, stdout=stdout,
                stderr=stderr, pass_fds=(requests, answers), env=environment)
        os.close(requests)
        os.close(answers)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name), 'rb') as file:
            return file.read().decode(errors='backslashreplace')

    # ---- requests ----

    def _ask(self, *fields):
        escaped = [str(f).replace('\\', '\\\\').replace('\n', '\\n')
                   .replace('\t', '\\t') for f in fields]
        try:
            data = ('\t'.join(escaped) + '\n').encode('utf-8', 'surrogateescape')
            while data:
                data = data[os.write(self._requests, data):]
        except BrokenPipeError:
            raise Gone() from None
        return self._answer()

    def _answer(self):
        parts = []
        until = time.monotonic() + HANG_S
        import select
        while not parts or not parts[-1].endswith(b'\n'):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                self.process.kill()
                raise Wrong('the host hangs')
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise Gone()
            parts.append(part)
        line = b''.join(parts)[:-1].decode('utf-8', 'surrogateescape')
        code, *fields = [
            re.sub(r'\\(.)', lambda m: ESCAPES[m[1]], f)
            if '\\' in f else f for f in line.split('\t')]
        return Answer(int(code), fields[0], fields[1:])

    def sql(self, sql, connection=0, interrupt_ms=0):
        return self._ask('s', connection, interrupt_ms, sql)

    def value(self, sql, connection=0):
        """The first value; anything but success is wrong."""
        answer = self.sql(sql, connection)
        need(answer.code == 0, f'{sql[:80]}: {answer}')
        return answer.value

    def define(self, source, connection=0):
        return self.value("SELECT python_define('"
                          + source.replace("'", "''") + "')", connection)

    def open(self, connection):
        answer = self._ask('o', connection)
        need(answer.code == 0, f'open: {answer}')

    def close(self, connection):
        answer = self._ask('c', connection)
        need(answer.code == 0, f'close: {answer.code}')

    # ---- what there is ----

    def processes(self):
        """Those of the host's, without it: pids, zombies not among them."""
        found = []
        for name in os.listdir('/proc'):
            if not name.isdigit() or int(name) == self.process.pid:
                continue
            try:
                with open(f'/proc/{name}/environ', 'rb') as file:
                    if self.mark.encode() in file.read().split(b'\0'):
                        found.append(int(name))
            except OSError:
                pass
        return found

    def inventory(self):
        """(descriptors, threads, our mappings, children) of the host."""
        own = f'/proc/{self.process.pid}'
        children = []
        for task in os.listdir(f'{own}/task'):
            try:
                with open(f'{own}/task/{task}/children') as file:
                    children += file.read().split()
            except FileNotFoundError:  # the thread has ended
                pass
        with open(f'{own}/maps') as file:
            mappings = sum('memfd:pyudf' in line for line in file)
        return (len(os.listdir(f'{own}/fd')), len(os.listdir(f'{own}/task')),
                mappings, len(children))

    # ---- the end ----

    def quit(self):
        """Ends it by itself; its status."""
        if self._requests is not None:
            os.close(self._requests)
            self._requests = None
        try:
            return self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            raise Wrong('the host does not end') from None

    def clear(self):
        """Nothing is left of it, whatever has happened."""
        if self._requests is not None:
            os.close(self._requests)
        self.process.kill()
        self.process.wait()
        os.close(self._answers)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- expectations ----

class Raises:
    """One error, of the statement's."""

    def __init__(self, pattern, code=ERROR, trace=None, kept=True, errors=1):
        self.pattern = pattern  # of the message; {pid} is the worker's
        self.code = code
        self.trace = trace      # of the traceback in python_errors
        self.kept = kept        # whether the worker goes on
        self.errors = errors    # rows in python_errors: a number, or which there may be
        self.lost = STATEMENT if kept else STATEMENT_AND_STATE

    def check(self, host, run, pid, before):
        answer = run()
        need(answer.code == self.code,
             f'code {self.code} expected, got {answer}')
        pattern = self.pattern.replace('{pid}', pid)
        need(re.search(pattern, answer.message, re.S),
             f'{pattern!r} expected, got {answer}')
        rows = host.sql('SELECT message, traceback FROM python_errors '
                        f'WHERE id > {before} ORDER BY id')
        numbers = self.errors if isinstance(self.errors, tuple) else (self.errors,)
        need(len(rows.values) // 2 in numbers,
             f'{self.errors} rows in python_errors expected, got {rows}')
        if self.trace is not None:
            need(re.search(self.trace, rows.values[-1], re.S),
                 f'{self.trace!r} expected, got', rows.values[-1][:3000])


class Gives:
    """No error at all."""

    def __init__(self, value, kept=True):
        self.value = value  # a pattern
        self.kept = kept
        self.lost = NOTHING if kept else STATE

    def check(self, host, run, pid, before):
        answer = run()
        need(answer.code == 0 and re.search(self.value, str(answer.value), re.S),
             f'{self.value!r} expected, got {answer}')


class Ends:
    """The host ends, as documented. `status` as subprocess has it, or more."""

    lost = HOST

    def __init__(self, *status):
        self.status = status

    def check(self, host, run, pid, before):
        try:
            answer = run()
        except Gone:
            status = host.process.wait(HANG_S)
            need(status in self.status, f'{self.status} expected, got', status)
            need(wait_for(lambda: not host.processes()), 'processes are left',
                 host.processes())
            return
        raise Wrong(f'the host goes on: {answer}')


# ---- tests ----

class Tap:
    count = failures = 0

    @classmethod
    def line(cls, ok, mode, fault, lost, detail=''):
        cls.count += 1
        cls.failures += not ok
        print(f'{"" if ok else "not "}ok {cls.count} - {mode} | {fault} | {lost}')
        for line in detail.splitlines():
            print('#', line)
        sys.stdout.flush()

    @classmethod
    def done(cls):
        print(f'1..{cls.count}', flush=True)
        sys.exit(cls.failures > 0)


def trial(mode, fault, lost, body, **host_options):
    """One host, what `body` does with it, and one line."""
    host = Host(mode, **host_options)
    try:
        body(host)
    except (Wrong, Gone) as exc:
        told = 'the host ended: %s' % host.process.wait() \
            if isinstance(exc, Gone) else str(exc)
        Tap.line(False, mode, fault, lost,
                 told + '\n' + host.text('stderr')[-2000:])
    else:
        Tap.line(True, mode, fault, lost)
    finally:
        host.clear()


def begin(host, settings=()):
    """Opens both connections; what the host has when it has no connection."""
    host.open(0)
    if host.mode == 'thread':
        host.value("SELECT python_eval('1')")  # Python itself stays
    host.close(0)
    wait_for(lambda: host.inventory()[1] == 1)
    empty = host.inventory()
    host.open(0)
    host.open(1)
    for setting in settings:
        host.value('PRAGMA ' + setting)
    host.define(WITNESS)
    host.define(WITNESS, 1)
    return empty


def other_goes_on(host, pid, ticks):
    need(host.value('SELECT tick()', 1) == str(ticks),
         'the other connection has lost its state')
    need(host.value('SELECT pid()', 1) == pid,
         'the other connection has another worker')


def end(host, empty):
    """Closes both; nothing may be left."""
    host.close(0)
    host.close(1)
    need(wait_for(lambda: not host.processes()), 'processes are left',
         host.processes())
    need(wait_for(lambda: host.inventory() == empty),
         '(descriptors, threads, mappings, children) were', empty,
         host.inventory())
    status = host.quit()
    need(status == 0, f'the host ended with {status}')


def fault(name, source, call, process=None, thread=None, settings=(),
          interrupt_ms=0, after=None, again=None, **host_options):
    """One fault, in each mode for which there is an expectation.

    source: what has it. call: a call in SQL, or a whole statement.
    after: looks at the host when all of that is over. again: the expectation of
    the same statement once more, where it is another one.
    """
    for mode, expected in zip(MODES, (process, thread)):
        if expected is None:
            continue

        def body(host):
            empty = begin(host, settings)
            if source:
                host.define(source)
            need(host.value('SELECT tick()') == '1', 'tick')
            need(host.value('SELECT tick()', 1) == '1', 'tick')
            pid, other = host.value('SELECT pid()'), host.value('SELECT pid()', 1)
            before = host.value('SELECT coalesce(max(id), 0) FROM python_errors')
            sql = call if ' ' in call.partition('(')[0] else f'SELECT {call}'
            expected.check(host, lambda: host.sql(sql, 0, interrupt_ms), pid,
                           before)
            if isinstance(expected, Ends):
                return
            kept = expected.kept
            need(host.value('SELECT tick()') == ('2' if kept else '1'),
                 'the state of the module was ' + ('lost' if kept else 'kept'))
            need((host.value('SELECT pid()') == pid) == kept or mode == 'thread',
                 'the worker was ' + ('replaced' if kept else 'kept'))
            other_goes_on(host, other, 2)
            if after:
                after(host)
            end(host, empty)
        trial(mode, name, expected.lost, body, **host_options)


class Shared:
    """One host for many faults that cost no more than their statement."""

    def __init__(self, mode):
        self.mode = mode
        self.host = None

    def _begin(self):
        self.host = Host(self.mode)
        self.empty = begin(self.host)
        self.ticks = 0
        self.pids = [self.host.value('SELECT pid()', i) for i in (0, 1)]

    def _body(self, source, call, expected, after):
        if self.host is None:
            self._begin()
        host = self.host
        if source:
            host.define(source)
        before = host.value('SELECT coalesce(max(id), 0) FROM python_errors')
        sql = call if ' ' in call.partition('(')[0] else f'SELECT {call}'
        expected.check(host, lambda: host.sql(sql), self.pids[0], before)
        self.ticks += 1
        for i in (0, 1):
            need(host.value('SELECT tick()', i) == str(self.ticks),
                 'connection', i, 'has lost its state')
            need(host.value('SELECT pid()', i) == self.pids[i],
                 'connection', i, 'has another worker')
        if after:
            after(host)

    def _run(self, name, lost, body):
        try:
            body()
        except (Wrong, Gone) as exc:
            Tap.line(False, self.mode, name, lost, str(exc) or 'the host ended')
            if self.host is not None:
                self.host.clear()
                self.host = None
        else:
            Tap.line(True, self.mode, name, lost)

    def fault(self, name, source, call, expected, after=None):
        self._run(name, expected.lost,
                  lambda: self._body(source, call, expected, after))

    def close(self, what):
        self._run(f'{what}, in one host', NOTHING, lambda: end(self.host, self.empty))
        if self.host is not None:
            self.host.clear()


resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY))
