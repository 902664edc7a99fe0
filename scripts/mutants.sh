#!/bin/sh
# Plants known defects, each in turn, and requires that a test catches it; see
# test/mutants. MUTANT selects those whose name contains a text. The last line
# is the count.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go test -c -o "$tmp/mutants" ./test/mutants
cd test/mutants
"$tmp/mutants" -test.run '^TestEvery' -test.timeout 30m -mutants -mutant "${MUTANT:-}"
