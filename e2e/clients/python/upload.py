"""Adds recorded tracks to a room. Twilio records rooms itself."""
import os
from collections import namedtuple

import requests

Track = namedtuple("Track", "file identity name offset")

TRACKS = [
    Track("alice-camera.mkv", "alice", "alice-camera", 0),
    Track("alice-microphone.mka", "alice", "alice-microphone", 0),
    Track("bob-camera.mkv", "bob", "bob-camera", 1000),
    Track("bob-microphone.mka", "bob", "bob-microphone", 1000),
]


def upload(room, track):
    """Uploads a track and returns the recording's SID."""
    with open(os.path.join(os.environ["ROOM_FILES"], track.file), "rb") as file:
        answer = requests.post(
            f"{os.environ['ROOMREEL_URL']}/roomreel/v1/Rooms/{room}/Recordings",
            auth=(os.environ["TWILIO_API_KEY"], os.environ["TWILIO_API_SECRET"]),
            data={"ParticipantIdentity": track.identity, "TrackName": track.name, "OffsetMillis": track.offset},
            files={"Media": file},
            timeout=60,
        )
    answer.raise_for_status()
    return answer.json()["sid"]
