"""The aggregate function that bench/run measures over two workers."""

from bodies import busy_5
from pyudf import udaf


@udaf(parallel=True)
class spread_5(busy_5):
    def merge(self, others):
        for other in others:
            self.n += other.n
