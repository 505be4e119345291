# roots.sh: folder trees of Debian releases, in which other scripts build and test. They are made with mmdebstrap, as root.
# shellcheck shell=bash
. scripts/libraries.sh
roots=$PWD/.cache/dist
releases=(bookworm trixie)

other_arch() { case $(dpkg --print-architecture) in amd64) echo arm64 ;; *) echo amd64 ;; esac; }
triplet() { case $1 in amd64) echo x86_64-linux-gnu ;; arm64) echo aarch64-linux-gnu ;; esac; }

# mirror prints where this machine gets Debian's packages.
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -1 | sed 's|/*$||'; }

# tree NAME RELEASE OPTION...: makes a tree of a release with packages, unless one of the same options is there.
tree() {
	local name=$1 release=$2
	shift 2
	[ "$(cat "$roots/$name/options" 2>/dev/null)" != "$*" ] || return 0
	echo "making $name with packages of Debian $release"
	mkdir -p "$roots"
	rm -rf --one-file-system "$roots/$name" "$roots/$name.new" # mounts of one that was interrupted stay
	mmdebstrap --quiet "$@" "$release" "$roots/$name.new" "$(mirror)"
	mkdir -p "$roots/$name.new"/{go,src,mod,cache,build}
	echo "$*" >"$roots/$name.new/options"
	mv "$roots/$name.new" "$roots/$name" # a tree that is there is whole
}

# make_root RELEASE: the tree in which roomreel-render is built, with the libraries of both architectures, and tested.
make_root() {
	local other library packages=gcc,pkg-config,dpkg-dev,ffmpeg,fonts-dejavu-core
	other=$(other_arch)
	for library in libc6-dev $(printf '%s\n' "${!libraries[@]}" | sort); do packages+=,$library,$library:$other; done
	tree "$1" "$1" --variant=apt --architectures="$(dpkg --print-architecture),$other" \
		--include="$packages,gcc-$(triplet "$other" | tr _ -)"
}

release_number() { sed -n 's/^VERSION_ID="\(.*\)"/\1/p' "$roots/$1/etc/os-release" | grep . || echo "$1"; }

# in_root NAME COMMAND...: runs a command in a tree, with this machine's Go and its modules. The mounts end with the command. The build
# cache is the tree's own: Go does not see when the headers of C libraries are others.
in_root() {
	local root=$roots/$1
	shift
	# shellcheck disable=SC2016 # the variables are those of the inner shell
	unshare -m bash -c 'set -e
		root=$1; src=$2; shift 2
		mount --bind -o ro "$(go env GOROOT)" "$root/go"
		mount --bind "$src" "$root/src"
		mount --bind "$(go env GOMODCACHE)" "$root/mod"
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/go/bin:/usr/sbin:/usr/bin:/sbin:/bin GOMODCACHE=/mod GOCACHE=/cache \
			GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false "$@"' bash "$root" "$PWD" "$@"
}

# build_render RELEASE ARCH FILE: builds the render child against the libraries of a release.
build_render() {
	go mod download
	# shellcheck disable=SC2016
	in_root "$1" sh -c 'cd /src && CGO_ENABLED=1 GOARCH=$1 CC=$2-gcc PKG_CONFIG_LIBDIR=/usr/lib/$2/pkgconfig:/usr/share/pkgconfig \
		go build -trimpath -ldflags "-s -w" -o /build/roomreel-render ./cmd/roomreel-render' sh "$2" "$(triplet "$2")"
	install -m755 "$roots/$1/build/roomreel-render" "$3"
}

# test_release RELEASE: runs the tests of codecs and rendering against the FFmpeg of a release. Results of tests are cached in the tree.
test_release() {
	make_root "$1"
	printf '\n== %s: tests with %s\n' "$1" "$(in_root "$1" ffmpeg -version | head -1)"
	in_root "$1" sh -c 'cd /src && ROOMREEL_TEST_REQUIRE=ffmpeg,render go test ./internal/codec/... ./internal/render/...'
}
