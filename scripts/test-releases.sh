#!/usr/bin/env bash
# test-releases.sh: makes this machine's package of Debian 12 and 13, and runs the tests of codecs and rendering against the FFmpeg of
# each release. What it makes is kept in .cache/dist: the trees of the releases, with a build cache in each.
# Where it cannot make trees, it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/roots.sh

optional() {
	echo "optional: Debian's releases are not built and tested, because $1"
	exit 0
}
[ "$(id -u)" = 0 ] || optional 'that needs root'
unshare -m true 2>/dev/null || optional 'this machine does not let root mount'
scripts/setup.sh dist
for release in "${releases[@]}"; do
	[ -d "$roots/$release" ] || curl -fsSL --max-time 30 -o /dev/null "$(mirror)/dists/$release/InRelease" ||
		optional "the mirror $(mirror) does not answer for $release"
done
ARCHES=$(dpkg --print-architecture) OUT=.cache/dist/packages scripts/dist.sh "${releases[@]}"
for release in "${releases[@]}"; do
	test_release "$release"
done
