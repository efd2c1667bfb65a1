#!/bin/sh
# Runs a program of the tests under valgrind's memcheck, as `make check-valgrind` has it: valgrind.sh PROGRAM ARG...
# What memcheck found comes as comments after the program's own TAP, and a status that is not 0.
#
# Judged are errors in the program and in what it forks, and in the program itself memory that nothing points to at its
# end. Not in what it forks: a forked child leaves alone what its parent uses (session.c), and the short-lived ones of
# spawn.c end on another stack, where memcheck does not see who points to what. Programs that it starts, workers among
# them, run bare.
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
trap 'exit 1' HUP INT TERM

# Python's own allocator stays on (no PYTHONMALLOC): without it memcheck follows, from the first import on, an int of no
# digits whose first digit CPython reads and multiplies by 0. ASan is who looks at Python's objects.
sh -c 'echo $$ >"$0/pid"; exec "$@"' "$logs" valgrind --log-file="$logs/%p.log" --error-markers=memcheck,end \
	--leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=none --trace-children=no --num-callers=25 "$@"
status=$?
main=$logs/$(cat "$logs/pid").log

for log in "$logs"/*.log; do
	# A block for each error; that of a leak has "lost in loss record".
	found=$(awk -v leaks="$([ "$log" = "$main" ] && echo 1)" '
		$2 == "end" && NF == 2 { if (leaks || block !~ /lost in loss record/) printf "%s", block; block = ""; inside = 0 }
		inside { block = block "# " $0 "\n" }
		$2 == "memcheck" && NF == 2 { inside = 1 }' "$log")
	[ -n "$found" ] || continue
	printf '# memcheck, in %s:\n%s\n' "$([ "$log" = "$main" ] || echo "what is forked by ")$1" "$found"
	[ "$status" != 0 ] || status=99
done
# Without it nothing was looked at.
if ! grep -q 'ERROR SUMMARY' "$main"; then
	echo "# memcheck did not finish:"
	sed 's/^/# /' "$main"
	[ "$status" != 0 ] || status=99
fi
exit "$status"
