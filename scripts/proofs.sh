#!/bin/sh
# Runs the proofs: the tests named TestProof*, which say what they went through,
# those with "Interleaving" or "WithoutTheLock" in their name, and every test that calls rapid,
# with CHECKS cases instead of rapid's own 100, or CHECKS_SERVER where the cases
# go through a real database or broker. They are found in the source, so that a
# new one cannot be forgotten.
set -eu
checks=${CHECKS:-100000}
checks_server=${CHECKS_SERVER:-2000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

find . -name '*_test.go' -not -path './.*' -exec awk '
	function emit(how,   d) { d = FILENAME; sub(/\/[^\/]*$/, "", d); print d, how, name }
	FNR == 1                                { name = "" }
	/^func /                                { name = "" }
	/^func Test[A-Za-z0-9_]*\(/             { name = $2; sub(/\(.*/, "", name) }
	name == ""                              { next }
	/^func Test(Proof|.*[Ii]nterleaving|.*WithoutTheLock)/   { emit("plain") }
	/rapid\.(Make)?Check\(/                 { emit("rapid") }
' {} + | sort -u >"$tmp/all"
# A proof that calls rapid runs once, with more cases.
awk 'NR == FNR { if ($2 == "rapid") rapid[$1 $3] = 1; next } $2 == "rapid" || !rapid[$1 $3]' "$tmp/all" "$tmp/all" >"$tmp/proofs"
[ -s "$tmp/proofs" ] || { echo "no proof was found" >&2; exit 1; }

cut -d' ' -f1,2 "$tmp/proofs" | sort -u >"$tmp/runs"
while read -r pkg how; do
	names=$(awk -v p="$pkg" -v h="$how" '$1 == p && $2 == h { print $3 }' "$tmp/proofs" | paste -sd'|' -)
	set -- "$pkg"
	n=$checks
	! grep -qs 'testkit\.Main(' "$pkg"/*_test.go || n=$checks_server
	[ "$how" = rapid ] && set -- "$pkg" -rapid.checks="$n"
	if ! go test -count=1 -timeout 60m -v -run "^($names)\$" "$@" >"$tmp/out" 2>&1 </dev/null; then
		cat "$tmp/out"
		exit 1
	fi
	echo "$pkg"
	awk '/^--- PASS: / { print "  " $3 " " $4 } / [a-z0-9_]+\.go:[0-9]+: / && !/\[rapid\]/ { sub(/^ *[a-z0-9_]+\.go:[0-9]+: */, "      "); print }
		/\[rapid\] OK/ { match($0, /passed [0-9]+ tests/); print "      " substr($0, RSTART, RLENGTH) }' "$tmp/out"
done <"$tmp/runs"
echo "$(wc -l <"$tmp/proofs") proofs hold"
