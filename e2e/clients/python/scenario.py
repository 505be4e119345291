"""Does the same as ../go/main.go with python3-twilio, and reads the same variables.

Only connect.py differs from an application for Twilio, and the upload (upload.py), which Twilio does itself.
"""
import json
import os
import time
from datetime import datetime, timedelta, timezone

import requests
from twilio.base.exceptions import TwilioRestException

from connect import connect
from upload import TRACKS, upload

MAX_POLLS = 1200  # how often a composition is fetched, every 100 ms
YESTERDAY = datetime.now(timezone.utc) - timedelta(days=1)
LAYOUT = {
    "alice": {"video_sources": ["alice-*"], "x_pos": 0, "width": 320, "max_columns": 1},
    "bob": {"video_sources": ["bob-*"], "x_pos": 320, "width": 320, "max_columns": 1},
}
client = connect()
video = client.video.v1


def open_room():
    room = video.rooms.create(
        unique_name="python", type="group", max_participants=4, video_codecs=["VP8", "H264"],
        record_participants_on_connect=True, status_callback=os.environ["CALLBACK"],
    )
    assert (room.status, room.unique_name, room.end_time) == ("in-progress", "python", None)
    assert video.rooms("python").fetch().sid == room.sid
    rooms = video.rooms.list(unique_name="python", status="in-progress")
    assert [r.date_created for r in rooms] == [room.date_created]
    print("room")
    return room.sid


def recording_rules(room):
    rules = video.rooms(room).recording_rules.update(rules=[{"type": "include", "all": True}])
    assert rules.rules[0]["all"] is True, rules.rules
    assert len(video.rooms(room).recording_rules.fetch().rules) == 1
    print("recording rules")


def recordings(room):
    sids = [upload(room, track) for track in TRACKS]
    everything = video.recordings.list(grouping_sid=[room], page_size=3)
    assert [r.sid for r in everything] == sids[::-1], "two pages, the newest first"
    audio_only = video.rooms(room).recordings.list(source_sid=everything[0].source_sid)
    assert [(r.track_name, r.codec) for r in audio_only] == [("bob-microphone", "opus")], audio_only
    one = video.rooms(room).recordings(sids[0]).fetch()
    assert (one.status, one.type, one.codec) == ("completed", "video", "vp8")
    with open(os.path.join(os.environ["ROOM_FILES"], TRACKS[0].file), "rb") as file:
        text = file.read()
    assert one.size == len(text) and download(one.links["media"]) == text
    print("recordings")
    return sids


def participants(room):
    assert len(video.rooms(room).participants.list()) == 2
    bob = video.rooms(room).participants("bob").fetch()
    assert (bob.identity, bob.room_sid) == ("bob", room)
    published = bob.published_tracks.list()
    assert len(published) == 2
    track = video.rooms(room).participants(bob.sid).published_tracks(published[0].sid).fetch()
    assert (track.name, track.participant_sid) == (published[0].name, bob.sid)

    assert bob.subscribed_tracks.list() == []
    bob.subscribe_rules.update(rules=[{"type": "exclude", "publisher": "alice", "kind": "video"}])
    assert bob.subscribe_rules.fetch().rules[0]["publisher"] == "alice"
    left = bob.update(status="disconnected")
    assert left.status == "disconnected" and left.end_time
    print("participants")


def anonymize(room):
    """The name of a participant is taken out of a room. The library has no method for it."""
    bob = video.rooms(room).participants("bob").fetch()
    answer = client.request("POST", f"{os.environ['ROOMREEL_URL']}/v1/Rooms/{room}/Participants/{bob.sid}/Anonymize")
    assert answer.status_code == 200 and json.loads(answer.text)["identity"] == bob.sid, answer.text
    refused(404, 20404, video.rooms(room).participants("bob").fetch)
    print("anonymized participant")


def composition_hook():
    hook = video.composition_hooks.create("Audio of every room", audio_sources=["*"], format="webm")
    assert (hook.enabled, hook.date_updated, hook.trim) == (True, None, True)
    assert video.composition_hooks(hook.sid).fetch().friendly_name == "Audio of every room"
    found = video.composition_hooks.list(friendly_name="*every*", enabled=True)
    assert [h.sid for h in found] == [hook.sid]
    print("composition hook")
    return hook.sid


def complete_room(room):
    completed = video.rooms(room).update(status="completed")
    assert completed.status == "completed" and completed.end_time and completed.duration is not None
    print("completed room")


def composed(room):
    """Waits for the composition that the hook makes of the room."""
    for _ in range(MAX_POLLS):
        made = video.compositions.list(room_sid=room)
        if len(made) == 1:
            return made[0].sid
        time.sleep(0.1)
    raise AssertionError("the hook makes nothing")


def compositions(room, by_hook):
    film = video.compositions.create(
        room_sid=room, video_layout=LAYOUT, audio_sources=["*"], audio_sources_excluded=["bob-m*"], resolution="640x480",
        format="mp4", status_callback=os.environ["CALLBACK"], status_callback_method="GET",
    )
    assert (film.status, film.trim, film.date_completed) == ("enqueued", True, None)
    assert film.video_layout["bob"]["x_pos"] == 320
    audio_only = video.compositions.create(room_sid=room, audio_sources=["alice-*"], trim=False)
    assert (audio_only.format, audio_only.trim) == ("webm", False)

    made = wait(film.sid)
    assert made.duration == 3 and made.size > 0 and made.bitrate > 0 and made.date_completed
    wait(audio_only.sid)
    assert wait(by_hook).audio_sources == ["*"]
    everything = video.compositions.list(room_sid=room, page_size=2)
    assert [c.sid for c in everything] == [audio_only.sid, film.sid, by_hook], "the newest first"
    first = video.compositions.page(room_sid=room, page_size=2)
    second = first.next_page()
    assert (len(list(first)), len(list(second)), second.next_page_url) == (2, 1, None)
    assert len(video.compositions.list(room_sid=room, status="completed", date_created_after=YESTERDAY)) == 3
    assert video.compositions.list(room_sid=room, date_created_before=YESTERDAY) == []
    print("compositions")
    return film.sid


def wait(sid):
    for _ in range(MAX_POLLS):
        composition = video.compositions(sid).fetch()
        if composition.status == "completed":
            return composition
        assert composition.status in ("enqueued", "processing"), f"{sid} is {composition.status}"
        time.sleep(0.1)
    raise AssertionError(f"{sid} takes too long")


def media(film):
    links = video.compositions(film).fetch().links
    text = download(links["media"] + "?Ttl=60&ContentDisposition=inline")
    assert text[4:8] == b"ftyp"
    with open(os.environ["FILM"], "wb") as file:
        file.write(text)
    print("media")


def download(uri):
    """Asks a Media resource where the media is, and fetches it from there without signing in."""
    answer = client.request("GET", uri)
    assert answer.status_code == 302
    file = requests.get(json.loads(answer.text)["redirect_to"], timeout=60)
    file.raise_for_status()
    return file.content


def replace_hook(hook):
    replaced = video.composition_hooks(hook).update("Faces", video_layout=LAYOUT, enabled=False)
    assert (replaced.enabled, replaced.audio_sources) == (False, []) and replaced.date_updated
    assert video.composition_hooks(hook).delete()
    assert video.composition_hooks.list() == []
    print("replaced hook")


def deletions(room, film, recording):
    assert video.compositions(film).delete()
    deleted = video.compositions(film).fetch()
    assert deleted.status == "deleted" and deleted.date_deleted
    assert video.rooms(room).recordings(recording).delete()
    assert video.recordings(recording).fetch().status == "deleted"
    assert len(video.rooms(room).recordings.list()) == 3
    assert len(video.recordings.list(status="deleted")) == 1
    print("deletions")


def credentials_and_settings():
    credentials = client.accounts.v1.credentials
    with open(os.environ["PUBLIC_KEY"]) as file:
        key = credentials.public_key.create(file.read(), friendly_name="mine")
    credentials.public_key(key.sid).update(friendly_name="ours")
    assert credentials.public_key(key.sid).fetch().friendly_name == "ours"
    assert len(credentials.public_key.list()) == 1
    pair = credentials.aws.create("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI")
    credentials.aws(pair.sid).update(friendly_name="bucket")
    assert credentials.aws(pair.sid).fetch().friendly_name == "bucket"
    assert len(credentials.aws.list()) == 1
    print("credentials")

    assert video.recording_settings().fetch().encryption_enabled is False
    sealed = video.composition_settings().create("sealed", encryption_enabled=True, encryption_key_sid=key.sid)
    assert (sealed.encryption_enabled, sealed.aws_storage_enabled) == (True, False)
    assert video.composition_settings().fetch().encryption_key_sid == key.sid
    assert video.recording_settings().create("plain").encryption_enabled is False
    refused(400, 53610, lambda: video.recording_settings().create(
        "bucket", aws_storage_enabled=True, aws_credentials_sid=pair.sid, aws_s3_url="https://bucket.storage.invalid/recordings"))
    print("settings")
    assert credentials.aws(pair.sid).delete()


def errors(room):
    refused(404, 20404, video.compositions("CJ00000000000000000000000000000000").fetch)
    refused(400, 20422, lambda: video.compositions.create(room_sid=room, audio_sources=["*"], resolution="1x1"))
    refused(401, 20003, connect(secret="wrong").video.v1.rooms(room).fetch)
    print("errors")


def many_writes():
    """More rooms in a row than the rate limit allows at once. They wait, and none is refused."""
    for _ in range(200):
        video.rooms.create()
    print("many writes")


def refused(status, code, call):
    try:
        call()
    except TwilioRestException as error:
        assert (error.status, error.code) == (status, code) and error.msg, error
    else:
        raise AssertionError(f"not refused with {status} and {code}")


room_sid = open_room()
recording_rules(room_sid)
recording_sids = recordings(room_sid)
participants(room_sid)
hook_sid = composition_hook()
complete_room(room_sid)
film_sid = compositions(room_sid, composed(room_sid))
media(film_sid)
replace_hook(hook_sid)
deletions(room_sid, film_sid, recording_sids[0])
credentials_and_settings()
errors(room_sid)
anonymize(room_sid)
many_writes()
