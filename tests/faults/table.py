"""One table of what the fault tests found: table.py LOG...

A row a fault, a column a mode, as the logs' lines say it:

    ok 3 - process | SIGSEGV in a call | the statement, the worker's state
"""

import re
import sys

MODES = ('process', 'thread')
LINE = re.compile(r'(not )?ok \d+ - (process|thread) \| (.+?) \| (.+)')


def read(paths):
    """fault -> mode -> what is lost, in the order of the logs."""
    faults = {}
    for path in paths:
        with open(path, encoding='utf-8', errors='replace') as log:
            for line in log:
                found = LINE.fullmatch(line.strip())
                if found:
                    bad, mode, fault, lost = found.groups()
                    cells = faults.setdefault(fault, {})
                    cells[mode] = 'NOT ONLY ' + lost if bad else lost
    return faults


def main(paths):
    faults = read(paths)
    rows = [('fault', *MODES)]
    rows += [(fault, *(cells.get(mode, '') for mode in MODES))
             for fault, cells in faults.items()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, tuple('-' * width for width in widths))
    for row in rows:
        print('  '.join(map(str.ljust, row, widths)).rstrip())
    bad = sum(lost.startswith('NOT ONLY ') for cells in faults.values()
              for lost in cells.values())
    tests = sum(map(len, faults.values()))
    print(f'\n{len(faults)} faults, {tests} tests'
          + (f', {bad} NOT AS EXPECTED' if bad else ''))
    return not faults or bad > 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
