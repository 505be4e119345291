#!/usr/bin/env bash
# fuzz.sh: runs every fuzz target for FUZZTIME (default 5s). Go's build cache keeps the inputs that it found.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
while IFS=: read -r file name; do
	printf '%-28s ./%s\n' "$name" "$(dirname "$file")"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-5s}" "./$(dirname "$file")" >.cache/fuzz.log 2>&1 && continue
	# go test may report "context deadline exceeded" when the time is over while an input runs. That is no failure. For an
	# input that fails, it always prints "Failing input".
	if ! grep -q 'Failing input' .cache/fuzz.log && grep -qx ' *context deadline exceeded' .cache/fuzz.log; then
		continue
	fi
	cat .cache/fuzz.log >&2
	exit 1
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //')
