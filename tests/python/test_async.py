#!/usr/bin/env python3
"""Maps of async functions: how many rows await at once, which failure counts, and what
is left in the loop."""

import asyncio
import os
import signal
import threading
import time

import tap
from batches import BatchTest, Json

HEAD = ('import asyncio\n'
        'from pyudf import AsyncScalarFunction, udf\n'
        'now = most = 0\n'
        'log = []\n'
        'async def pause(seconds):\n'
        '    global now, most\n'
        '    now += 1\n'
        '    most = max(most, now)\n'
        '    try:\n'
        '        await asyncio.sleep(seconds)\n'
        '    finally:\n'
        '        now -= 1\n'
        'state = udf(lambda x: [now, most, log[:], len(asyncio.all_tasks(loop[0])) if loop else 0])\n'
        'loop = []\n')
STATE = 0  # index of state, then f


class Async(BatchTest):
    def async_map(self, body, rows, declared='', **more):
        number = self.define(f'{HEAD}@udf({declared})\nasync def f(x, *more):\n'
                             '    loop[:] = [asyncio.get_running_loop()]\n'
                             f'{body}')
        self.number = number
        return self.host.map(number, rows, index=1, **more)

    def state(self):
        """Calls that await, the most there were at once, the log, tasks of the loop."""
        import json
        return json.loads(self.host.call(self.number, 0, index=STATE))

    def test_order(self):
        """Prevents that results come in the order in which they are ready."""
        rows = [(i,) for i in range(20)]
        self.assertEqual(
            self.async_map('    await pause((20 - x) / 1000)\n    return x', rows),
            list(range(20)))
        self.assertEqual(self.state(), [0, 10, [], 0])

    def test_concurrency(self):
        body = '    await pause(.002)\n    return x'
        rows = [(i,) for i in range(30)]
        for declared, options, most in (('', {}, 10), ('concurrency=3', {}, 3),
                                        ('concurrency=3', {'concurrency': 5}, 5),
                                        ('', {'concurrency': 1}, 1),
                                        ('concurrency=100', {}, 30)):
            with self.subTest(declared=declared, options=options):
                self.assertEqual(self.async_map(body, rows, declared, **options),
                                 list(range(30)))
                self.assertEqual(self.state(), [0, most, [], 0])

    def test_no_row(self):
        self.assertEqual(self.async_map('    raise ValueError', []), [])

    def test_values(self):
        self.assertEqual(self.async_map('    return {"x": x}', [(None,), ('a',)]),
                         [Json('{"x":null}'), Json('{"x":"a"}')])

    def test_null_call(self):
        self.assertEqual(self.async_map('    return [x, *more]',
                                        [(1, None), (None, 1), (1, 2)],
                                        'null_call=False'), [None, None, '[1,2]'])

    def test_first_failing_row_counts(self):
        """Rows before it go on, and may fail too; those behind it are cancelled."""
        body = ('    try:\n'
                '        await pause([.02, .03, .001, 10][x])\n'
                '    except asyncio.CancelledError:\n'
                '        log.append(x)\n'
                '        raise\n'
                '    log.append(-x)\n'
                '    if x: raise ValueError(str(x))\n'
                '    return x')
        failed = self.fails('^ValueError: 1$', self.async_map, body,
                            [(0,), (1,), (2,), (3,), (3,)], '', concurrency=4)
        self.assertEqual((failed.done, failed.rows), (1, [0]))
        self.assertEqual(self.state(), [0, 4, [-2, 3, 0, -1], 0])

    def test_failing_result(self):
        failed = self.fails('OverflowError', self.async_map,
                            '    return 2**63 if x == 2 else x', [(1,), (2,), (3,)])
        self.assertEqual((failed.done, failed.rows), (1, [1]))

    def test_exits_and_cancels(self):
        """Prevents that what asyncio treats in a way of its own ends the loop."""
        for raised, text in (('SystemExit("x")', '^SystemExit: x$'),
                             ('asyncio.CancelledError()', 'CancelledError'),
                             ('GeneratorExit()', 'GeneratorExit'),
                             ('TimeoutError("own")', 'TimeoutError: own')):
            with self.subTest(raised=raised):
                failed = self.fails(
                    text, self.async_map,
                    f'    await pause(0)\n    if x == 1: raise {raised}\n    return x',
                    [(0,), (1,), (2,)])
                self.assertEqual((failed.done, failed.rows), (1, [0]))
                self.assertEqual(self.host.map(self.number, [(0,)], index=1), [0])

    def test_traceback(self):
        failed = self.fails('ValueError', self.async_map,
                            '    await pause(0)\n    raise ValueError(x)', [(1,)])
        self.assertIn('in f\n', failed.traceback)
        self.assertNotIn('_async', failed.traceback)

    def test_retries(self):
        body = ('    log.append(x)\n'
                '    if log.count(x) <= x: raise ValueError(x)\n'
                '    return x')
        rows = [(0,), (2,), (1,)]
        self.assertEqual(self.async_map(body, rows, 'retries=2'), [0, 2, 1])
        self.assertEqual(self.async_map(body, rows, retries=2), [0, 2, 1])
        self.assertEqual(self.async_map(body, rows, 'retries=1', retries=2), [0, 2, 1])
        failed = self.fails('ValueError: 2', self.async_map, body, rows, 'retries=1')
        self.assertEqual(failed.done, 1)
        self.fails('ValueError: 1', self.async_map, body, [(1,)])
        self.fails('SystemExit', self.async_map, '    log.append(x)\n    raise SystemExit',
                   [(1,)], 'retries=5')
        self.assertEqual(self.state()[2], [1])

    def test_timeout(self):
        body = ('    log.append(x)\n'
                '    await pause(x)\n'
                '    return x')
        failed = self.fails('^TimeoutError: timed out after 30 ms$', self.async_map,
                            body, [(0,), (20,)], timeout_ms=30)
        self.assertEqual((failed.done, failed.rows), (1, [0]))
        self.assertEqual(self.state()[2], [0, 20])
        self.fails('TimeoutError', self.async_map, body, [(20,)], 'retries=2',
                   timeout_ms=10)
        self.assertEqual(self.state(), [0, 1, [20] * 3, 0])

    def test_class(self):
        number = self.define(
            'from pyudf import AsyncScalarFunction, udf\n'
            'class Add(AsyncScalarFunction):\n'
            '    def open(self, context): self.n = 1\n'
            '    async def eval(self, x): return x + self.n\n'
            'add = udf(Add(), concurrency=2)')
        self.assertEqual(self.host.map(number, [(1,), (2,)]), [2, 3])
        self.assertEqual(self.host.call(number, 1), 2)

    def test_declarations(self):
        for declared, body, text in (
                ('concurrency=0', 'async def f(x): 0', 'ValueError: udf: concurrency must be an int from 1'),
                ('concurrency=True', 'async def f(x): 0', 'ValueError: udf: concurrency must be'),
                ('retries=-1', 'async def f(x): 0', 'ValueError: udf: retries must be an int from 0'),
                ('concurrency=2', 'def f(x): 0', 'ValueError: udf: concurrency is for async functions'),
                ('retries=2', 'def f(x): 0', 'ValueError: udf: retries is for async functions'),
                ('func_type="numpy"', 'async def f(x): 0', "ValueError: udf: func_type='numpy' is not for async"),
                ('', 'class f(AsyncScalarFunction):\n    def eval(self, x): 0',
                 'TypeError: udf: eval\\(\\) of f, an AsyncScalarFunction, is not an async def')):
            with self.subTest(declared=declared, body=body):
                self.fails(text, self.define, f'{HEAD}@udf({declared})\n{body}')

    def test_flag(self):
        _, manifest = self.host.define('async def f(x): return x')
        self.assertEqual(manifest[2] & (64 | 128), 128)

    def interrupted(self, raised, body, rows, **more):
        """What the map raises where a handler of a signal has raised."""
        def handler(number, frame):
            raise raised
        old = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, .1)
        return self.fails(raised.__name__, self.async_map, body, rows, **more)

    def test_interrupt(self):
        """Prevents that coroutines of an ended statement go on in the next one."""
        body = ('    try:\n'
                '        if x: await pause(20)\n'
                '    finally:\n'
                '        log.append(x)\n'
                '    return x')
        for raised in KeyboardInterrupt, TimeoutError:
            failed = self.interrupted(raised, body, [(0,), (1,), (2,)])
            self.assertEqual((failed.done, failed.rows), (1, [0]))
            now, _, log, tasks = self.state()
            self.assertEqual((now, sorted(log), tasks), (0, [0, 1, 2], 0))
            self.assertEqual(self.host.map(self.number, [(0,)], index=1), [0])

    def test_interrupt_in_a_coroutine(self):
        body = ('    if x:\n'
                '        import time\n'
                '        await pause(.01)\n'
                '        time.sleep(20)\n'
                '    return x')
        failed = self.interrupted(KeyboardInterrupt, body, [(0,), (1,), (2,)])
        self.assertEqual((failed.done, failed.rows), (1, [0]))
        self.assertEqual(self.state()[3], 0)
        self.assertEqual(self.host.map(self.number, [(0,)], index=1), [0])

    def test_interrupt_of_what_will_not_end(self):
        body = ('    for i in range(40):\n'
                '        try:\n'
                '            await pause(.05)\n'
                '        except asyncio.CancelledError:\n'
                '            pass\n'
                '    return x')
        self.interrupted(KeyboardInterrupt, body, [(1,)])
        self.assertEqual(self.state()[3], 1)  # it was not waited for

    def test_interrupt_of_a_call(self):
        number = self.define(f'{HEAD}@udf\nasync def f(x):\n'
                             '    loop[:] = [asyncio.get_running_loop()]\n'
                             '    try:\n'
                             '        await pause(x)\n'
                             '    finally:\n'
                             '        log.append(x)\n'
                             '    return x')
        self.number = number

        def handler(number, frame):
            raise KeyboardInterrupt
        old = signal.signal(signal.SIGALRM, handler)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, .1)
        self.fails('KeyboardInterrupt', self.host.call, number, 20, index=1)
        self.assertEqual(self.state(), [0, 1, [20], 0])
        self.assertEqual(self.host.call(number, 0, index=1), 0)

    def interrupted_from_a_thread(self, function, *args, **more):
        """As thread mode interrupts: a loop that sleeps must look up."""
        import ctypes
        thread, late = threading.get_ident(), []

        def interrupt():
            time.sleep(.1)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))

        def wake():
            late.append(1)
            os.kill(os.getpid(), signal.SIGALRM)
        old = signal.signal(signal.SIGALRM, lambda *args: None)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        watchdog = threading.Timer(20, wake)
        watchdog.start()
        other = threading.Thread(target=interrupt)
        other.start()
        failed = self.fails('KeyboardInterrupt', function, *args, **more)
        watchdog.cancel()
        other.join()
        self.assertEqual(late, [])
        self.assertEqual(self.state()[3], 0)
        return failed

    def test_interrupt_from_a_thread(self):
        failed = self.interrupted_from_a_thread(
            self.async_map, '    await pause(1000 * x)\n    return x', [(0,), (1,)])
        self.assertEqual((failed.done, failed.rows), (1, [0]))

    def test_interrupt_of_a_call_from_a_thread(self):
        self.async_map('    await pause(x)\n    return x', [(0,)])
        self.interrupted_from_a_thread(self.host.call, self.number, 1000, index=1)
        self.assertEqual(self.host.call(self.number, 0, index=1), 0)

    def test_inside_a_running_loop(self):
        """Prevents that a host with a loop of its own cannot call async functions."""
        async def main():
            return self.async_map('    await pause(.001)\n    return x',
                                  [(1,), (2,), (3,)])
        self.assertEqual(asyncio.run(main()), [1, 2, 3])

        async def failing():
            return self.fails('ValueError: 2', self.async_map,
                              '    if x == 2: raise ValueError(x)\n    return x',
                              [(1,), (2,), (3,)])
        self.assertEqual(asyncio.run(failing()).rows, [1])

        async def interrupted():
            return self.interrupted(KeyboardInterrupt, '    await pause(20 * x)\n    return x',
                                    [(0,), (1,), (2,)])
        self.assertEqual(asyncio.run(interrupted()).rows, [0])

    def test_many_rows(self):
        rows = [(i,) for i in range(100000)]
        self.assertEqual(sum(self.async_map('    return x', rows)), sum(range(100000)))


if __name__ == '__main__':
    tap.main()
