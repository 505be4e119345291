#!/bin/sh
# Builds the S3 server of the tests into .cache/bin, once per version, and prints its path. The first build takes some
# minutes and needs the Go module proxy; go.mod beside this file pins what is built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(awk '$1 == "require" && $2 == "github.com/versity/versitygw" { print $3 }
               $1 == "github.com/versity/versitygw" { print $2 }' "$here/go.mod")
out="$here/../../.cache/bin/versitygw-$version"
mkdir -p "$(dirname "$out")"
if [ ! -x "$out" ]; then
	(
		flock 9 # two test binaries may ask at once
		[ -x "$out" ] || {
			cd "$here"
			CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -o "$out.new" github.com/versity/versitygw/cmd/versitygw >&2
			mv "$out.new" "$out"
		}
	) 9>"$out.lock"
fi
cd "$(dirname "$out")" && echo "$PWD/$(basename "$out")"
