#!/bin/sh
# Runs every fuzz target of the source tree for FUZZTIME, one after the other. Without a
# bound, making an input smaller could take all of that time.
set -eu
found=$(grep -rE '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+)\(.*|\1 \2|' | sort)
[ -n "$found" ] || { echo "no fuzz target was found" >&2; exit 1; }
printf '%s\n' "$found" | while read -r pkg name; do
	echo "$name in $pkg"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 1s "$pkg" </dev/null
done
