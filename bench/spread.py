"""The aggregate function that bench/run measures over two workers: busy_5 of
bodies.py, with merge()."""

from pyudf import udaf


@udaf(parallel=True)
class spread_5:
    def __init__(self):
        self.n = 0

    def step(self, x):
        for i in _LOOP_5:
            x += i
        self.n += x

    def merge(self, others):
        for other in others:
            self.n += other.n

    def finalize(self):
        return self.n


_LOOP_5 = range(285)
