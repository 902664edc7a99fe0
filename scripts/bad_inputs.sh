#!/bin/sh
# Sends the bad inputs over real sockets, those whose outcome lies behind the
# answer through the whole pipeline, and prints how many tests each row has.
# Fails when a test fails or a row has none.
set -u
out=$(go test -count=1 -v -run '^TestBadInput' ./internal/ingest ./test/e2e 2>&1)
rc=$?
printf '%s\n' "$out" | grep -E '^ *--- (PASS|FAIL|SKIP)' | awk '
	{ name = $3 }
	match(name, /TestBadInput[0-9]+/) { row = substr(name, RSTART + 12, RLENGTH - 12) }
	match(name, /\/[0-9]+_/) { row = substr(name, RSTART + 1, RLENGTH - 2) }
	row == "" { next }
	{ all[row + 0]++; if ($2 != "PASS:") { bad[row + 0]++; print } row = "" }
	END {
		for (r = 1; r <= 40; r++) {
			if (all[r] == 0) { printf "row %2d: no test\n", r; missing++ }
			else { printf "row %2d: %2d of %2d as the table says\n", r, all[r] - bad[r], all[r]; done += all[r] - bad[r]; sum += all[r] }
		}
		printf "together %d of %d, %d of 40 rows\n", done, sum, 40 - missing
		exit missing > 0
	}'
missing=$?
[ $rc -eq 0 ] || printf '%s\n' "$out" | tail -40
[ $rc -eq 0 ] && [ $missing -eq 0 ]
