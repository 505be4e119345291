#!/usr/bin/env bash
# setup.sh demo|test|dist|distributions: installs missing packages on a Debian machine that has Go and git.
# It uses apt as root or through sudo. If neither is possible, it prints the packages to install and exits with 1.
# Without a network, it succeeds if everything is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?usage: setup.sh demo|test|dist|distributions}
cache=$PWD/.cache/bin
missing=()

# need PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds.
need() {
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}
has() { command -v "$1"; }

# tool NAME PACKAGE: builds a tool that tools/lint/go.mod pins into the cache, once per version of that file.
tool() {
	local name=$1 package=$2 stamp=$cache/$1.pin
	local pin
	pin=$(cksum tools/lint/go.mod | cut -d' ' -f1)
	if [ ! -x "$cache/$name" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$pin" ]; then
		mkdir -p "$cache"
		(cd tools/lint && go build -o "$cache/$name" "$package")
		echo "$pin" >"$stamp"
	fi
}

case $what in demo | test | dist | distributions) ;; *) echo "setup.sh: unknown argument $what; use demo, test, dist or distributions" >&2; exit 2 ;; esac

has go >/dev/null || { echo "setup.sh: Go is missing; go.mod names the version, go.dev/dl has it" >&2; exit 1; }

# For the build: the codec libraries and a C compiler. libyuv has no pkg-config file.
need gcc has gcc
need libc6-dev test -e /usr/include/stdlib.h
need make has make
need pkg-config has pkg-config
need libavcodec-dev pkg-config --exists libavcodec
need libavutil-dev pkg-config --exists libavutil
need libopus-dev pkg-config --exists opus
need libyuv-dev test -e /usr/include/libyuv.h
# To make rooms, and to check films independently.
need ffmpeg has ffmpeg
# The demo writes names into its videos.
need fonts-dejavu-core bash -c 'find /usr/share/fonts -name "*.ttf" | grep -q .'

if [ "$what" = test ]; then
	need postgresql bash -c 'ls /usr/lib/postgresql/*/bin/initdb'
	need openssl has openssl
	need curl has curl
	need python3-twilio /usr/bin/python3 -c 'import twilio'
	need nodejs has node
	need npm has npm
	need util-linux has flock
	need chromium has chromium
fi

if [ "$what" = dist ] || [ "$what" = distributions ]; then
	[ "$(id -u)" = 0 ] || { echo "setup.sh: make this as root, because it makes folder trees of Debian releases" >&2; exit 1; }
	need mmdebstrap has mmdebstrap
	need dpkg has dpkg-deb
fi
[ "$what" != distributions ] || need systemd-container has systemd-nspawn

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ]; then
		root=()
	elif has sudo >/dev/null && sudo -n true 2>/dev/null; then
		root=(sudo)
	else
		printf 'setup.sh: these packages are missing, and neither root nor sudo is available. Please run\n  apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
		exit 1
	fi
	has apt-get >/dev/null || { printf 'setup.sh: apt-get is missing; install the equivalents of these Debian packages: %s\n' "${missing[*]}" >&2; exit 1; }
	echo "setup.sh: installing ${missing[*]}"
	# Debian's package would start a cluster. The tests start their own.
	if [[ " ${missing[*]} " == *" postgresql "* ]]; then
		"${root[@]}" mkdir -p /etc/postgresql-common
		[ -e /etc/postgresql-common/createcluster.conf ] ||
			echo 'create_main_cluster = false' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	export DEBIAN_FRONTEND=noninteractive
	"${root[@]}" apt-get update -qq
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

[ "$what" = test ] || exit 0

tool gofumpt mvdan.cc/gofumpt
tool staticcheck honnef.co/go/tools/cmd/staticcheck
tools/s3server/build.sh >/dev/null

# The official client libraries of Node and the command line, pinned by package-lock.json. twilio-cli needs a newer Node
# than Debian 12 has; npm has that as a package.
if [ -e e2e/clients/node/package.json ]; then
	export PATH=$cache:$PATH
	if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
		case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
		npm install --prefix .cache/node --no-save --no-audit --no-fund --loglevel=error "node-linux-$arch@22.23.3"
		ln -sf "../node/node_modules/node-linux-$arch/bin/node" "$cache/node"
	fi
	lock=$(cksum e2e/clients/node/package-lock.json | cut -d' ' -f1)
	if [ "$(cat e2e/clients/node/node_modules/.lock 2>/dev/null)" != "$lock" ]; then
		npm ci --prefix e2e/clients/node --ignore-scripts --no-audit --no-fund --loglevel=error
		echo "$lock" >e2e/clients/node/node_modules/.lock
	fi
fi
