"""CPython's own sqlite3 module, or APSW, as a peer of bench/run: see
bench/host.c.

    python_peer.py sqlite3|apsw

Speaks the same lines on standard input and output; in place of an extension
that is loaded,

    define <tab> NAME <tab> SOURCE      registers what SOURCE says, for any
                                        number of arguments
    aggregate <tab> NAME <tab> CLASS    registers a class of bodies.py as an
                                        aggregate function
    window <tab> NAME <tab> CLASS       the same as a window function
    table <tab> NAME <tab> COLUMNS      registers a generator of tabular.py as a
                                        table function (apsw)
    load <tab> PATH                     loads an extension (apsw)
"""

import sys
import time

import bodies
import tabular


class Sqlite3:
    def __init__(self):
        import sqlite3
        self.error = sqlite3.Error
        self.db = sqlite3.connect(':memory:', isolation_level=None)
        self.run = self.db.execute

    def define(self, name, function):
        self.db.create_function(name, -1, function)

    def aggregate(self, name, cls):
        self.db.create_aggregate(name, 1, cls)

    def window(self, name, cls):
        self.db.create_window_function(name, 1, cls)


class Apsw:
    def __init__(self):
        import apsw
        self.error = apsw.Error
        self.db = apsw.Connection(':memory:')
        self.run = self.db.execute

    def define(self, name, function):
        self.db.create_scalar_function(name, function)

    def aggregate(self, name, cls):
        self.db.create_aggregate_function(name, _with_final(cls), 1)

    def window(self, name, cls):
        self.db.create_window_function(name, _with_final(cls), 1)

    def table(self, name, columns):
        import apsw.ext
        generator = getattr(tabular, name)
        generator.columns = columns.split()
        generator.column_access = apsw.ext.VTColumnAccess.By_Index
        apsw.ext.make_virtual_module(self.db, name, generator,
                                     eponymous_only=True)

    def load(self, path):
        self.db.enable_load_extension(True)
        self.db.load_extension(path)


def _with_final(cls):
    """The class, with APSW's name of finalize()."""
    return type(cls.__name__, (cls,), {'final': cls.finalize})


def answer(status, began, value):
    took = time.perf_counter_ns() - began
    print(status, took, str(value).replace('\n', ' '), sep='\t', flush=True)


def run(peer, sql):
    rows = peer.run(sql).fetchall()
    return rows[-1][0] if rows else None


def main():
    peer = {'sqlite3': Sqlite3, 'apsw': Apsw}[sys.argv[1]]()
    for line in sys.stdin:
        request, *arguments = line.rstrip('\n').split('\t')
        began = time.perf_counter_ns()
        try:
            if request == 'version':
                value = run(peer, "SELECT sqlite_version() || ' ' ||"
                                  " sqlite_source_id()")
            elif request == 'define':
                value = peer.define(arguments[0], eval(arguments[1]))
            elif request in ('aggregate', 'window'):
                register = getattr(peer, request)
                value = register(arguments[0], getattr(bodies, arguments[1]))
            elif request in ('table', 'load'):
                value = getattr(peer, request)(*arguments)
            else:
                value = run(peer, *arguments)
        except peer.error as e:
            answer('error', began, e)
        else:
            answer('ok', began, value)


main()
