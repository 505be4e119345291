#!/usr/bin/env bash
# dist.sh [RELEASE...]: makes the packages of each Debian release, bookworm and trixie by default, in dist/: for amd64 and arm64 a .deb,
# a .tar.gz with the same files and a list of parts, and SHA256SUMS.
#
# roomreel-render is linked with the FFmpeg of a release, so it is built in a folder tree of that release: .cache/dist/RELEASE, which
# is made once. Delete it for newer packages of the release. The same commit, Go and libraries give the same bytes.
# VERSION replaces the version, which is that of cmd/roomreel/main.go; OUT the folder; ARCHES the architectures, this machine's first.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/roots.sh
scripts/setup.sh dist
[ $# -eq 0 ] || releases=("$@")
out=${OUT:-dist}
arches=${ARCHES:-$(dpkg --print-architecture) $(other_arch)}

version=${VERSION:-$(sed -n 's/^var version = "\(.*\)"$/\1/p' cmd/roomreel/main.go)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export TZ=UTC LC_ALL=C
flags=(-trimpath -ldflags "-s -w -X main.version=$version")
work=$PWD/.cache/dist/work
rm -rf "$work" "$out"
mkdir -p "$work" "$out"

# common ROOT: writes the files that are the same in all packages: pages, scripts, texts.
common() {
	local root=$1 share=$1/usr/share program=$work/roomreel.$(go env GOHOSTARCH)
	install -D -m644 packaging/roomreel.service "$root/usr/lib/systemd/system/roomreel.service"
	install -D -m644 packaging/sysusers.conf "$root/usr/lib/sysusers.d/roomreel.conf"
	mkdir -p "$root/etc/roomreel" "$share/doc/roomreel" "$share/man/man1" "$share/man/man5" "$share/bash-completion/completions" \
		"$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
	sed 's|^#data = .*|data = "/var/lib/roomreel"|' roomreel.toml >"$root/etc/roomreel/roomreel.toml"
	grep -q '^data = "/var/lib/roomreel"$' "$root/etc/roomreel/roomreel.toml"
	"$program" generate roomreel.1 | gzip -n9 >"$share/man/man1/roomreel.1.gz"
	"$program" generate roomreel.toml.5 | gzip -n9 >"$share/man/man5/roomreel.toml.5.gz"
	"$program" generate bash >"$share/bash-completion/completions/roomreel"
	"$program" generate zsh >"$share/zsh/vendor-completions/_roomreel"
	"$program" generate fish >"$share/fish/vendor_completions.d/roomreel.fish"
	cp LICENSE NOTICE "$share/doc/roomreel/"
	cp NOTICE "$share/doc/roomreel/copyright"
	gzip -n9 <CHANGELOG.md >"$share/doc/roomreel/changelog.gz"
}

for arch in $arches; do
	CGO_ENABLED=0 GOARCH=$arch go build "${flags[@]}" -o "$work/roomreel.$arch" ./cmd/roomreel
done
[ -e "$work/roomreel.$(go env GOHOSTARCH)" ] || { echo "dist.sh: packages are made on amd64 or arm64" >&2; exit 1; }
(cd tools/dist && go build -o "$work/parts" .)

for release in "${releases[@]}"; do
	make_root "$release"
	number=$(release_number "$release")
	# The versions of libraries that the child needs, as Debian states them.
	for arch in $arches; do
		stage=$work/$release.$arch
		mkdir -p "$stage/usr/bin"
		build_render "$release" "$arch" "$stage/usr/bin/roomreel-render"
		if [ "$arch" = "$(dpkg --print-architecture)" ]; then
			depends=$(in_root "$release" sh -c 'cd "$(mktemp -d)" && mkdir debian && echo "Source: roomreel" >debian/control && dpkg-shlibdeps -O /build/roomreel-render' |
				sed -n 's/^shlibs:Depends=//p')
			# shellcheck disable=SC2016 # the variables are those of the inner shell
			in_root "$release" sh -c 'ldd /build/roomreel-render | sed -n "s|.*=> \(/[^ ]*\) .*|\1|p" | xargs -n1 realpath |
				while read -r file; do dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}"; done | sed "s/:.*//" | sort -u' >"$work/$release.libraries"
		fi
		install -m755 "$work/roomreel.$arch" "$stage/usr/bin/roomreel"
		common "$stage"
		# shellcheck disable=SC2046 # the list is words
		in_root "$release" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' $(sed "s/\$/:$arch/" "$work/$release.libraries") >"$work/packages" 2>/dev/null || true # libmfx1 is on amd64 alone
		name=roomreel_$version~deb${number}_$arch
		"$work/parts" -version "$version" -packages "$work/packages" -sbom "$out/$name.cdx.json" \
			-licenses "$stage/usr/share/doc/roomreel/THIRD-PARTY-LICENSES" "$stage/usr/bin/roomreel" "$stage/usr/bin/roomreel-render"
		cp "$out/$name.cdx.json" "$stage/usr/share/doc/roomreel/roomreel.cdx.json"

		find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
		tar --sort=name --owner=0 --group=0 --numeric-owner --transform "s|^\.|roomreel-$version|" -C "$stage" -c . | gzip -n9 >"$out/$name.tar.gz"
		mkdir -m755 "$stage/DEBIAN"
		install -m755 packaging/postinst packaging/prerm packaging/postrm "$stage/DEBIAN/"
		echo /etc/roomreel/roomreel.toml >"$stage/DEBIAN/conffiles"
		(cd "$stage" && find usr -type f | sort | xargs md5sum) >"$stage/DEBIAN/md5sums"
		cat >"$stage/DEBIAN/control" <<-CONTROL
			Package: roomreel
			Version: $version~deb$number
			Architecture: $arch
			Maintainer: the authors of roomreel <roomreel@localhost>
			Installed-Size: $(du -sk --apparent-size "$stage" | cut -f1)
			Depends: $depends, systemd | systemd-standalone-sysusers, init-system-helpers, ca-certificates
			Section: video
			Priority: optional
			Description: keeps recordings of video rooms and composes them into films
			 A service with the REST API of Twilio Video for recordings and compositions. It stores
			 recordings in a folder or a bucket, and composes them into mp4 and WebM files. All codecs
			 run in a child process without network, files or privileges.
		CONTROL
		find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
		dpkg-deb --root-owner-group -Zxz --build "$stage" "$out/$name.deb" >/dev/null
	done
done
(cd "$out" && sha256sum -- *.deb *.tar.gz *.json >SHA256SUMS)
ls -l "$out"
