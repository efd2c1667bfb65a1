"""What the tests of sessions share."""

import itertools
import os
import tempfile
import unittest

import tap  # noqa: F401  (finds the package)
from pyudf._session import Session

SOURCE, NAMED, IMPORT = range(3)
(NAME, KIND, FLAGS, MODE, TIMEOUT, MIN, MAX, ARGUMENTS, RESULT, MODULE, PLACE,
 PARAMETERS, COLUMNS, ORDERED_BY, ROWS, FUNCTION, CODES, AGGREGATE, TABLE, NATIVE,
 BATCH) = range(21)


class SessionTest(unittest.TestCase):
    """A test with a session and a folder of its own."""

    def setUp(self):
        self.session = Session(None)
        self.addCleanup(self.session.close)
        self.numbers = itertools.count(1)
        self.folder = tempfile.mkdtemp(prefix='pyudf-test-')
        self.addCleanup(self._remove_folder)

    def _remove_folder(self):
        import shutil
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        """A file in the folder; its path."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def _define(self, kind, name, source, names, reload=0, number=None,
                expect=None):
        number = number or next(self.numbers)
        module = f'pyudf_session1.define{number}' if kind != IMPORT else None
        self.number = number
        return self.session.define(number, kind, reload, module, name, source,
                                   names, expect)

    def source(self, source, **more):
        """python_define(source): the rows."""
        return self._define(SOURCE, None, source, None, **more)

    def named(self, name, source, **more):
        """python_define(name, source): the row."""
        return self._define(NAMED, name, source, None, **more)[0]

    def imported(self, source, names=None, **more):
        """python_import(source, names): the rows."""
        return self._define(IMPORT, None, source, names, **more)

    @staticmethod
    def names(rows):
        return [row[NAME] for row in rows]

    def refused(self, pattern, function, *args, **more):
        """The call raises UsageError with such a text."""
        from pyudf._errors import UsageError
        with self.assertRaisesRegex(UsageError, pattern):
            function(*args, **more)
