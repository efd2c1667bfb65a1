"""What functions write and read: a host's standard output has its data, and its
standard input is its own. In thread mode Python's files keep away from both; code
that uses the descriptors themselves has the host's, which is documented."""

from rig import MODES, NOTHING, Gives, Raises, Tap, begin, end, need, trial, wait_for

# What f does, and whether it goes to the descriptor itself.
WRITES = [
    ('print', 'print("text")', False),
    ('print without a line end', 'print("text", end="")', False),
    ('sys.stdout.write', 'sys.stdout.write("text")', False),
    ('sys.__stdout__.write', 'sys.__stdout__.write("text")', False),
    ('sys.stdout.buffer.write', 'sys.stdout.buffer.write(b"text")', False),
    ('print to sys.stderr', 'print("text", file=sys.stderr)', False),
    ('logging', 'logging.warning("text")', False),
    ('a warning', 'warnings.warn("text")', False),
    ('faulthandler.dump_traceback', 'faulthandler.dump_traceback()', False),
    ('the prompt of input()', 'input("text")', False),
    ('print of what is no UTF-8', 'print("text\\udcff")', False),
    ('os.write(1)', 'os.write(1, b"text")', True),
    ("C's printf", '(libc.printf(b"text\\n"), libc.fflush(None))', True),
    ('open("/dev/stdout")', 'open("/dev/stdout", "a").write("text")', True),
    ('a child process', 'subprocess.run(["echo", "text"])', True),
    ('a shell', 'os.system("echo text")', True),
]

SOURCE = '''
import ctypes, faulthandler, logging, os, subprocess, sys, warnings
libc = ctypes.CDLL(None)
def f():
    try: {}
    except EOFError: pass
    return "done"
'''


def writes(mode, name, deed, descriptor):
    """On standard error, at the latest when the connection is closed."""
    out = mode == 'thread' and descriptor

    def body(host):
        empty = begin(host)
        host.define(SOURCE.format(deed))
        need(host.value('SELECT f()') == 'done', 'f')
        end(host, empty)
        wanted = 'in f' if 'faulthandler' in deed else 'text'
        need(wait_for(lambda: wanted in host.text('stdout' if out else 'stderr')),
             'standard output and error have', host.text('stdout'), host.text('stderr'))
        need(out or host.text('stdout') == '', 'standard output has', host.text('stdout'))
    trial(mode, f'output by {name}',
          "the host's standard output: documented" if out else NOTHING, body)


for name, deed, descriptor in WRITES:
    for mode in MODES:
        writes(mode, name, deed, descriptor)

READS = [
    ('input()', 'return input()', Raises(r'^python function f: EOFError'), False),
    ('sys.stdin.read()', 'return sys.stdin.read() + "end"', Gives('^end$'), False),
    ('sys.__stdin__.read()', 'return sys.__stdin__.read() + "end"', Gives('^end$'), False),
    ('os.read(0)', 'return os.read(0, 1).decode() + "end"', Gives('^end$'), True),
    ("C's getchar", 'return libc.getchar()', Gives('^-1$'), True),
    ('a child process', 'return subprocess.run(["head", "-c1"], stdout=-1, text=True).stdout + "end"',
     Gives('^end$'), True),
]


def reads(mode, name, deed, expected, descriptor):
    taken = mode == 'thread' and descriptor

    def body(host):
        empty = begin(host)
        host.define(f'import ctypes, os, subprocess, sys\nlibc = ctypes.CDLL(None)\ndef f(): {deed}\n')
        if taken:
            need(host.sql('SELECT f()').code == 0, 'f')
        else:
            expected.check(host, lambda: host.sql('SELECT f()'), host.value('SELECT pid()'), '0')
        with open(f'/proc/{host.process.pid}/fdinfo/0') as file:
            place = int(file.readline().split()[1])
        need((place > 0) == taken, 'standard input is at', place)
        end(host, empty)
    trial(mode, f'input by {name}', "the host's standard input: documented" if taken
          else expected.lost, body, stdin=b'data\n' * 10)


for name, deed, expected, descriptor in READS:
    for mode in MODES:
        reads(mode, name, deed, expected, descriptor)

# What was printed before a crash is not lost with the worker.
for deed in ('print("text", end="", flush=True)', 'print("text")'):
    def body(host, deed=deed):
        empty = begin(host)
        host.define(f'import os\ndef f():\n    {deed}\n    os.abort()\n')
        Raises('killed by SIGABRT', kept=False).check(
            host, lambda: host.sql('SELECT f()'), host.value('SELECT pid()'), '0')
        need('text' in host.text('stderr'), 'standard error has', host.text('stderr'))
        end(host, empty)
    trial('process', f'{deed} before a crash', "the statement, the worker's state", body)

Tap.done()
