const { openAsBlob } = require('fs');
const path = require('path');

const { ROOMREEL_URL, TWILIO_API_KEY, TWILIO_API_SECRET, ROOM_FILES } = process.env;

const tracks = [
  { file: 'alice-camera.mkv', identity: 'alice', name: 'alice-camera', offset: 0 },
  { file: 'alice-microphone.mka', identity: 'alice', name: 'alice-microphone', offset: 0 },
  { file: 'bob-camera.mkv', identity: 'bob', name: 'bob-camera', offset: 1000 },
  { file: 'bob-microphone.mka', identity: 'bob', name: 'bob-microphone', offset: 1000 },
];

// Adds a recorded track to a room and returns the SID of the recording. Twilio records rooms itself.
async function upload(room, { file, identity, name, offset }) {
  const form = new FormData();
  form.set('ParticipantIdentity', identity);
  form.set('TrackName', name);
  form.set('OffsetMillis', String(offset));
  form.set('Media', await openAsBlob(path.join(ROOM_FILES, file)), file);
  const answer = await fetch(`${ROOMREEL_URL}/roomreel/v1/Rooms/${room}/Recordings`, {
    method: 'POST',
    headers: { Authorization: 'Basic ' + Buffer.from(`${TWILIO_API_KEY}:${TWILIO_API_SECRET}`).toString('base64') },
    body: form,
  });
  if (answer.status !== 201) throw new Error(`upload of ${file}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).sid;
}

module.exports = { tracks, upload };
