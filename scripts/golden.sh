#!/usr/bin/env bash
# golden.sh: rewrites the golden files of every package that has some. Read `git diff` afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
git grep -lE 'flag\.Bool\("update"' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r package; do
	go test "./$package" -update
done
git status --short
