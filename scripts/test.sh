#!/usr/bin/env bash
# test.sh: what `make test` and CI run. It installs what is missing, and fails when a test is skipped: here everything
# that a test may need is there. A test that needs a thing outside the repository skips with words that begin "optional:".
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOMREEL_TEST_REQUIRE=postgres,s3,ffmpeg,openssl,render,node,python

began=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$1" $((SECONDS - began)); }

# tests NAME GO-TEST-ARGUMENTS...: runs tests, shows a line for each package, and everything that is not a success.
tests() {
	local log=.cache/$1.log
	shift
	if ! go test -v "$@" >"$log" 2>&1; then
		grep -vE '^(=== |\s*--- (PASS|SKIP)|PASS$)' "$log" >&2
		exit 1
	fi
	grep -E '^ok ' "$log" || true
	local skipped
	skipped=$(awk '/^=== (RUN|CONT|NAME)/ { name = $3; why[name] = ""; next }
		/--- SKIP: / { if (why[$3] !~ /optional:/) print $3 "\n" why[$3]; next }
		{ why[name] = why[name] $0 "\n" }' "$log")
	if [ -n "$skipped" ]; then
		printf 'these tests were skipped and should not be:\n%s\n' "$skipped" >&2
		exit 1
	fi
}

step 'install what is missing'
scripts/setup.sh test
mkdir -p .cache
export PATH=$PWD/.cache/bin:$PATH # a newer Node, where Debian's is too old
step 'lint'
scripts/lint.sh
step 'build'
make --no-print-directory build
step 'tests'
tests all -timeout 10m ./...
# Under the race detector: what runs goroutines of its own. The others are pure, or C, in which it sees nothing.
step 'tests with -race'
# shellcheck disable=SC2046 # the list is words
tests race -race -short -timeout 10m $(go list ./internal/... |
	grep -E '/(api|app|blob|blob/dir|client|compose|jobs|progress|render|webhook)$')
step 'fuzz'
scripts/fuzz.sh
step 'done'
