#!/bin/sh
# Holds docs/asyncapi.yaml against AsyncAPI's own JSON Schema of a document. That
# is fetched and not kept here, so this needs npm and the registry.
set -eu
version=6.11.1
cd "$(dirname "$0")/.."
command -v npm >/dev/null || { echo "NOT CHECKED: npm is needed to fetch @asyncapi/specs" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && npm pack --silent "@asyncapi/specs@$version" >/dev/null && tar xzf asyncapi-specs-*.tgz package/schemas/3.0.0.json)
WAYBILL_ASYNCAPI_SCHEMA="$tmp/package/schemas/3.0.0.json" \
	go test -count=1 -run '^TestTheContractIsAnAsyncAPIDocument$' ./status
