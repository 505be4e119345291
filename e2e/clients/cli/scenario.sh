#!/usr/bin/env bash
# Does the same as ../go/main.go with twilio-cli, and reads the same variables. The commands are the same as for Twilio, except
# the upload, which Twilio does itself. curl fetches media, because twilio-cli cannot.
set -euo pipefail

layout='{"alice": {"video_sources": ["alice-*"], "x_pos": 0, "width": 320, "max_columns": 1},
	"bob": {"video_sources": ["bob-*"], "x_pos": 320, "width": 320, "max_columns": 1}}'
yesterday=$(date -u -d '1 day ago' +%FT%TZ)

# video COMMAND PROPERTIES FLAGS...: the properties of each resource, a line for each, separated by tabs.
video() { twilio "api:video:v1:$1" --properties="$2" -o tsv "${@:3}" | tail -n +2; }
credentials() { twilio "api:accounts:v1:credentials:$1" --properties="$2" -o tsv "${@:3}" | tail -n +2; }

# check WHAT GOT WANT: ends the program if GOT is not WANT.
check() { [ "$2" = "$3" ] || { printf 'line %d: %s: got %s, want %s\n' "${BASH_LINENO[0]}" "$1" "$2" "$3" >&2; exit 1; }; }

# refused CODE COMMAND...: the command must fail with this Twilio error number.
refused() {
	local output
	if output=$("${@:2}" 2>&1); then
		check "$2" 'no error' "$1"
	fi
	case $output in *"Error code $1 "*) ;; *) check "$2" "$output" "$1" ;; esac
}

# upload FILE IDENTITY OFFSET: adds a recorded track to the room and prints the SID of the recording.
upload() {
	curl --fail --silent --show-error --user "$TWILIO_API_KEY:$TWILIO_API_SECRET" \
		--form "ParticipantIdentity=$2" --form "TrackName=${1%.*}" --form "OffsetMillis=$3" --form "Media=@$ROOM_FILES/$1" \
		"$ROOMREEL_URL/roomreel/v1/Rooms/$room/Recordings" | grep -o 'RT[0-9a-f]\{32\}' | head -n1
}

# download PATH FILE: follows the redirect of a Media resource.
download() {
	curl --fail --silent --show-error --location --user "$TWILIO_API_KEY:$TWILIO_API_SECRET" --output "$2" "$ROOMREEL_URL$1"
}

# wait_for SID: waits until a composition is completed.
wait_for() {
	local status
	while status=$(video compositions:fetch status --sid="$1"); do
		case $status in
		completed) return ;;
		enqueued | processing) ;;
		*) break ;;
		esac
	done
	check "$1" "$status" completed
}

IFS=$'\t' read -r room status end < <(video rooms:create sid,status,endTime --unique-name=cli --type=group --max-participants=4 \
	--video-codecs=VP8 --video-codecs=H264 --record-participants-on-connect --status-callback="$CALLBACK")
check 'a new room' "$status $end" 'in-progress null'
check 'by name' "$(video rooms:fetch sid --sid=cli)" "$room"
check 'rooms' "$(video rooms:list sid --unique-name=cli --status=in-progress)" "$room"
echo room

twilio api:video:v1:rooms:recording-rules:create --room-sid="$room" --rules='[{"type": "include", "all": true}]' --silent
check rules "$(video rooms:recording-rules:list type,all --room-sid="$room")" $'include\ttrue'
echo recording rules

camera=$(upload alice-camera.mkv alice 0)
upload alice-microphone.mka alice 0 >/dev/null
upload bob-camera.mkv bob 1000 >/dev/null
microphone=$(upload bob-microphone.mka bob 1000)
check 'two pages, the newest first' "$(video recordings:list trackName --grouping-sid="$room" --page-size=3 | tr '\n' ' ')" \
	'bob-microphone bob-camera alice-microphone alice-camera '
source=$(video recordings:fetch sourceSid --sid="$microphone")
check audio_only "$(video rooms:recordings:list trackName,codec --room-sid="$room" --source-sid="$source")" $'bob-microphone\topus'
check camera "$(video rooms:recordings:fetch status,type,codec,size --room-sid="$room" --sid="$camera")" \
	"$(printf 'completed\tvideo\tvp8\t%d' "$(stat -c %s "$ROOM_FILES/alice-camera.mkv")")"
download "/v1/Recordings/$camera/Media" "$FILM"
cmp "$FILM" "$ROOM_FILES/alice-camera.mkv"
echo recordings

check participants "$(video rooms:participants:list identity --room-sid="$room" | sort | tr '\n' ' ')" 'alice bob '
bob=$(video rooms:participants:fetch sid --room-sid="$room" --sid=bob)
check tracks "$(video rooms:participants:published-tracks:list name --room-sid="$room" --participant-sid="$bob" | sort | tr '\n' ' ')" \
	'bob-camera bob-microphone '
check track "$(video rooms:participants:published-tracks:fetch name --room-sid="$room" --participant-sid="$bob" --sid="$source")" bob-microphone
echo participants

IFS=$'\t' read -r hook enabled updated < <(video composition-hooks:create sid,enabled,dateUpdated \
	--friendly-name='Audio of every room' --audio-sources='*' --format=webm)
check 'a new hook' "$enabled $updated" 'true null'
check hook "$(video composition-hooks:fetch friendlyName --sid="$hook")" 'Audio of every room'
check hooks "$(video composition-hooks:list sid --friendly-name='*every*' --enabled)" "$hook"
echo composition hook

check room "$(video rooms:update status --sid="$room" --status=completed)" completed
echo completed room

until by_hook=$(video compositions:list sid --room-sid="$room") && [ -n "$by_hook" ]; do :; done
film=$(video compositions:create sid --room-sid="$room" --video-layout="$layout" --audio-sources='*' \
	--audio-sources-excluded='bob-m*' --resolution=640x480 --format=mp4 --status-callback="$CALLBACK" --status-callback-method=GET)
audio_only=$(video compositions:create sid --room-sid="$room" --audio-sources='alice-*')
wait_for "$film"
wait_for "$audio_only"
wait_for "$by_hook"
check film "$(video compositions:fetch format,resolution,duration,trim --sid="$film")" $'mp4\t640x480\t3\ttrue'
check 'the newest first' "$(video compositions:list sid --room-sid="$room" --page-size=2)" "$audio_only"$'\n'"$film"$'\n'"$by_hook"
check 'completed today' "$(video compositions:list sid --room-sid="$room" --status=completed --date-created-after="$yesterday" | wc -l)" 3
check 'made yesterday' "$(video compositions:list sid --room-sid="$room" --date-created-before="$yesterday" | wc -l)" 0
echo compositions

download "/v1/Compositions/$film/Media?Ttl=60&ContentDisposition=inline" "$FILM"
echo media

check 'replaced hook' "$(video composition-hooks:update friendlyName,enabled,audioSources --sid="$hook" --friendly-name=Faces \
	--video-layout="$layout" --no-enabled)" $'Faces\tfalse\t[]'
twilio api:video:v1:composition-hooks:remove --sid="$hook" --silent
check 'no hooks' "$(video composition-hooks:list sid 2>/dev/null)" ''
echo replaced hook

twilio api:video:v1:compositions:remove --sid="$film" --silent
check 'deleted film' "$(video compositions:fetch status --sid="$film")" deleted
twilio api:video:v1:rooms:recordings:remove --room-sid="$room" --sid="$camera" --silent
check 'deleted recording' "$(video recordings:fetch status --sid="$camera")" deleted
check 'what is left' "$(video rooms:recordings:list sid --room-sid="$room" | wc -l)" 3
check 'what is gone' "$(video recordings:list sid --status=deleted)" "$camera"
echo deletions

key=$(credentials public-keys:create sid --public-key="$(cat "$PUBLIC_KEY")" --friendly-name=mine)
check key "$(credentials public-keys:update friendlyName --sid="$key" --friendly-name=ours)" ours
check key "$(credentials public-keys:fetch friendlyName --sid="$key")" ours
check keys "$(credentials public-keys:list sid)" "$key"
pair=$(credentials aws:create sid --credentials=AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI)
check pair "$(credentials aws:update friendlyName --sid="$pair" --friendly-name=bucket)" bucket
check pair "$(credentials aws:fetch friendlyName --sid="$pair")" bucket
check pairs "$(credentials aws:list sid)" "$pair"
echo credentials

check 'first settings' "$(video recording-settings:default:fetch encryptionEnabled)" false
check sealed "$(video composition-settings:default:update encryptionEnabled,awsStorageEnabled --friendly-name=sealed \
	--encryption-enabled --encryption-key-sid="$key")" $'true\tfalse'
check settings "$(video composition-settings:default:fetch encryptionKeySid)" "$key"
check plain "$(video recording-settings:default:update encryptionEnabled --friendly-name=plain)" false
refused 53610 video recording-settings:default:update sid --friendly-name=bucket --aws-storage-enabled \
	--aws-credentials-sid="$pair" --aws-s3-url=https://bucket.storage.invalid/recordings
echo settings
twilio api:accounts:v1:credentials:aws:remove --sid="$pair" --silent

refused 20404 video compositions:fetch sid --sid=CJ00000000000000000000000000000000
refused 20422 video compositions:create sid --room-sid="$room" --audio-sources='*' --resolution=1x1
TWILIO_API_SECRET=wrong refused 20003 video rooms:list sid
echo errors
