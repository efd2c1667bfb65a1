"""unittest with TAP on standard output: `tap.main()` instead of unittest.main().

Finds the package that is under test in $PYUDF_BUILD/pyudf, where that is set.
"""

import os
import sys
import unittest

if 'PYUDF_BUILD' in os.environ:
    sys.path.insert(0, os.path.join(os.environ['PYUDF_BUILD'], 'pyudf'))


class Result(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.broken = None
        self.count = 0

    def _line(self, word, test, note='', detail=''):
        name = test.id().partition('.')[2].replace('#', ' ')
        self.count += 1  # testsRun leaves skipped ones out in some versions
        print(f'{word} {self.count} - {name}{note}', file=self.out)
        for line in detail.splitlines():
            print('#', line, file=self.out)
        self.out.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line('ok', test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._line('not ok', test, '', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self._line('not ok', test, '', self.errors[-1][1])
        else:  # setUpClass
            print('Bail out!', self.errors[-1][1].splitlines()[-1],
                  file=self.out)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line('ok', test, f' # SKIP {reason}')

    def addSubTest(self, test, subtest, err):
        # A test with failed subtests calls neither addSuccess nor addFailure.
        super().addSubTest(test, subtest, err)
        if err is not None:
            if self.broken is not test:
                self._line('not ok', test)
                self.broken = test
            for line in (str(subtest) + '\n' + str(err[1])).splitlines():
                print('#', line, file=self.out)


def main():
    """Runs the tests of the calling module, and exits."""
    out = sys.stdout
    sys.stdout = sys.stderr
    suite = unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules['__main__'])
    print(f'1..{suite.countTestCases()}', file=out, flush=True)
    result = Result(out)
    suite.run(result)
    sys.exit(not result.wasSuccessful())
