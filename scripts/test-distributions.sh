#!/usr/bin/env bash
# test-distributions.sh [RELEASE...]: makes the packages of Debian releases, bookworm and trixie by default. For each, it runs the tests
# of codecs and rendering against the FFmpeg of the release. Then it installs the package with apt in a fresh tree, starts that tree with
# systemd in a container (systemd-nspawn), and composes a film with the service.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/roots.sh
scripts/setup.sh distributions
[ $# -eq 0 ] || releases=("$@")
[ -n "${ROOMREEL_DIST_BUILT:-}" ] || scripts/dist.sh "${releases[@]}"
work=$PWD/.cache/dist/test
rm -rf "$work"
mkdir -p "$work"

# A room of 4 s: a camera and a microphone.
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=320x240:r=15:d=4 -c:v libvpx "$work/camera.webm" \
	-f lavfi -i sine=d=4 -map 1:a -c:a libopus "$work/microphone.ogg"
cat >"$work/room.json" <<'ROOM'
{"unique_name": "packaged", "recordings": [
 {"file": "camera.webm", "type": "video", "participant": "alice", "track_name": "camera", "offset_ms": 0},
 {"file": "microphone.ogg", "type": "audio", "participant": "alice", "track_name": "microphone", "offset_ms": 0}]}
ROOM
cp packaging/check.sh "$work/"

for release in "${releases[@]}"; do
	number=$(release_number "$release")
	test_release "$release"

	printf '\n== %s: the package, installed and started\n' "$release"
	rm -rf "$roots/$release.installed" # a fresh machine each time
	tree "$release.installed" "$release" --variant=minbase --include=systemd,systemd-sysv,dbus,curl
	cp dist/roomreel_*~deb"${number}"_"$(dpkg --print-architecture)".deb "$roots/$release.installed/roomreel.deb"
	in_root "$release.installed" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends /roomreel.deb >/dev/null'
	cat >"$roots/$release.installed/etc/systemd/system/check.service" <<-'UNIT'
		[Unit]
		After=roomreel.service
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c '/check/check.sh >/check/log 2>&1; echo $? >/check/result; systemctl poweroff --force'
		[Install]
		WantedBy=multi-user.target
	UNIT
	ln -sf ../check.service "$roots/$release.installed/etc/systemd/system/multi-user.target.wants/check.service"
	rm -f "$work/result" "$work/film.mp4"
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 300 systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --bind="$work:/check" \
		-D "$roots/$release.installed" >"$work/console" 2>&1 </dev/null || true
	cat "$work/log" || tail -20 "$work/console"
	[ "$(cat "$work/result")" = 0 ] || { echo "test-distributions.sh: the service of $release failed" >&2; exit 1; }
	ffprobe -v error -show_entries stream=codec_name,width,nb_frames -of compact "$work/film.mp4"
	[ "$(ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$work/film.mp4")" -ge 100 ]
done
echo "passed for ${releases[*]}"
