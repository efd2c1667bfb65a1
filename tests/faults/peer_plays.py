"""A template and its workers as no pyudf has them: what peer.c sets as
python_executable.

An implementation of its own of ext/base's control.h, shm.h, ring.h, codec.h and
wire.h. It is honest, with canned answers, but for one fault that $PEER_CASE
names, "POINT KIND WHAT": at that point (in a request of that kind, '*' for any)
it does once what FAULTS says. The folder that is its first argument is where it
notes that it has done so; the rest is what every template gets.
"""

import ctypes
import mmap
import os
import random
import select
import signal
import socket
import struct
import sys
import time

FOLDER = sys.argv[1]
POINT, KIND, WHAT = os.environ['PEER_CASE'].split()

READY, FORK, FORKED, KILL, RETIRE, ALARM = range(1, 7)
CALL, EVAL, DEFINE, FORGET, VERSION, QUIT, OPEN, STEP, INVERSE, VALUE, FINAL, CHECK, FREE = range(1, 14)
RESULT, ERROR = 16, 17
ASK_ROWS, NEXT, CLOSE, ROW = 18, 19, 20, 21
MAP, MAPPED = 32, 33
KINDS = {CALL: 'call', EVAL: 'eval', DEFINE: 'define', FORGET: 'forget',
         VERSION: 'version', QUIT: 'quit', OPEN: 'open', STEP: 'step', INVERSE: 'inverse',
         VALUE: 'value', FINAL: 'final', CHECK: 'check', FREE: 'free', MAP: 'map',
         ASK_ROWS: 'ask_rows', NEXT: 'next', CLOSE: 'close'}
NULL, INTEGER, REAL, TEXT, BLOB, ROWS = range(6)
JSON, STREAMED = 1, 2

# In the page of control words.
MAGIC, VERSION_AT, MAX_LEN, EXITED, STATUS, BROKEN = 0, 4, 16, 48, 52, 60
TO_WORKER, TO_HOST = 64, 192  # each: head, and 64 bytes on tail
HEAD, TAIL, ASLEEP, BELL = 0, 64, 4, 8
RING = 256 * 1024
DATA = {TO_WORKER: 64 * 1024, TO_HOST: 64 * 1024 + RING}
SIZE = 64 * 1024 + 2 * RING
WRAP = 1 << 32

libc = ctypes.CDLL(None)
FUTEX = {'x86_64': 202, 'aarch64': 98, 'riscv64': 98, 'i686': 240,
         'ppc64le': 221, 's390x': 238}[os.uname().machine]
FUTEX_WAKE = 1


def once():
    """True for the first that asks, of all processes of one case."""
    try:
        os.close(os.open(FOLDER + '/done', os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def fault(point, kind, *args):
    """Does what the case asks for here; whether it did."""
    if point != POINT or KIND not in ('*', kind) or not once():
        return False
    FAULTS[point, WHAT](*args)
    return True


def name(text):
    libc.prctl(15, text.encode(), 0, 0, 0)


class Shared:
    def __init__(self, fd, size):
        self.map = mmap.mmap(fd, size)
        # Stored whole; struct.pack_into fills with zeros first.
        self.words = (ctypes.c_uint32 * (size // 4)).from_buffer(self.map)
        self.address = ctypes.addressof(self.words)

    def get(self, at):
        return self.words[at >> 2]

    def set(self, at, value):
        self.words[at >> 2] = value % WRAP

    def ring_bell(self, at):
        self.set(at, self.get(at) + 1)
        libc.syscall(FUTEX, ctypes.c_void_p(self.address + at), FUTEX_WAKE,
                     1 << 30, None, None, 0)

    def ring_all(self):
        for ring in TO_WORKER, TO_HOST:
            self.ring_bell(ring + HEAD + BELL)
            self.ring_bell(ring + TAIL + BELL)


# ---- Bytes --------------------------------------------------------------------


def value(kind, payload, flags=0, data=None):
    """A value as codec.h has it; data alone says no length."""
    if data is None:
        data = payload if kind in (TEXT, BLOB) else b''
        payload = len(payload) if kind in (TEXT, BLOB) else payload
    return (struct.pack('<QQ', kind | flags << 8, payload % (1 << 64)) + data
            + bytes(-len(data) % 8))


def real(x):
    return value(REAL, struct.unpack('<Q', struct.pack('<d', x))[0])


def head(kind, seq, length, a=0, b=0):
    return struct.pack('<IIQII', kind, length, seq, a, b)


def message(kind, seq, *values):
    body = b''.join(values)
    return head(kind, seq, len(body)) + body


def error(seq, code=1, line=3, kind=b'E', text=b't', file=b'f', trace=b'tb'):
    """A WIRE_ERROR; each field a value's bytes, or what is easily made one."""
    return message(ERROR, seq, *(
        x if isinstance(x, bytearray) else value(INTEGER, x)
        if isinstance(x, int) else value(TEXT, x)
        for x in (code, line, kind, text, file, trace)))


def mapped(seq, done, data, failed=0, *why, kind=BLOB, **more):
    """A WIRE_MAPPED: rows done, their values as a batch has them."""
    body = (value(INTEGER, done) + value(INTEGER, 1000)
            + value(kind, data, **more) + b''.join(why))
    return head(MAPPED, seq, len(body), failed) + body


def pair(seq, number):
    """A WIRE_ROW of two columns."""
    return message(ROW, seq, value(INTEGER, number), value(TEXT, b'r%d' % number))


def row(label=b'f', kind=0, flags=10, mode=0, timeout=0, least=0, most=-1):
    return b''.join([value(TEXT, label),
                     *(value(INTEGER, x)
                       for x in (kind, flags, mode, timeout, least, most)),
                     value(TEXT, b'*a'), value(TEXT, b''), value(TEXT, b'm'),
                     value(TEXT, b's:1'), value(TEXT, b'*a'), value(TEXT, b''),
                     value(TEXT, b''), value(INTEGER, 0)])


# ---- The worker ---------------------------------------------------------------


class Worker:
    def __init__(self, fd):
        self.shared = Shared(fd, SIZE)
        self.read_to = self.written = self.rows = 0
        self.lies = False  # a CHECK fails
        self.next = self.last = 0  # of a table function's rows

    def read(self, count):
        """That many bytes of the host's, however many they are."""
        out = bytearray()
        while len(out) < count:
            ready = (self.shared.get(TO_WORKER + HEAD) - self.read_to) % WRAP
            if not ready:
                time.sleep(0.0003)
                continue
            ready = min(ready, count - len(out))
            at = self.read_to % RING
            part = min(ready, RING - at)
            start = DATA[TO_WORKER] + at
            out += self.shared.map[start:start + part]
            self.read_to = (self.read_to + part) % WRAP
            self.shared.set(TO_WORKER + TAIL, self.read_to)
            self.shared.ring_bell(TO_WORKER + TAIL + BELL)
            if POINT == 'stream' and len(out) > 1 << 20:
                fault('stream', '*', self)
        return bytes(out)

    def put(self, data):
        """Bytes into the ring that nobody sees yet."""
        while data:
            at = self.written % RING
            room = RING - (self.written
                           - self.shared.get(TO_HOST + TAIL)) % WRAP
            part = data[:min(room, RING - at)]
            if not part:
                self.publish()
                time.sleep(0.0003)
                continue
            start = DATA[TO_HOST] + at
            self.shared.map[start:start + len(part)] = part
            self.written = (self.written + len(part)) % WRAP
            data = data[len(part):]

    def publish(self):
        self.shared.set(TO_HOST + HEAD, self.written)
        self.shared.ring_bell(TO_HOST + HEAD + BELL)

    def send(self, data):
        self.put(data)
        self.publish()

    def request(self):
        while self.shared.get(TO_WORKER + HEAD) == self.read_to:
            time.sleep(0.0003)
        if POINT == 'request':  # before it is read; its kind is seen
            at = DATA[TO_WORKER] + self.read_to % RING
            kind = struct.unpack_from('<I', self.shared.map, at)[0]
            fault('request', KINDS[kind], self)
        kind, length, seq, a, b = struct.unpack('<IIQII', self.read(24))
        body, at, values = self.read(length), 0, []
        while at < length:
            word, payload = struct.unpack_from('<QQ', body, at)
            data, at = None, at + 16
            if word & 255 in (TEXT, BLOB) and not word >> 8 & STREAMED:
                data = body[at:at + payload]
                at += payload + -payload % 8
            values.append([word & 255, word >> 8, payload, data])
        for one in values:
            if one[1] & STREAMED:
                one[3] = self.read(one[2])
        self.seq, self.credit = seq, b
        return kind, seq, values

    def serve(self):
        while True:
            kind, seq, values = self.request()
            if fault('read', KINDS[kind], self):
                continue
            if kind == QUIT:
                os._exit(0)
            if kind in (OPEN, STEP, INVERSE, FREE):
                self.rows += 1 if kind == STEP else 0
                if self.rows > 1000:
                    fault('rows', '*', self)
                continue
            if kind == ASK_ROWS:  # h(n): so many rows
                self.next, self.last = 1, values[6][2]
            if fault('reply', KINDS[kind], self, seq):
                continue
            if kind in (ASK_ROWS, NEXT):
                self.send_rows(seq)
                fault('replied', KINDS[kind], self, seq)
                continue
            if kind == CHECK and self.lies:
                self.send(error(seq))
                continue
            if kind in (VALUE, FINAL, CHECK):
                self.send(message(RESULT, seq, value(NULL, 0) if kind == CHECK
                                  else value(INTEGER, self.rows)))
                fault('replied', KINDS[kind], self, seq)
                continue
            if kind == FORGET:
                continue
            self.send(self.answer(kind, seq, values))
            fault('replied', KINDS[kind], self, seq)

    def send_rows(self, seq):
        end = min(self.next + self.credit, self.last + 1)
        for number in range(self.next, end):
            self.put(pair(seq, number))
            if number == 100:
                self.publish()
                fault('row', '*', self, seq)
        self.next = end
        self.send(message(RESULT, seq, value(INTEGER, int(end <= self.last))))

    @staticmethod
    def answer(kind, seq, values):
        if kind == DEFINE:
            return message(RESULT, seq, value(BLOB, row()))
        if kind == VERSION:
            return message(RESULT, seq, value(TEXT, b'Peer 1.0'))
        if kind == EVAL:
            return message(RESULT, seq, value(TEXT, b'evaluated'))
        if kind == CLOSE:
            return message(RESULT, seq, value(NULL, 0))
        if kind == MAP:  # of one column: as they came
            return mapped(seq, values[1][2], values[6][3])
        kind, _, payload, data = values[0] if values else [NULL, 0, 0, None]
        if data is not None:
            return message(RESULT, seq, value(INTEGER, len(data)))
        return message(RESULT, seq, value(kind, payload))


def work(fds, template, doomed):
    os.setpgid(0, 0)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != template:
        os._exit(1)
    while doomed:  # it must not be quicker than its template's end
        time.sleep(1)
    name('peer-worker')
    fault('worker', '*', None)
    worker = Worker(fds[0])
    for fd in fds:
        os.close(fd)
    fault('mapped', '*', worker)
    worker.serve()


# ---- The template -------------------------------------------------------------


class Template:
    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.workers = {}  # pid: the memory
        self.forked = {}  # seq of a request: the pid
        self.seq = 0  # of the last request

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 16, 4)
        return (struct.unpack('<IiiI', data) if data else None), list(fds)

    def send(self, kind, pid=0, error=0, fds=()):
        data = struct.pack('<IiiI', kind, pid, error, self.seq)
        if fds:
            socket.send_fds(self.socket, [data], fds)
        else:
            self.socket.sendall(data)

    def fork(self, fds):
        control = Shared(fds[0], 4096)
        me = os.getpid()
        doomed = (POINT == 'forked' and WHAT.startswith(('killed', 'left'))
                  and not os.path.exists(FOLDER + '/done'))
        pid = os.fork()
        if pid == 0:
            self.socket.close()
            try:
                work(fds, me, doomed)
            finally:
                os._exit(9)
        self.workers[pid] = control
        self.forked[self.seq] = pid
        return pid

    def reap(self):
        for pid in list(self.workers):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                shared = self.workers.pop(pid)
                self.kill_group(pid)
                shared.set(STATUS, status)
                shared.set(EXITED, 1)
                shared.ring_all()

    @staticmethod
    def kill_group(pid):
        for number in -pid, pid:
            try:
                os.kill(number, signal.SIGKILL)
            except OSError:
                pass

    def serve(self):
        while True:
            fault('serving', '*', self)
            ready = select.select([self.socket], [], [], 0.005)[0]
            self.reap()
            if not ready:
                continue
            try:
                got, fds = self.receive()
            except ConnectionError:
                got = None
            if got is None:
                for pid in self.workers:
                    self.kill_group(pid)
                os._exit(0)
            self.seq = got[3]
            if got[0] == FORK:
                if not fault('fork', '*', self, fds):
                    self.send(FORKED, self.fork(fds))
                    fault('forked', '*', self)
            elif got[0] in (KILL, RETIRE):
                pid = got[1] or self.forked.get(got[3])
                if got[0] == RETIRE:
                    time.sleep(0.01)  # it quits
                if pid in self.workers:
                    self.kill_group(pid)
            for fd in fds:
                os.close(fd)


def main():
    name('peer-template')
    template = Template()
    fault('started', '*', template)
    _, fds = template.receive()
    for fd in fds:
        os.close(fd)
    if not fault('greeted', '*', template):
        template.send(READY)
    fault('ready', '*', template)
    template.serve()


# ---- The faults -----------------------------------------------------------------

FAULTS = {}


def at(points, what=None):
    def note(function):
        for point in points.split():
            FAULTS[point, what or function.__name__] = function
        return function
    return note


EVERYWHERE = ('started greeted ready serving fork forked worker mapped request '
              'read reply replied rows row stream')


@at(EVERYWHERE)
def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@at(EVERYWHERE)
def left(*_):
    os._exit(3)


@at('request read reply rows row stream')
def hangs(*_):
    while True:
        time.sleep(1)


@at('forked')
def killed_holding(*_):
    """Another process keeps the template's end of the socket open."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)
    killed()


# What the template sends, or does not.


@at('ready forked')
def ready_again(template, *_):
    template.send(READY)


@at('greeted ready forked')
def unknown_type(template, *_):
    template.send(77)


@at('greeted fork')
def short(template, *_):
    template.socket.send(b'\1\0\0\0\0')


@at('greeted fork')
def long(template, *_):
    kind = FORKED if POINT == 'fork' else READY
    template.socket.send(struct.pack('<IiiI', kind, 5, 0, 0) + bytes(1000))


@at('greeted fork')
def empty(template, *_):
    template.socket.send(b'')


@at('greeted fork')
def forked_early(template, *_):
    template.send(FORKED, os.getpid())


def many():
    return [os.open('/dev/null', os.O_RDONLY) for _ in range(2)]


@at('greeted')
def descriptors(template, *_):
    template.send(READY, fds=many())


@at('fork', 'descriptors')
def fork_descriptors(template, fds):
    template.send(FORKED, template.fork(fds), fds=many())


@at('greeted fork')
def descriptors_short(template, *_):
    socket.send_fds(template.socket, [b'\1'], many())


@at('greeted fork')
def descriptors_hundred(template, *_):
    template.send(FORKED if POINT == 'fork' else READY, error=11,
                  fds=many() * 50)


@at('ready forked')
def flood(template, *_):
    template.socket.setblocking(False)
    try:
        for _ in range(100000):
            template.send(READY)
    except BlockingIOError:
        pass
    template.socket.setblocking(True)


@at('fork')
def refused(template, *_):
    template.send(FORKED, 0, 11)  # EAGAIN


@at('fork')
def refused_for_nothing(template, *_):
    template.send(FORKED, 0, 0)


@at('fork')
def refused_strangely(template, *_):
    template.send(FORKED, 0, -(1 << 31))


def forked_as(which):
    def forked(template, fds):
        template.fork(fds)
        template.send(FORKED, which())
    return forked


at('fork', 'pid_host')(forked_as(lambda: int(os.environ['PEER_HOST'])))
at('fork', 'pid_1')(forked_as(lambda: 1))
at('fork', 'pid_all')(forked_as(lambda: -1))


@at('fork')
def silent(template, fds):
    pass


@at('fork')
def late(template, fds):
    time.sleep(1)
    template.send(FORKED, template.fork(fds))


# Bytes in place of a reply, or behind it. Each is made of the request's seq.

FOREVER = b'x' * 40000


def garbage(seq):
    maker = random.Random(7)
    return bytes(maker.randrange(256) for _ in range(4096))


REPLIES = {
    'len_9': lambda q: head(RESULT, q, 9) + value(NULL, 0),
    'len_max': lambda q: head(RESULT, q, WRAP - 1) + value(NULL, 0),
    'len_ring': lambda q: head(RESULT, q, RING // 2) + FOREVER,
    'len_short': lambda q: head(RESULT, q, 8) + value(NULL, 0),
    'type_0': lambda q: message(0, q, value(NULL, 0)),
    'type_request': lambda q: message(EVAL, q, value(NULL, 0)),
    'type_max': lambda q: message(WRAP - 1, q, value(NULL, 0)),
    'random': garbage,
    'zeros': lambda q: bytes(4096),
    'ones': lambda q: b'\xff' * 4096,
    'seq_before': lambda q: message(RESULT, q - 1, value(NULL, 0)),
    'seq_after': lambda q: message(RESULT, q + 1, value(NULL, 0)),
    'seq_max': lambda q: message(RESULT, (1 << 64) - 1, value(NULL, 0)),
    'no_value': lambda q: message(RESULT, q),
    'two_values': lambda q: message(RESULT, q, value(NULL, 0), value(NULL, 0)),
    'two_texts': lambda q: message(RESULT, q, value(TEXT, b'a'),
                                   value(TEXT, b'b')),
    'value_type': lambda q: message(RESULT, q, value(9, 0)),
    'rows': lambda q: message(RESULT, q, value(ROWS, 100, STREAMED, b''))
            + FOREVER,
    'rows_inline': lambda q: message(RESULT, q, value(ROWS, 8, 0, b'12345678')),
    'value_cut': lambda q: message(RESULT, q, value(NULL, 0)[:8]),
    'text_beyond': lambda q: message(
        RESULT, q, value(TEXT, 17, data=b'12345678')),
    'text_padding': lambda q: head(RESULT, q, 24) + value(
        TEXT, 9, data=b'12345678'),
    'text_63': lambda q: message(
        RESULT, q, value(TEXT, 1 << 63, data=b'12345678')),
    'text_max': lambda q: message(
        RESULT, q, value(TEXT, (1 << 64) - 1, data=b'12345678')),
    'stream_40': lambda q: message(
        RESULT, q, value(BLOB, 1 << 40, STREAMED, b'')) + FOREVER,
    'stream_63': lambda q: message(
        RESULT, q, value(BLOB, 1 << 63, STREAMED, b'')) + FOREVER,
    'stream_empty': lambda q: message(
        RESULT, q, value(BLOB, 0, STREAMED, b'')),
    'stream_integer': lambda q: message(
        RESULT, q, value(INTEGER, 5, STREAMED | JSON)),
    'flags': lambda q: message(RESULT, q, value(TEXT, 1, 0xfffffffffffffd,
                                                b'x')),
    'json_blob': lambda q: message(RESULT, q, value(BLOB, 1, JSON, b'x')),
    'not_utf8': lambda q: message(RESULT, q, value(TEXT, b'a\xff\x00b')),
    'nan': lambda q: message(RESULT, q, real(float('nan'))),
    'big_text': lambda q: message(RESULT, q, value(TEXT, 3000000, STREAMED,
                                                   b'')) + b'y' * 3000000,
    'wrong_type': lambda q: message(RESULT, q, value(INTEGER, 4711)),
    'wrong_real': lambda q: message(RESULT, q, real(1e300)),

    'error': lambda q: error(q),
    'error_nothing': lambda q: message(ERROR, q),
    'error_five': lambda q: message(ERROR, q, *[value(INTEGER, 1)] * 2,
                                    *[value(TEXT, b'')] * 3),
    'error_seven': lambda q: message(ERROR, q, *[value(INTEGER, 1)] * 2,
                                     *[value(TEXT, b'')] * 5),
    'error_types': lambda q: error(q, text=5),
    'error_code_text': lambda q: error(q, code=b'1'),
    'error_code_0': lambda q: error(q, code=0),
    'error_code_9': lambda q: error(q, code=9),
    'error_code_32': lambda q: error(q, code=(1 << 32) + 1),
    'error_code_neg': lambda q: error(q, code=-1),
    'error_streamed': lambda q: error(q, text=bytearray(
        value(TEXT, 100, STREAMED, b''))) + b'z' * 100,
    'error_streamed_40': lambda q: error(q, trace=bytearray(
        value(TEXT, 1 << 40, STREAMED, b''))),
    'error_beyond': lambda q: error(q, trace=bytearray(
        value(TEXT, 10 ** 6, data=b''))),
    'error_not_utf8': lambda q: error(q, text=b'\xff\xfe\x80' * 10),
    'error_nul': lambda q: error(q, text=b'a\0b', kind=b'E\0F',
                                 trace=b'1\0' * 20000),
    'error_tails': lambda q: error(q, text=b'\x80' * 20000,
                                   trace=b'\x80' * 40000),
    'error_line': lambda q: error(q, line=1 << 40),
    # Batches: the first has 32 rows.
    'map_few': lambda q: mapped(q, 32, value(INTEGER, 1) * 31),
    'map_many': lambda q: mapped(q, 32, value(INTEGER, 1) * 33),
    'map_odd': lambda q: mapped(q, 32, value(INTEGER, 1) * 32 + bytes(8)),
    'map_33': lambda q: mapped(q, 33, value(INTEGER, 1) * 33),
    'map_0': lambda q: mapped(q, 0, b''),
    'map_neg': lambda q: mapped(q, -1, b''),
    'map_32': lambda q: mapped(q, 1 << 32, b''),
    'map_streamed': lambda q: mapped(
        q, 32, value(INTEGER, 1) * 31 + value(TEXT, 1 << 20, STREAMED, b'')),
    'map_beyond': lambda q: mapped(
        q, 32, value(INTEGER, 1) * 31 + value(TEXT, 1000, data=b'')),
    'map_type': lambda q: mapped(q, 32, value(7, 1) * 32),
    'map_text': lambda q: mapped(q, 32, value(INTEGER, 1) * 32, kind=TEXT),
    'map_integer': lambda q: mapped(q, 32, 5, kind=INTEGER),
    'map_stream_40': lambda q: head(MAPPED, q, 48) + value(INTEGER, 32) + value(
        INTEGER, 1) + value(BLOB, 1 << 40, STREAMED, b'') + FOREVER,
    'map_failed_all': lambda q: mapped(
        q, 32, value(INTEGER, 1) * 32, 1, error(q)[24:]),
    'map_failed_nothing': lambda q: mapped(q, 5, value(INTEGER, 1) * 5, 1),
    'map_error_for_none': lambda q: mapped(
        q, 32, value(INTEGER, 1) * 32, 0, error(q)[24:]),
    'map_failed': lambda q: mapped(
        q, 5, value(INTEGER, 1) * 5, 1, error(q)[24:]),
    'map_part': lambda q: mapped(q, 5, value(INTEGER, 0) * 5),
    'map_never': lambda q: head(MAPPED, q, 48) + value(INTEGER, 32) + value(
        INTEGER, 1) + value(BLOB, 1 << 20, STREAMED, b'') + FOREVER,
    'map_most': lambda q: head(MAPPED, q, 48) + value(INTEGER, 32) + value(
        INTEGER, 1) + value(BLOB, (1 << 30) + 1, STREAMED, b'') + FOREVER,
    # Of a table function: each key's rows have their number before them.
    'map_rows': lambda q: mapped(q, 32, (value(INTEGER, 2) + value(INTEGER, 5) * 4) * 32),
    'map_rows_none': lambda q: mapped(q, 32, value(INTEGER, 0) * 32),
    'map_rows_neg': lambda q: mapped(q, 32, value(INTEGER, -1) * 32),
    'map_rows_40': lambda q: mapped(q, 32, value(INTEGER, 1 << 40) + value(INTEGER, 5) * 62),
    'map_rows_63': lambda q: mapped(q, 32, value(INTEGER, (1 << 63) - 1) + value(INTEGER, 5) * 62),
    'map_rows_more': lambda q: mapped(q, 32, (value(INTEGER, 2) + value(INTEGER, 5) * 4) * 31
                                      + value(INTEGER, 3) + value(INTEGER, 5) * 4),
    'map_rows_fewer': lambda q: mapped(q, 32, (value(INTEGER, 2) + value(INTEGER, 5) * 4) * 31
                                       + value(INTEGER, 1) + value(INTEGER, 5) * 4),
    'map_rows_text': lambda q: mapped(q, 32, (value(TEXT, b'2') + value(INTEGER, 5) * 4) * 32),
    'map_rows_uncounted': lambda q: mapped(q, 32, value(INTEGER, 5) * 64),

    # Rows of two columns.
    'row_none': lambda q: message(ROW, q),
    'row_few': lambda q: message(ROW, q, value(INTEGER, 1)),
    'row_many': lambda q: message(ROW, q, *[value(INTEGER, 1)] * 3),
    'row_half': lambda q: message(ROW, q, value(INTEGER, 1), value(INTEGER, 1)[:8]),
    'row_type': lambda q: message(ROW, q, value(INTEGER, 1), value(9, 0)),
    'row_rows': lambda q: message(ROW, q, value(INTEGER, 1), value(ROWS, 100, STREAMED, b''))
                + FOREVER,
    'row_beyond': lambda q: message(ROW, q, value(INTEGER, 1), value(TEXT, 17, data=b'12345678')),
    'row_seq': lambda q: pair(q - 1, 1),
    'row_next_seq': lambda q: pair(q + 1, 1),
    'row_other_types': lambda q: message(ROW, q, value(TEXT, b'a'), value(NULL, 0))
                       + message(RESULT, q, value(INTEGER, 0)),
    'row_streams': lambda q: message(ROW, q, value(BLOB, 100, STREAMED, b''),
                                     value(TEXT, 50, STREAMED, b'')) + b'y' * 150
                   + message(RESULT, q, value(INTEGER, 0)),
    'row_streams_more': lambda q: message(ROW, q, value(BLOB, 100, STREAMED, b''),
                                          value(TEXT, 50, STREAMED, b'')) + b'y' * 150
                        + pair(q, 1) + message(RESULT, q, value(INTEGER, 0)),
    'row_never': lambda q: message(ROW, q, value(INTEGER, 1), value(TEXT, 50, STREAMED, b''))
                 + b'y' * 40,
    'row_stream_40': lambda q: message(ROW, q, value(INTEGER, 1), value(BLOB, 1 << 40, STREAMED, b''))
                     + FOREVER,
    'row_stream_63': lambda q: message(ROW, q, value(INTEGER, 1), value(BLOB, 1 << 63, STREAMED, b''))
                     + FOREVER,
    'row_end_text': lambda q: pair(q, 1) + message(RESULT, q, value(TEXT, b'0')),
    'row_end_long': lambda q: pair(q, 1) + message(RESULT, q, value(TEXT, 1000, STREAMED, b''))
                    + FOREVER,
    'row_end_null': lambda q: pair(q, 1) + message(RESULT, q, value(NULL, 0)),
    'row_end_nothing': lambda q: pair(q, 1) + message(RESULT, q),
    'row_end_call': lambda q: pair(q, 1) + message(EVAL, q, value(INTEGER, 0)),
    'row_end_error': lambda q: pair(q, 1) + error(q),
    'row_end_no_error': lambda q: pair(q, 1) + message(ERROR, q),
    'row_more': lambda q: message(RESULT, q, value(INTEGER, 1)),
    'row_no_rows': lambda q: message(RESULT, q, value(INTEGER, 0)),
    'row_behind_end': lambda q: message(RESULT, q, value(INTEGER, 0)) + pair(q, 1),
    'row_too_many': lambda q: b''.join(pair(q, i) for i in range(65))
                    + message(RESULT, q, value(INTEGER, 0)),
}


@at('reply', 'nothing')
def say_nothing(*_):
    pass


def replying(make):
    def reply(worker, seq):
        worker.send(make(seq))
    return reply


for _name, _make in REPLIES.items():
    at('reply', _name)(replying(_make))


@at('reply')
def twice(worker, seq):
    for _ in range(2):
        worker.send(message(RESULT, seq, value(TEXT, b'evaluated')))


@at('mapped')
def early(worker):
    worker.send(message(RESULT, 5, value(TEXT, b'early')))


@at('mapped')
def right_early(worker):
    """Guesses the first request's number."""
    worker.send(message(RESULT, 1, value(TEXT, b'evaluated')))


@at('reply', 'forgotten')
def answer_forget(worker, seq):
    worker.send(message(RESULT, seq, value(NULL, 0)))


# Rows, and no end of them.


@at('reply')
def row_flood(worker, seq):
    number = 0
    while True:
        number += 1
        worker.send(pair(seq, number))


# Groups: what has no reply, and says at most that one has failed.


@at('read')
def answers(worker):
    """In place of what is not answered, with the next request's number."""
    worker.send(message(RESULT, worker.seq, value(INTEGER, 77)))


@at('rows')
def breaks(worker):
    worker.shared.set(BROKEN, worker.shared.get(BROKEN) + 1)


@at('rows')
def breaks_often(worker):
    """At each message that is read from here on."""
    request = worker.request

    def breaking():
        breaks(worker)
        return request()
    worker.request = breaking


@at('rows')
def lies(worker):
    worker.lies = True
    breaks(worker)


# Deaths in a reply.


def partly(make, count):
    def part(worker, seq):
        worker.send(make(seq)[:count])
        # The host gets to see it and waits for the rest.
        time.sleep(0.005)
        killed()
    return part


for _name, _make, _count in [
        ('head', lambda q: message(RESULT, q, value(TEXT, b'abc')), 10),
        ('body', lambda q: message(RESULT, q, value(TEXT, b'a' * 9000)), 5000),
        ('body_none', lambda q: message(RESULT, q, value(TEXT, b'a')), 24),
        ('stream', REPLIES['big_text'], 1500000),
        ('stream_none', REPLIES['big_text'], 40),
        ('row_head', lambda q: pair(q, 1), 10),
        ('row_body', lambda q: pair(q, 1), 30),
        ('row_stream', REPLIES['row_never'], 60),
        ('map_stream', REPLIES['map_never'], 30000),
        ('error', lambda q: error(q), 60)]:
    at('reply', 'cut_' + _name)(partly(_make, _count))


# Manifests.


def manifest(make):
    def answer(worker, seq):
        data = make()
        if len(data) <= 30000:
            worker.send(message(RESULT, seq, value(BLOB, data)))
        else:
            worker.send(message(RESULT, seq,
                                value(BLOB, len(data), STREAMED, b'')))
            worker.send(data)
    return answer


for _name, _data in {
        'cut': lambda: row()[:-1],
        'cut_field': lambda: row()[:-16],
        'random': lambda: garbage(0),
        'types': lambda: value(INTEGER, 1) * 15,
        'empty_name': lambda: row(b''),
        'nul_name': lambda: row(b'f\0g'),
        'not_utf8_name': lambda: row(b'f\xff'),
        'long_name': lambda: row(b'n' * 10 ** 6),
        'streamed_name': lambda: value(TEXT, 1000, STREAMED, b'') + row()[24:],
        'streamed_name_40': lambda: value(TEXT, 1 << 40, STREAMED, b'') + row()[24:],
        'least': lambda: row(least=-5),
        'most': lambda: row(most=-5),
        'args_32': lambda: row(least=1 << 31, most=1 << 31),
        'args_swapped': lambda: row(least=9, most=3),
        'kind': lambda: row(kind=77),
        'mode': lambda: row(mode=77),
        'twice': lambda: row() + row(),
        'million': lambda: row() * 200000}.items():
    at('reply', 'manifest_' + _name)(manifest(_data))


# Rings, bells and control words.


def words(*pairs):
    """Sets words of the shared page, wakes the host and serves on."""
    def scribble(worker, seq):
        for at_, word in pairs:
            if callable(word):
                word = word(worker)
            worker.shared.set(at_, word)
        worker.shared.ring_all()
    return scribble


at('reply', 'head_beyond')(words((TO_HOST + HEAD,
                                  lambda w: w.written + RING + 1)))
at('reply', 'head_far')(words((TO_HOST + HEAD,
                               lambda w: w.written + (1 << 31))))
at('reply', 'head_back')(words((TO_HOST + HEAD, lambda w: w.written - 8)))
at('reply', 'exited')(words((STATUS, 9), (EXITED, 1)))
at('reply', 'exited_strangely')(words((STATUS, WRAP - 1), (EXITED, 77)))
at('reply', 'exited_stopped')(words((STATUS, 0x137f), (EXITED, 1)))


@at('reply')
def control_words(worker, seq):
    """Words that are the host's to write; the reply is an honest one."""
    for at_ in MAGIC, VERSION_AT, 8, MAX_LEN, 20, 24, 28, 32, 40, 44:
        worker.shared.set(at_, WRAP - 1)
    worker.send(message(RESULT, seq, value(TEXT, b'evaluated')))


def scribbler(step):
    """Another process does `step` until it is killed; no reply comes."""
    def start(worker, seq):
        if os.fork() == 0:
            me = os.getppid()
            while True:
                for _ in range(10000):
                    step(worker, seq)
                if os.getppid() != me:
                    os._exit(0)
    return start


def head_to_and_fro(worker, seq):
    worker.shared.set(TO_HOST + HEAD, worker.written + 8)
    worker.shared.set(TO_HOST + HEAD, worker.written + 16)


def head_on_and_off(worker, seq):
    worker.shared.set(TO_HOST + HEAD, worker.written + 8)
    worker.shared.set(TO_HOST + HEAD, worker.written)


def bells(worker, seq):
    for ring in TO_WORKER, TO_HOST:
        for sleeper in HEAD, TAIL:
            worker.shared.set(ring + sleeper + BELL, random.getrandbits(32))
            worker.shared.set(ring + sleeper + ASLEEP, random.getrandbits(1))


at('reply', 'head_to_and_fro')(scribbler(head_to_and_fro))
at('reply', 'head_on_and_off')(scribbler(head_on_and_off))
at('reply', 'bells')(scribbler(bells))


def tail(step, again=False):
    """What the host waits for when it sends more than the ring takes."""
    def scribble(worker):
        if again:
            scribbler(lambda *_: step(worker))(worker, 0)
        else:
            step(worker)
            worker.shared.ring_all()
        hangs()
    return scribble


def tail_to_and_fro(worker):
    worker.shared.set(TO_WORKER + TAIL, worker.read_to + RING // 2)
    worker.shared.set(TO_WORKER + TAIL, worker.read_to)


at('rows', 'tail_beyond')(tail(lambda w: w.shared.set(
    TO_WORKER + TAIL, w.read_to + RING * 2)))
at('stream', 'tail_beyond')(tail(lambda w: w.shared.set(
    TO_WORKER + TAIL, w.read_to + RING * 2)))
at('stream', 'tail_back')(tail(lambda w: w.shared.set(
    TO_WORKER + TAIL, w.read_to - RING * 3 // 2)))
at('stream', 'tail_to_and_fro')(tail(tail_to_and_fro, True))


@at('mapped')
def tail_stands(worker):
    """Reads and answers, but never says that it has read."""
    real_set = worker.shared.set
    worker.shared.set = lambda at_, word: (
        None if at_ == TO_WORKER + TAIL else real_set(at_, word))


@at('reply')
def drip(worker, seq, ended=False):
    """A long text that comes a byte at a time, for ever."""
    worker.shared.set(EXITED, int(ended))
    worker.send(message(RESULT, seq, value(TEXT, 10 ** 9 - 1, STREAMED, b'')))
    while True:
        tail_ = worker.shared.get(TO_HOST + TAIL)
        if (worker.written - tail_) % WRAP < RING // 2:
            worker.written = (worker.written + 1) % WRAP
            worker.shared.set(TO_HOST + HEAD, worker.written)


@at('reply')
def drip_ended(worker, seq):
    drip(worker, seq, True)


@at('mapped')
def shifting_bytes(worker):
    """From here on all bytes of the ring to the host change all the time."""
    if os.fork():
        return
    me = os.getppid()
    makers = [value(k, n, f, b'') for k in range(6)
              for n in (0, 1, 8, 40, 1 << 12, 1 << 40, 1 << 63)
              for f in (0, JSON, STREAMED)]
    start = DATA[TO_HOST]
    while os.getppid() == me:
        for _ in range(200):
            at_ = start + 8 * random.randrange(24, 4096)
            worker.shared.map[at_:at_ + 16] = random.choice(makers)
    os._exit(0)

main()
