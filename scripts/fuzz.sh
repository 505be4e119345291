#!/usr/bin/env bash
# fuzz.sh: a turn of every fuzz target of the project, FUZZTIME each (default 5s). What was found is kept by Go's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
while IFS=: read -r file name; do
	printf '%-28s ./%s\n' "$name" "$(dirname "$file")"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-5s}" "./$(dirname "$file")" >.cache/fuzz.log 2>&1 && continue
	# When the time is up while an input is being tried, go test may report that alone as a failure. An input that fails
	# is always written down and said so.
	if ! grep -q 'Failing input' .cache/fuzz.log && grep -qx ' *context deadline exceeded' .cache/fuzz.log; then
		continue
	fi
	cat .cache/fuzz.log >&2
	exit 1
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //')
