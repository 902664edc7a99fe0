#!/bin/sh
# Runs the proofs: every test that calls rapid, with CHECKS cases instead of
# rapid's own 100, and every test with "Interleaving" in its name. They are
# found in the source, so that a new one cannot be forgotten.
set -eu
checks=${CHECKS:-2000}
found=$(grep -rlE 'rapid\.(Make)?Check\(|^func Test[A-Za-z0-9_]*Interleaving' --include='*_test.go' . | xargs awk '
	/^func Test/ { name = $2; sub(/\(.*/, "", name) }
	/rapid\.(Make)?Check\(/ && name != ""       { print dir() " rapid " name }
	/^func Test[A-Za-z0-9_]*Interleaving/       { print dir() " plain " name }
	function dir(   d) { d = FILENAME; sub(/\/[^\/]*$/, "", d); return d }
' | sort -u)
[ -n "$found" ] || { echo "no proof was found" >&2; exit 1; }

total=0
for pkg in $(printf '%s\n' "$found" | cut -d' ' -f1 | sort -u); do
	for how in rapid plain; do
		names=$(printf '%s\n' "$found" | awk -v p="$pkg" -v h="$how" '$1 == p && $2 == h { print $3 }')
		[ -n "$names" ] || continue
		run="^($(printf '%s\n' "$names" | paste -sd'|' -))\$"
		flags=
		[ "$how" = rapid ] && flags="-rapid.checks=$checks"
		# shellcheck disable=SC2086 # no flag must be no argument
		go test -count=1 -timeout 15m -run "$run" "$pkg" $flags
		total=$((total + $(printf '%s\n' "$names" | wc -l)))
	done
done
echo "$total proofs hold"
