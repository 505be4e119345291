#!/usr/bin/env bash
# lint.sh: checks the format (gofumpt), then runs vet and staticcheck. Each prints its findings and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .cache/bin/staticcheck ] || scripts/setup.sh test
unformatted=$(git ls-files '*.go' | grep -v '^tools/lint/' | xargs .cache/bin/gofumpt -l)
if [ -n "$unformatted" ]; then
	printf 'these files are not formatted; run `.cache/bin/gofumpt -w .`:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
.cache/bin/staticcheck ./...
