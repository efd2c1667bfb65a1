"""Async functions: coroutines, on the session's event loop.

Several rows of a batch await at once. Each of a few tasks takes the next row that
is left, so that there are never more of them than rows may await. The failure that
counts is that of the first row: those behind it are cancelled, those before it go
on to their end, and may fail too.

What ends a call from outside (an interrupt, a deadline) is an exception that comes
up anywhere, in a coroutine or in the loop itself. The loop is then stopped in the
midst of it, with tasks that would go on at its next run: they are cancelled first.
"""

_CONCURRENCY = 10
_BEAT = 0.05   # seconds between looks at what came from outside
_GRACE = 0.03  # seconds that cancelled tasks have, before a worker is killed


class Awaits:
    """How a batch of an async function is run.

    spec: its declaration: how many rows await at once, and retries.
    """

    __slots__ = ('function', 'concurrency', 'retries')

    def __init__(self, function, spec):
        self.function = function
        self.concurrency = spec.concurrency or _CONCURRENCY
        self.retries = spec.retries

    def run(self, session, rows, concurrency, timeout_ms, retries, turned=None):
        """Calls the function for every row: a tuple of arguments, or None for one
        whose value is None without a call.

        concurrency, retries: 0: what the declaration says. timeout_ms: of each
        call; 0: none. turned: called each time that the loop has come round: a
        deadline from outside is for a coroutine that keeps it from doing so.
        Returns the values of the rows before the first that failed, and what that
        one raised, or None.
        """
        batch = _Batch(self.function, rows, timeout_ms / 1000,
                       retries or self.retries)
        count = min(concurrency or self.concurrency, len(rows))
        runner = session.runner()
        batch.turned = turned
        try:
            if runner is not None:
                batch.run(runner, count)
            else:
                _run_aside(batch, count)
        except BaseException as exc:
            batch.stopped(exc)
        return batch.values[:batch.limit], batch.failure


class _Batch:
    def __init__(self, function, rows, timeout, retries):
        self.function = function
        self.rows = rows
        self.timeout = timeout
        self.retries = retries
        self.beat = min(_BEAT, timeout / 4) if timeout else _BEAT
        self.turned = None  # called each time that the loop has come round
        self.values = [None] * len(rows)
        self.ended = bytearray(len(rows))  # 1: there is a value
        self.next = 0           # row
        self.limit = len(rows)  # the first row that failed
        self.failure = None
        self.running = {}       # row -> its task
        self.stopping = False   # from outside
        self.tasks = []
        self.loop = None

    def run(self, runner, count):
        """Raises what came from outside."""
        self.loop = runner.get_loop()
        try:
            runner.run(self._main(count))
        except BaseException:
            self.stop()
            settle(self.loop, self.tasks)
            raise

    def stop(self):
        """No other row begins; those that run are cancelled."""
        self.stopping = True
        self.limit = min(self.limit, self.next)
        for task in self.tasks:
            task.cancel()

    def stopped(self, exc):
        """Something from outside is the failure of the first row without a value, or
        of the last row."""
        first = self.ended.find(0)
        self.limit = first if first >= 0 else len(self.rows) - 1
        self.failure = exc

    async def _main(self, count):
        import asyncio
        self.tasks.append(asyncio.current_task())
        finished = self.loop.create_future()
        left = count

        async def work():
            nonlocal left
            try:
                await self._work(asyncio)
            finally:
                left -= 1
                if not left and not finished.done():
                    finished.set_result(None)

        workers = [self.loop.create_task(work()) for _ in range(count)]
        self.tasks += workers
        while left:
            # In thread mode what comes from outside is noticed when Python runs.
            await asyncio.wait([finished], timeout=self.beat)
            if self.turned is not None:
                self.turned()
        for worker in workers:
            if worker.done() and not worker.cancelled() and worker.exception():
                raise worker.exception()

    async def _work(self, asyncio):
        task = asyncio.current_task()
        rows, values, ended, running = (self.rows, self.values, self.ended,
                                        self.running)
        call = self.function
        if self.timeout or self.retries:
            def call(*row):
                return self._call(asyncio, row)
        while self.next < self.limit:
            i = self.next
            self.next = i + 1
            row = rows[i]
            if row is None:
                ended[i] = 1
                continue
            running[i] = task
            try:
                values[i] = await call(*row)
                ended[i] = 1
            except KeyboardInterrupt:
                raise
            except BaseException as exc:
                if self.stopping or i > self.limit:
                    return  # cancelled, or it failed too late to count
                self._fail(i, exc)
            del running[i]

    def _fail(self, i, exc):
        self.limit = i
        self.failure = exc
        for row, task in self.running.items():
            if row > i:
                task.cancel()

    async def _call(self, asyncio, row):
        for left in range(self.retries, -1, -1):
            try:
                if not self.timeout:
                    return await self.function(*row)
                return await self._timed(asyncio, row)
            except Exception:
                if not left:
                    raise

    async def _timed(self, asyncio, row):
        timeout = asyncio.timeout(self.timeout)
        try:
            async with timeout:
                return await self.function(*row)
        except TimeoutError as exc:
            if not timeout.expired():
                raise
            raise TimeoutError(
                f'timed out after {self.timeout * 1000:.0f} ms') from exc


def run_one(runner, coroutine):
    """Runs a coroutine to its end, and returns its value."""
    import asyncio
    tasks = []
    later = runner.get_loop().call_later

    def beat():
        nonlocal next_beat
        next_beat = later(_BEAT, beat)

    async def main():
        tasks.append(asyncio.current_task())
        return await coroutine

    next_beat = later(_BEAT, beat)
    try:
        return runner.run(main())
    except BaseException:
        settle(runner.get_loop(), tasks)
        raise
    finally:
        next_beat.cancel()


def settle(loop, tasks):
    """Has tasks of a loop that was stopped end by cancelling them, if they do so
    soon."""
    import asyncio
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_GRACE))
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # or the loop would complain of it


def _run_aside(batch, count):
    """For a thread that is inside a running loop: in another one."""
    import asyncio
    from threading import Thread

    def run():
        try:
            with asyncio.Runner() as runner:
                batch.run(runner, count)
        except BaseException as exc:
            batch.stopped(exc)

    thread = Thread(target=run, name='pyudf-async', daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_BEAT)
    except BaseException:
        try:
            batch.loop.call_soon_threadsafe(batch.stop)
        except (AttributeError, RuntimeError):
            pass  # not begun, or at its end
        thread.join(_GRACE)
        raise
