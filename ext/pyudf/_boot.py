# The program of the template: python _boot.py PACKAGE_PARENT PATH MODULES
# Any Python may be asked to run this, so it has to be of a syntax that all know.

import sys

if sys.version_info < (3, 11):
    sys.exit('it is Python %d.%d.%d; pyudf needs 3.11 or newer' % sys.version_info[:3])

# The package comes from its own directory and no other; sys.path is then as the
# user's own Python has it, without the directory of this file.
if not getattr(sys.flags, 'safe_path', False):
    del sys.path[0]
sys.path.insert(0, sys.argv[1])
import pyudf._worker  # noqa: E402
del sys.path[0]

arguments, sys.argv = sys.argv[2:4], ['']
pyudf._worker.template(*arguments)
