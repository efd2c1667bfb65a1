#!/bin/sh
# The recipes of sql/ and the demo, in both modes. A recipe says in its comments what comes of it:
#	--   SELECT slug('Ærøskøbing');   --> aeroskobing
# what stands there is run, and has to come. `ERROR text` is an error with that text in it; a line without --> only runs.
# Prevents a recipe that does not do what it says to whoever copies it.
. "${srcdir:-$(dirname "$0")/..}/tests/tap.sh"
: "${SQLITE3:=sqlite3}" "${PYUDF_PYTHON:=python3}"
export PYUDF_SOURCE

why=
command -v "$SQLITE3" >/dev/null || why="no sqlite3 shell"
[ "${PYUDF_SANITIZER-}" = thread ] && why="the thread sanitizer"

# "statement<tab>result" of each line of a recipe's comments; no result: empty
examples() {
	sed -n 's/^--   \([A-Z].*;\)/\1/p' "$1" | sed 's/; *--> \(.*\)$/;	\1/'
}

# NumPy is in the build's venv, where ./bootstrap check has put it.
venv=$PYUDF_BUILD/venv/bin/python
needs_numpy() { grep -q 'Needs NumPy' "$1"; }

# run MODE RECIPE: what its examples print, each after a line "@ number"
run() {
	python=$PYUDF_PYTHON
	needs_numpy "$2" && python=$venv
	{
		echo ".load $PYUDF_BUILD/pyudf"
		cat "$2"
		examples "$2" | awk -F '\t' '{ print ".print @ " NR; print $1 }'
	} | PYUDF_PYTHON=$python PYUDF_EXECUTION_MODE=$1 "$SQLITE3" -batch -init /dev/null :memory: 2>&1
}

# got NUMBER: what came of that example; 0: of the recipe itself
got() {
	printf '%s\n' "$output" | awk -v wanted="$1" '$1 == "@" && NF == 2 { at = $2; next } at + 0 == wanted'
}

tab=$(printf '\t')
for recipe in "$PYUDF_SOURCE"/sql/*.sql; do
	name=$(basename "$recipe")
	[ "$name" = demo.sql ] && continue
	because=$why
	if [ -z "$because" ] && [ "$name" = local_time.sql ]; then
		"$PYUDF_PYTHON" -c 'import zoneinfo; zoneinfo.ZoneInfo("Europe/Berlin")' 2>/dev/null || because="no time zones"
	fi
	if [ -z "$because" ] && needs_numpy "$recipe"; then
		"$venv" -c 'import numpy' 2>/dev/null || because="no NumPy in $venv: ./bootstrap check installs it"
	fi
	for mode in process thread; do
		if [ -n "$because" ]; then
			skip "$name in mode $mode" "$because"
			continue
		fi
		output=$(run "$mode" "$recipe")
		check "$name in mode $mode: it defines something" "$(got 0 | grep -vE '^[a-z_,0-9]+$')"
		number=0
		while IFS=$tab read -r statement expected; do
			label="$name in mode $mode: $(printf %s "$statement" | tr -d "\\\\")"
			number=$((number + 1))
			result=$(got "$number")
			case $expected in
			'ERROR '*)
				case $result in
				*"rror"*"${expected#ERROR }"*) check "$label" ;;
				*) is "$label" "$result" "$expected" ;;
				esac
				;;
			*) is "$label" "$result" "$expected" ;;
			esac
		done <<-END
			$(examples "$recipe")
		END
	done
done

# demo MODE: what the demo prints, errors too
demo() {
	(cd "$PYUDF_BUILD" && PYUDF_EXECUTION_MODE=$1 "$SQLITE3" -batch -init /dev/null :memory: \
		<"$PYUDF_SOURCE/sql/demo.sql" 2>&1 || echo "status $?")
}

if [ -n "$why" ]; then
	skip "the demo" "$why"
else
	process=$(demo process)
	is "the demo prints the same in both modes" "$(demo thread)" "$process"
	check "the demo has no error" "$(echo "$process" | grep -E '[Ee]rror (near|:)|^status')"
	check "the demo reaches its end" "$(echo "$process" | grep -q '│ initials *│ s ' || echo "$process")"
fi
finish
