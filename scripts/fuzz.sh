#!/bin/sh
# Runs every fuzz target of the source tree for FUZZTIME, one after the other, and
# ends with a line for each: how many inputs were tried, how many of them went a
# new way. FOLDER selects some: "internal/provider". Without a bound, making
# an input smaller could take all of that time. A target that fails leaves its
# input in testdata/fuzz; the others still run.
set -eu
found=$(grep -rE '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' "${FOLDER:-.}" | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+)\(.*|\1 \2|' | sort)
[ -n "$found" ] || { echo "no fuzz target was found" >&2; exit 1; }
log=$(mktemp) summary=$(mktemp)
trap 'rm -f "$log" "$summary"' EXIT
printf '%s\n' "$found" | {
	failed=0
	while read -r pkg name; do
		echo "$name in $pkg"
		result=ok
		go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 1s "$pkg" </dev/null >"$log" 2>&1 || { result=FAILED failed=1; cat "$log"; }
		did=$(sed -nE 's/^fuzz: elapsed: ([^,]*), (execs: [0-9]+) .*(new interesting: [0-9]+ \(total: [0-9]+\)).*/\1, \2, \3/p' "$log" | tail -n 1)
		printf '%-7s %-20s %-28s %s\n' "$result" "$name" "$pkg" "${did:-not one input was tried}" | tee -a "$summary"
	done
	echo
	cat "$summary"
	exit $failed
}
