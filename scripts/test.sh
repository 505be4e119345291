#!/usr/bin/env bash
# test.sh: the tests that `make test` and CI run. It installs missing packages. Then no test may be skipped, except those whose
# message begins with "optional:", because they need something that cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
export ROOMREEL_TEST_REQUIRE=postgres,s3,ffmpeg,openssl,render,node,python,chromium

began=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$1" $((SECONDS - began)); }

# tests NAME GO-TEST-ARGUMENTS...: runs tests. It prints one line for each package that passed, and the whole output of others.
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
		printf 'these tests were skipped but should run:\n%s\n' "$skipped" >&2
		exit 1
	fi
}

step 'install missing packages'
scripts/setup.sh test
mkdir -p .cache
export PATH=$PWD/.cache/bin:$PATH # a newer Node, where Debian's is too old
step 'lint'
scripts/lint.sh
step 'build'
make --no-print-directory build
step 'tests'
tests all -timeout 10m ./...
# Under the race detector: all packages except those that start no goroutines, and codec, most of which is C code, which the
# race detector does not see.
step 'tests with -race'
# shellcheck disable=SC2046 # the list is words
tests race -race -short -timeout 15m $(go list ./internal/... |
	grep -vE '/(codec|config|keyring|layout|manifest|objectkey|plan|timeline|twilio|media(/.*)?)$|test$')
step 'fuzz'
scripts/fuzz.sh
step 'packages and FFmpeg of Debian releases'
scripts/test-releases.sh
step 'done'
