#!/bin/sh
# Replays the providers' recorded requests and prints what each folder counted:
# "twilio 34 of 34". Fails when a test fails, or when nothing was counted.
set -u
out=$(go test -count=1 -v -run '^TestVectors' ./internal/provider/... 2>&1)
rc=$?
if [ $rc -ne 0 ]; then
	printf '%s\n' "$out"
	exit $rc
fi
printf '%s\n' "$out" | awk '
	match($0, /[0-9]+ of [0-9]+/) {
		split(substr($0, RSTART, RLENGTH), n, " of ")
		sub(/^ *[a-z0-9_]+\.go:[0-9]+: */, "")
		print
		done += n[1]; all += n[2]
	}
	END {
		if (all == 0) { print "no vector was replayed: they are not part of the repository, set WAYBILL_VECTORS to their folder"; exit 1 }
		printf "together %d of %d\n", done, all
		exit done != all
	}'
