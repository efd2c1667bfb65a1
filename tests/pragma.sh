#!/bin/sh
# Runs test_pragma.c, which wants to be told where ext_pragma.c's extension lies.
# shellcheck disable=SC2086 # several words, or none
exec ${PYUDF_MEMCHECK-} "$PYUDF_BUILD/tests/test_pragma" "$PYUDF_BUILD/tests/.libs/ext_pragma.so"
