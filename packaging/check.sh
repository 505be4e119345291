#!/bin/sh
# check.sh runs on a machine on which the package has just been installed. It composes the room in /check with the service.
set -eu
for _ in $(seq 60); do
	curl -sf http://127.0.0.1:8080/readyz >/dev/null && break
	sleep 1
done
systemctl --no-pager --lines=0 status roomreel.service || { journalctl --no-pager -u roomreel; exit 1; }
# The hardening of the unit leaves the sandbox of the render children whole. Landlock depends on the kernel.
if journalctl --no-pager -o cat -u roomreel | grep 'protection of the sandbox is missing' | grep -v landlock; then exit 1; fi
systemd-analyze security --no-pager roomreel.service | tail -1

first=$(journalctl --no-pager -o cat -u roomreel | grep auth_token)
field() { sed "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/"; }
export ROOMREEL_ACCOUNT="$(echo "$first" | field account_sid)" ROOMREEL_TOKEN="$(echo "$first" | field auth_token)"

# An operator's commands, as docs/operating/install.md has them.
runuser -u roomreel -- roomreel account create --config /etc/roomreel/roomreel.toml --name second | grep -q auth_token
runuser -u roomreel -- roomreel doctor --config /etc/roomreel/roomreel.toml || [ $? = 3 ]
[ "$(stat -c '%U %a' /var/lib/roomreel)" = 'roomreel 700' ]

room=$(roomreel import --room /check/room.json --complete | field room_sid)
api="curl -sf -u $ROOMREEL_ACCOUNT:$ROOMREEL_TOKEN http://127.0.0.1:8080/v1/Compositions"
film=$($api -d RoomSid="$room" -d AudioSources='*' -d Format=mp4 --data-urlencode 'VideoLayout={"grid": {"video_sources": ["*"]}}' | tr -d '\n' | field sid)
for _ in $(seq 60); do
	status=$($api/"$film" | tr -d '\n' | field status)
	[ "$status" != completed ] || break
	sleep 1
done
echo "composition $film: $status"
[ "$status" = completed ] || { journalctl --no-pager -u roomreel; exit 1; }
$api/"$film"/Media -L -o /check/film.mp4

# It starts again with its data, and goes with the package.
systemctl restart roomreel.service
sleep 2
$api/"$film" >/dev/null
apt-get purge -qq -y roomreel >/dev/null 2>&1
[ ! -e /etc/roomreel/roomreel.toml ]
[ -e /var/lib/roomreel/roomreel.db ]
echo 'the package was removed; the data is there'
