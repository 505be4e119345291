#!/usr/bin/env bash
# lint.sh: the format, vet and staticcheck, each of which prints what it does not like and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .cache/bin/staticcheck ] || scripts/setup.sh test
unformatted=$(git ls-files '*.go' | grep -v '^tools/lint/' | xargs .cache/bin/gofumpt -l)
if [ -n "$unformatted" ]; then
	printf 'not in the format of gofumpt; run `.cache/bin/gofumpt -w .`:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
.cache/bin/staticcheck ./...
