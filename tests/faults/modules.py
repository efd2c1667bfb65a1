"""Modules that change on disk while a template, and workers, have them."""

import os

from rig import ERROR, NOTHING, Tap, begin, end, need, other_goes_on, trial

STATE = "the worker's state"
OLD = 'n = 0\ndef f():\n    global n\n    n += 1\n    return "old %d" % n\ndef g(): return "g"\n'
NEW = OLD.replace('old', 'newer')  # of another size, as a .pyc is told stale by
WITHOUT = 'def g(): return "g"\n'
BROKEN = 'def f(:\n'
RAISES = 'raise ValueError("on import")\n'
CRASHES = 'import os\nos._exit(7)\n'

DIE = 'import os\ndef die(): os._exit(9)\n'


class Place:
    """A module in the host's folder, imported by connection 0."""

    def __init__(self, host, preload=False):
        self.host = host
        self.path = host.path('changing.py')
        self.write(OLD)
        self.empty = begin(host, [f"python_path='{host.folder}'"]
                           + ['python_preload=changing'] * preload)
        if host.mode == 'process':
            host.define(DIE)
        self.other = host.value('SELECT pid()', 1)
        need(host.value("SELECT python_import('changing')") == 'f,g', 'python_import')
        self.is_('old 1')

    def write(self, text):
        """As editors do: another file under the same name."""
        with open(self.path + '~', 'w') as file:
            file.write(text)
        os.replace(self.path + '~', self.path)

    def is_(self, expected, function='f'):
        found = self.host.value(f'SELECT {function}()')
        need(found == expected, f'{function}() is', found)

    def fails(self, sql, *parts):
        answer = self.host.sql(sql)
        need(answer.code == ERROR and all(p in answer.message for p in parts),
             f'an error with {parts}, not {answer}')

    def reload(self):
        return self.host.value('SELECT python_reload()')

    def new_worker(self):
        self.fails('SELECT die()', 'exited with status 9')

    def end(self):
        host = self.host
        need(host.value('SELECT tick()', 1) == '1', 'tick')
        other_goes_on(host, self.other, 2)
        end(host, self.empty)


def changing(name, lost, steps, modes=('process', 'thread'), **options):
    for mode in modes:
        def body(host):
            place = Place(host, **options)
            steps(place)
            place.end()
        trial(mode, name, lost, body)


WORKER = ('process',)


def replaced(m):
    m.write(NEW)
    m.is_('old 2')
    m.reload()
    m.is_('newer 1')
    m.is_('newer 2')


changing('a module replaced: python_reload() sees it', NOTHING, replaced)


def in_place(m):
    with open(m.path, 'w') as file:
        file.write(NEW)
    m.is_('old 2')
    m.reload()
    m.is_('newer 1')


changing('a module written over: python_reload() sees it', NOTHING, in_place)


def same_size(m):
    m.write(OLD.replace('old', 'new'))
    m.reload()
    m.is_('new 1')


changing('a module replaced by one of the same size and second', NOTHING, same_size)


def next_worker(m):
    m.write(NEW)
    m.is_('old 2')
    m.new_worker()
    m.is_('newer 1')


changing('a module replaced: the next worker sees it', STATE, next_worker, WORKER)


def preloaded(m):
    m.write(NEW)
    m.new_worker()
    m.is_('old 1')
    m.reload()
    m.is_('newer 1')
    m.new_worker()
    m.is_('newer 1')


changing('a preloaded module replaced: python_reload() sees it', STATE, preloaded,
         WORKER, preload=True)


def preloaded_anew(m):
    m.write(NEW)
    m.host.value('PRAGMA python_preload="changing,json"')
    m.is_('newer 1')


changing('a preloaded module replaced: the next template sees it', STATE,
         preloaded_anew, WORKER, preload=True)


def function_gone(m):
    m.write(WITHOUT)
    m.new_worker()
    for _ in range(2):
        m.fails('SELECT f()', "'f' is no longer in changing", 'python_reload()')
    need(m.host.value('SELECT tick()') == '1', 'tick')
    m.reload()
    m.is_('g', 'g')
    m.fails('SELECT f()', 'f')


changing('a function gone from a module, and a new worker', "the module's functions",
         function_gone, WORKER)


def reload_without(m):
    m.write(WITHOUT)
    need(m.reload() == 'g', 'python_reload')
    m.is_('g', 'g')
    m.fails('SELECT f()', 'f')
    if m.host.mode == 'process':
        m.new_worker()
        m.is_('g', 'g')
        m.fails('SELECT f()', 'f')


changing('a function gone from a module, and python_reload()', 'the function', reload_without)


GUARDED = OLD.replace('old', 'kept') + '''
try:
    Registry
except NameError:
    class Registry: count = 0
    def _count(): return Registry.count
Registry.count += 1
def g(): return "%s %d" % (Registry.__name__, _count())
'''


def guarded(m):
    m.write(GUARDED)
    for count in range(1, 4):
        need(m.reload() == 'f,g', 'python_reload')
        m.is_('kept 1')
        m.is_(f'Registry {count}', 'g')
    m.write(NEW)
    m.reload()
    m.is_('newer 1')
    m.write(GUARDED)
    m.reload()
    m.is_('Registry 1', 'g')


changing('a module that keeps a class of its own at python_reload()', NOTHING, guarded)


def fails(what, text, *parts):
    def reloaded(m):
        if text is None:
            os.unlink(m.path)
        else:
            m.write(text)
        for _ in range(2):
            m.fails('SELECT python_reload()', *parts)
        m.is_('old 2')
        m.write(NEW)
        m.reload()
        m.is_('newer 1')

    def anew(m):
        if text is None:
            os.unlink(m.path)
        else:
            m.write(text)
        m.new_worker()
        for i in range(2):
            m.fails('SELECT f()', *parts)
            need(m.host.value('SELECT tick()') == str(i + 1), 'tick')
        m.write(NEW)
        m.is_('newer 1')

    changing(f'a module {what}, and python_reload()', 'the statement', reloaded)
    changing(f'a module {what}, and a new worker', "the module's functions", anew, WORKER)


fails('with a mistake', BROKEN, 'SyntaxError', 'changing.py:1')
fails('that raises', RAISES, 'ValueError: on import', 'changing.py:1')
fails('that is gone', None, 'ModuleNotFoundError', 'changing')


def crash_at_reload(m):
    m.write(CRASHES)
    m.fails('SELECT python_reload()', 'exited with status 7')
    m.write(NEW)
    m.reload()
    m.is_('newer 1')


changing('a module that crashes, and python_reload()', "the statement, the worker's state",
         crash_at_reload, WORKER)

Tap.done()
