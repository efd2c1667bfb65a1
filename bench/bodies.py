"""The aggregate functions that bench/run measures: every Python peer runs these
very classes.

`addup` is the least that a window function does. `accumulate_up` is the same as
an accumulator, which only pyudf takes. `busy_1` and `busy_5` take about one and
five microseconds a row.
"""


class addup:
    def __init__(self):
        self.n = 0

    def step(self, x):
        self.n += x

    def inverse(self, x):
        self.n -= x

    def value(self):
        return self.n

    def finalize(self):
        return self.n


class accumulate_up:
    def create_accumulator(self):
        return [0]

    def accumulate(self, acc, x):
        acc[0] += x

    def retract(self, acc, x):
        acc[0] -= x

    def get_value(self, acc):
        return acc[0]


class busy_1:
    def __init__(self):
        self.n = 0

    def step(self, x):
        for i in _LOOP_1:
            x += i
        self.n += x

    def finalize(self):
        return self.n


class busy_5(busy_1):
    def step(self, x):
        for i in _LOOP_5:
            x += i
        self.n += x


_LOOP_1, _LOOP_5 = range(50), range(285)
