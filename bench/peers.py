"""The processes that bench/run measures, and a machine that is quiet
meanwhile."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON_PEER = os.path.join(HERE, 'python_peer.py')

QUIET_WINDOW_S = 0.1
QUIET_IDLE = 0.85  # of the window's time, all processors together


class Peer:
    """A process that answers the requests that host.c describes."""

    def __init__(self, command, env=None, processors=None):
        def before():
            if processors:
                os.sched_setaffinity(0, processors)

        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})}, preexec_fn=before)

    def ask(self, *request):
        """Returns (nanoseconds, value, failed)."""
        self.process.stdin.write('\t'.join(request) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip('\n')
        if not answer:
            sys.exit(f'{self.process.args}: it ended at {request}')
        status, took, value = answer.split('\t', 2)
        return int(took), value, status == 'error'

    def must(self, *request):
        """Returns (nanoseconds, value) of a request that must not fail."""
        took, value, failed = self.ask(*request)
        if failed:
            sys.exit(f'{self.process.args}: {request}: {value}')
        return took, value

    def time(self, *request):
        return self.must(*request)[0]

    def value(self, *request):
        return self.must(*request)[1]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peers:
    def __init__(self, options):
        self.options = options
        self.host = os.path.join(options.build, 'bench', 'host')
        self.extension = os.path.join(options.build, 'pyudf')
        self.series = os.path.join(options.build, 'bench', '.libs', 'series')
        for file in self.host, self.extension + '.so', self.series + '.so':
            if not os.path.exists(file):
                sys.exit(f'{file} is missing: `make bench` builds it, '
                         '--build says where')
        self.apsw_python = None
        self.apsw_missing = ''
        self.duckdb_python = None
        self.duckdb_missing = ''
        self.patience_s = options.patience
        self.rounds = self.rounds_disturbed = 0

    # ---- peers ----

    def start_host(self, **how):
        return Peer([self.host], **how)

    def start_pyudf(self, mode, processors=None, python=None):
        """A host that has not loaded the extension yet."""
        env = {'PYUDF_EXECUTION_MODE': mode,
               'PYUDF_PYTHON': python or self.options.python}
        return self.start_host(env=env, processors=processors)

    def start_cpython(self):
        return Peer([self.options.python, PYTHON_PEER, 'sqlite3'])

    def start_apsw(self):
        """None where APSW is not to be had: self.apsw_missing says why."""
        if self.apsw_python is None and not self.apsw_missing:
            self.apsw_python, self.apsw_missing = self.install(
                'apsw', ['apsw'])
        if self.apsw_missing:
            return None
        return Peer([self.apsw_python, PYTHON_PEER, 'apsw'])

    def find_duckdb(self):
        """A Python with DuckDB, NumPy and pyarrow. None where they are not to be
        had: self.duckdb_missing says why."""
        if self.duckdb_python is None and not self.duckdb_missing:
            self.duckdb_python, self.duckdb_missing = self.install(
                'duckdb', ['duckdb', 'numpy', 'pyarrow'])
        return self.duckdb_python

    def install(self, name, packages):
        """The newest of these packages, in an environment in the build folder.
        Returns its Python and '', or None and why there is none."""
        folder = os.path.join(self.options.build, 'bench', name)
        python = os.path.join(folder, 'bin', 'python3')
        pip = [python, '-m', 'pip', '--disable-pip-version-check', '--retries', '1']
        why = ''
        for command in ([self.options.python, '-m', 'venv', folder],
                        [*pip, 'install', '--quiet', '--upgrade', *packages],
                        [python, '-c', 'import ' + ', '.join(packages)]):
            try:
                done = subprocess.run(command, stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True)
                failed, said = done.returncode != 0, done.stderr + done.stdout
            except OSError as e:
                failed, said = True, str(e)
            if failed:
                why = why or (said.strip().splitlines() or ['no reason given'])[-1]
        # One of an earlier run will do.
        return (None, why) if failed else (python, '')

    def start_mode(self, mode, processors=None, python=None):
        """The same with the extension, and sure to be in that mode."""
        peer = self.start_pyudf(mode, processors, python)
        peer.time('load', self.extension)
        version = peer.value('run', 'SELECT python_version()')
        if f'{mode} mode' not in version:
            sys.exit(f'not in {mode} mode: {version}')
        return peer

    def define(self, peer, name, source):
        return peer.time(
            'run', "SELECT python_define('{}', '{}')".format(
                name, source.replace("'", "''")))

    # ---- quiet ----

    def is_quiet(self):
        """Whether nobody computes, while all that is ours sleeps."""
        idle, total = processor_ticks()
        time.sleep(QUIET_WINDOW_S)
        idle, total = (after - before for after, before in zip(
            processor_ticks(), (idle, total)))
        return idle >= QUIET_IDLE * total

    def quietly(self, measure):
        """What measure() returns, from a round that nobody disturbed."""
        while True:
            began = time.monotonic()
            quiet = self.is_quiet()
            if quiet or self.patience_s <= 0:
                result = measure()
                quiet = self.is_quiet() and quiet
                if quiet or self.patience_s <= 0:
                    self.rounds += 1
                    self.rounds_disturbed += not quiet
                    return result
            self.patience_s -= time.monotonic() - began


def processor_ticks():
    """Ticks that the processors were idle, and all their ticks."""
    with open('/proc/stat') as f:
        ticks = [int(field) for field in f.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
