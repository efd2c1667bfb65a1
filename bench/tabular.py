"""The table functions that bench/run measures: pyudf and APSW run these very
generators.

`numbers` gives n rows of one column, `tens` n rows of ten.
"""

from typing import Iterator

_Ten = tuple[int, int, int, int, int, int, int, int, int, int]


def numbers(n) -> Iterator[tuple[int]]:
    for i in range(n):
        yield (i,)


def tens(n) -> Iterator[_Ten]:
    for i in range(n):
        yield i, i, i, i, i, i, i, i, i, i
