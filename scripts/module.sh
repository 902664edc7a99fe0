#!/bin/sh
# Renames the Go module: `make module PATH=example.com/you/waybill`.
#
# Changes the module line of go.mod and tools/go.mod, import lines of Go files
# and `import:` lines of sqlc.yaml; nothing else. Strings that look like the
# module's name (CloudEvents sources, topics) are promises to other programs
# and stay. Changes nothing at all when an argument is wrong.
set -eu
PATH=$(command -p getconf PATH)
export PATH LC_ALL=C
cd "$(dirname "$0")/.."

die() { echo "make module: $*" >&2; exit 1; }

new=${1:-}
[ -n "$new" ] || die "say the new name: make module PATH=example.com/you/waybill"
printf '%s\n' "$new" | grep -Eq '^[A-Za-z0-9][A-Za-z0-9._~-]*(/[A-Za-z0-9_~][A-Za-z0-9._~-]*)*$' || die "not a module path: $new"
old=$(awk '$1 == "module" { print $2; exit }' go.mod)
[ -n "$old" ] || die "go.mod names no module"
[ "$old" != "$new" ] || { echo "the module is already named $new"; exit 0; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# imports rewrites import lines only: an import block or line, before the first
# other declaration.
cat >"$tmp/imports.awk" <<'AWK'
function rename(line,   at) {
	at = index(line, "\"" old "/")
	if (at == 0) at = index(line, "\"" old "\"")
	if (at == 0) return line
	return substr(line, 1, at) new substr(line, at + 1 + length(old))
}
/^(func|type|var|const)[ (]/ { past = 1 }
past                         { print; next }
/^import \(/                 { block = 1 }
/^\)/                        { block = 0 }
block || /^import /          { print rename($0); next }
                             { print }
AWK

changed=0
# put replaces file $1 by $tmp/out when they differ; writing through keeps its mode.
put() {
	cmp -s "$1" "$tmp/out" && return
	cat "$tmp/out" >"$1"
	changed=$((changed + 1))
}

find . -name '*.go' -not -path './.*' -not -path '*/testdata/*' >"$tmp/files"
while IFS= read -r file; do
	awk -v old="$old" -v new="$new" -f "$tmp/imports.awk" "$file" >"$tmp/out"
	put "$file"
done <"$tmp/files"
imports=$changed

for file in go.mod tools/go.mod; do
	[ -f "$file" ] || continue
	awk -v old="$old" -v new="$new" '
		$1 == "module" && $2 == old { print "module " new; next }
		$1 == "module" && index($2, old "/") == 1 { print "module " new substr($2, length(old) + 1); next }
		{ print }' "$file" >"$tmp/out"
	put "$file"
done
if [ -f sqlc.yaml ]; then
	awk -v old="$old" -v new="$new" '
		/^[ -]*"?import"?:/ && (at = index($0, old "/")) { $0 = substr($0, 1, at - 1) new substr($0, at + length(old)) }
		{ print }' sqlc.yaml >"$tmp/out"
	put sqlc.yaml
fi

echo "renamed $old to $new: imports of $imports Go files, $((changed - imports)) module and generator files"
echo "next: make fmt generate test, then commit"
