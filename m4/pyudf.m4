# pyudf's own checks, called once each from configure.ac.

# PYUDF_CHECK_PYTHON
# Chooses the Python (--with-python, else $PYUDF_PYTHON, else python3 on PATH), 3.11 or newer, and its headers.
# Sets PYTHON (the interpreter itself), PYTHON_VERSION, PYTHON_CPPFLAGS.
AC_DEFUN([PYUDF_CHECK_PYTHON], [
AC_ARG_VAR([PYUDF_PYTHON], [the Python to build for and to run functions with by default; default python3])
AC_ARG_WITH([python], [AS_HELP_STRING([--with-python=PATH], [the same, as an option])], [PYUDF_PYTHON=$withval])
AS_CASE([$PYUDF_PYTHON], [yes|''], [PYUDF_PYTHON=python3],
  [no], [AC_MSG_ERROR([pyudf cannot be built without Python])])

# sys.executable, not what `command -v' says: the latter may be a script that picks a version by the folder it runs in.
AC_MSG_CHECKING([for Python 3.11 or newer])
pyudf_probe=`"$PYUDF_PYTHON" -c '
import sys, sysconfig
print(sys.executable)
print("%d.%d.%d" % sys.version_info@<:@:3@:>@)
print("0x%08x" % sys.hexversion)
print(sysconfig.get_path("include"))
print(sysconfig.get_path("platinclude"))
sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' 2>&AS_MESSAGE_LOG_FD`
pyudf_status=$?
PYTHON=`AS_ECHO(["$pyudf_probe"]) | sed -n 1p`
PYTHON_VERSION=`AS_ECHO(["$pyudf_probe"]) | sed -n 2p`
pyudf_hexversion=`AS_ECHO(["$pyudf_probe"]) | sed -n 3p`
pyudf_include=`AS_ECHO(["$pyudf_probe"]) | sed -n 4p`
pyudf_platinclude=`AS_ECHO(["$pyudf_probe"]) | sed -n 5p`
AS_IF([test $pyudf_status -ne 0],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$PYUDF_PYTHON is ${PYTHON_VERSION:-missing}, not CPython 3.11 or newer: dnl
install python3 python3-dev (Debian, Ubuntu) or python3 python3-devel (Fedora), or choose another by PYUDF_PYTHON=PATH])])
AC_MSG_RESULT([$PYTHON ($PYTHON_VERSION)])

# -isystem: warnings in Python's headers are not ours.
PYTHON_CPPFLAGS="-isystem $pyudf_include"
AS_IF([test "$pyudf_platinclude" != "$pyudf_include"], [PYTHON_CPPFLAGS="$PYTHON_CPPFLAGS -isystem $pyudf_platinclude"])
AC_MSG_CHECKING([for the headers of Python $PYTHON_VERSION])
AS_IF([test ! -f "$pyudf_include/Python.h"],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$pyudf_include/Python.h is missing: install python3-dev (Debian, Ubuntu) or python3-devel (Fedora)])])

# Headers of another Python compile well and fail at run time, so the two versions are compared.
pyudf_save_CPPFLAGS=$CPPFLAGS
CPPFLAGS="$CPPFLAGS -DPy_LIMITED_API=0x030b0000 $PYTHON_CPPFLAGS"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <Python.h>
#if PY_VERSION_HEX != $pyudf_hexversion
#error "these are the headers of another Python"
#endif]])],
  [AC_MSG_RESULT([$pyudf_include])],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$pyudf_include/Python.h does not compile for the limited API, or belongs to another Python than dnl
$PYTHON ($PYTHON_VERSION); config.log says which])])
CPPFLAGS=$pyudf_save_CPPFLAGS
AC_SUBST([PYTHON])
AC_SUBST([PYTHON_VERSION])
AC_SUBST([PYTHON_CPPFLAGS])
])

# PYUDF_CHECK_SANITIZER
# --enable-asan (address and undefined behaviour) or --enable-tsan (threads).
# Sets SANITIZER (address, thread or empty), SANITIZER_CFLAGS, SANITIZER_LDFLAGS, the conditionals ASAN and TSAN,
# SANITIZER_PRELOAD: the runtime library that a plain program (the shell, python) must have before it loads our modules.
# Sets NO_UNDEFINED: the linker flag by which a symbol that nobody defines is found when linking, not when loading.
AC_DEFUN([PYUDF_CHECK_SANITIZER], [
AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [build with the address and undefined behaviour sanitizers])])
AC_ARG_ENABLE([tsan], [AS_HELP_STRING([--enable-tsan], [build with the thread sanitizer])])
AC_CHECK_DECL([__clang__], [pyudf_clang=yes], [pyudf_clang=no], [])

NO_UNDEFINED=-Wl,-z,defs
SANITIZER= SANITIZER_CFLAGS= SANITIZER_LDFLAGS= SANITIZER_PRELOAD= pyudf_runtime=
AS_CASE([$enable_asan:$enable_tsan],
  [yes:yes], [AC_MSG_ERROR([--enable-asan and --enable-tsan exclude each other])],
  [yes:*], [SANITIZER=address pyudf_runtime=asan
     SANITIZER_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"],
  [*:yes], [AS_IF([test $pyudf_clang = yes],
       [AC_MSG_ERROR([--enable-tsan needs gcc: clang 14's thread sanitizer crashes when it is preloaded into python])])
     SANITIZER=thread pyudf_runtime=tsan
     SANITIZER_CFLAGS="-fsanitize=thread -fno-omit-frame-pointer"])
AS_IF([test -n "$SANITIZER"], [
  AC_MSG_CHECKING([for the runtime of the $SANITIZER sanitizer])
  AS_IF([test $pyudf_clang = yes],
    [pyudf_runtime=libclang_rt.$pyudf_runtime-$host_cpu.so],
    [pyudf_runtime=lib$pyudf_runtime.so])
  # Where the file does not exist, the compiler gives the bare name back.
  SANITIZER_PRELOAD=`$CC -print-file-name=$pyudf_runtime`
  AS_IF([test ! -f "$SANITIZER_PRELOAD"],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$CC has no $pyudf_runtime])])
  AC_MSG_RESULT([$SANITIZER_PRELOAD])
  # gcc links the shared runtime. clang would put a static one into each program, beside the one preloaded; and its
  # modules leave the runtime's symbols undefined.
  AS_IF([test $pyudf_clang = yes],
    [SANITIZER_LDFLAGS="-Wc,-shared-libsan -Wl,-rpath,`dirname "$SANITIZER_PRELOAD"`"
     NO_UNDEFINED=])
])
AM_CONDITIONAL([ASAN], [test "$SANITIZER" = address])
AM_CONDITIONAL([TSAN], [test "$SANITIZER" = thread])
AC_SUBST([NO_UNDEFINED])
AC_SUBST([SANITIZER])
AC_SUBST([SANITIZER_CFLAGS])
AC_SUBST([SANITIZER_LDFLAGS])
AC_SUBST([SANITIZER_PRELOAD])
])
