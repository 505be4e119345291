// Does the same as ../go/main.go with npm twilio, and reads the same variables. Only connect.js differs from an
// application for Twilio, and the upload (upload.js), which Twilio does itself.
const assert = require('assert/strict');
const { readFileSync, writeFileSync } = require('fs');
const path = require('path');
const { setTimeout: sleep } = require('timers/promises');
const { connect } = require('./connect');
const { tracks, upload } = require('./upload');

const { CALLBACK, FILM, PUBLIC_KEY, ROOM_FILES } = process.env;
const client = connect();
const { video, accounts } = client;

const maxPolls = 1200; // how often a composition is fetched, every 100 ms
const day = 24 * 3600 * 1000;
const layout = {
  alice: { video_sources: ['alice-*'], x_pos: 0, width: 320, max_columns: 1 },
  bob: { video_sources: ['bob-*'], x_pos: 320, width: 320, max_columns: 1 },
};

async function openRoom() {
  const room = await video.v1.rooms.create({
    uniqueName: 'node', type: 'group', maxParticipants: 4, videoCodecs: ['VP8', 'H264'], recordParticipantsOnConnect: true,
    statusCallback: CALLBACK,
  });
  assert.deepEqual([room.status, room.uniqueName, room.endTime], ['in-progress', 'node', null]);
  assert.equal((await video.v1.rooms('node').fetch()).sid, room.sid);
  const rooms = await video.v1.rooms.list({ uniqueName: 'node', status: 'in-progress' });
  assert.deepEqual(rooms.map((r) => r.dateCreated), [room.dateCreated]);
  console.log('room');
  return room.sid;
}

async function recordingRules(room) {
  const rules = await video.v1.rooms(room).recordingRules.update({ rules: [{ type: 'include', all: true }] });
  assert.equal(rules.rules[0].all, true);
  assert.equal((await video.v1.rooms(room).recordingRules.fetch()).rules.length, 1);
  console.log('recording rules');
}

async function recordings(room) {
  const sids = [];
  for (const track of tracks) sids.push(await upload(room, track));
  const all = await video.v1.recordings.list({ groupingSid: [room], pageSize: 3 });
  assert.deepEqual(all.map((r) => r.sid), [...sids].reverse(), 'two pages, the newest first');
  const audioOnly = await video.v1.rooms(room).recordings.list({ sourceSid: all[0].sourceSid });
  assert.deepEqual(audioOnly.map((r) => [r.trackName, r.codec]), [['bob-microphone', 'opus']]);
  const one = await video.v1.rooms(room).recordings(sids[0]).fetch();
  assert.deepEqual([one.status, one.type, one.codec], ['completed', 'video', 'vp8']);
  const file = readFileSync(path.join(ROOM_FILES, tracks[0].file));
  assert.equal(one.size, file.length);
  assert.ok(file.equals(await download(one.links.media)));
  console.log('recordings');
  return sids;
}

async function participants(room) {
  assert.equal((await video.v1.rooms(room).participants.list()).length, 2);
  const bob = await video.v1.rooms(room).participants('bob').fetch();
  assert.deepEqual([bob.identity, bob.roomSid], ['bob', room]);
  const published = await bob.publishedTracks().list();
  assert.equal(published.length, 2);
  const track = await bob.publishedTracks()(published[0].sid).fetch();
  assert.deepEqual([track.name, track.participantSid], [published[0].name, bob.sid]);

  assert.deepEqual(await bob.subscribedTracks().list(), []);
  const rules = await bob.subscribeRules().update({ rules: [{ type: 'exclude', publisher: 'alice', kind: 'video' }] });
  assert.equal(rules.rules[0].publisher, 'alice');
  assert.equal((await bob.subscribeRules().fetch()).rules.length, 1);
  const left = await bob.update({ status: 'disconnected' });
  assert.equal(left.status, 'disconnected');
  assert.ok(left.endTime);
  console.log('participants');
}

// The name of a participant is taken out of a room and its compositions.
async function anonymize(room) {
  const bob = await video.v1.rooms(room).participants('bob').fetch();
  const hidden = await video.v1.rooms(room).participants(bob.sid).anonymize().update();
  assert.equal(hidden.identity, bob.sid);
  await assert.rejects(video.v1.rooms(room).participants('bob').fetch(), { status: 404, code: 20404 });
  console.log('anonymized participant');
}

async function compositionHook() {
  const hook = await video.v1.compositionHooks.create({ friendlyName: 'Audio of every room', audioSources: ['*'], format: 'webm' });
  assert.deepEqual([hook.enabled, hook.dateUpdated, hook.trim], [true, null, true]);
  assert.equal((await video.v1.compositionHooks(hook.sid).fetch()).friendlyName, 'Audio of every room');
  const found = await video.v1.compositionHooks.list({ friendlyName: '*every*', enabled: true });
  assert.deepEqual(found.map((h) => h.sid), [hook.sid]);
  console.log('composition hook');
  return hook.sid;
}

async function completeRoom(room) {
  const completed = await video.v1.rooms(room).update({ status: 'completed' });
  assert.equal(completed.status, 'completed');
  assert.ok(completed.endTime && completed.duration !== null);
  console.log('completed room');
}

// Waits for the composition that the hook makes of the room.
async function composed(room) {
  for (let i = 0; i < maxPolls; i++) {
    const made = await video.v1.compositions.list({ roomSid: room });
    if (made.length === 1) return made[0].sid;
    await sleep(100);
  }
  assert.fail('the hook makes nothing');
}

async function compositions(room, byHook) {
  const film = await video.v1.compositions.create({
    roomSid: room, videoLayout: layout, audioSources: ['*'], audioSourcesExcluded: ['bob-m*'], resolution: '640x480',
    format: 'mp4', statusCallback: CALLBACK, statusCallbackMethod: 'GET',
  });
  assert.deepEqual([film.status, film.trim, film.dateCompleted, film.statusCallbackMethod], ['enqueued', true, null, 'GET']);
  assert.equal(film.videoLayout.bob.x_pos, 320);
  const audioOnly = await video.v1.compositions.create({ roomSid: room, audioSources: ['alice-*'], trim: false });
  assert.deepEqual([audioOnly.format, audioOnly.trim], ['webm', false]);

  const made = await wait(film.sid);
  assert.equal(made.duration, 3);
  assert.ok(made.size > 0 && made.bitrate > 0 && made.dateCompleted);
  await wait(audioOnly.sid);
  assert.deepEqual((await wait(byHook)).audioSources, ['*']);
  const all = await video.v1.compositions.list({ roomSid: room, pageSize: 2 });
  assert.deepEqual(all.map((c) => c.sid), [audioOnly.sid, film.sid, byHook], 'the newest first');
  const first = await video.v1.compositions.page({ roomSid: room, pageSize: 2 });
  const second = await first.nextPage();
  assert.deepEqual([first.instances.length, second.instances.length, second.nextPageUrl], [2, 1, undefined]);
  const today = { roomSid: room, status: 'completed', dateCreatedAfter: new Date(Date.now() - day) };
  assert.equal((await video.v1.compositions.list(today)).length, 3);
  const yesterday = { roomSid: room, dateCreatedBefore: new Date(Date.now() - day) };
  assert.equal((await video.v1.compositions.list(yesterday)).length, 0);
  console.log('compositions');
  return film.sid;
}

async function wait(sid) {
  for (let i = 0; i < maxPolls; i++) {
    const composition = await video.v1.compositions(sid).fetch();
    if (composition.status === 'completed') return composition;
    assert.ok(['enqueued', 'processing'].includes(composition.status), `${sid} is ${composition.status}`);
    await sleep(100);
  }
  assert.fail(`${sid} takes too long`);
}

async function media(film) {
  const { links } = await video.v1.compositions(film).fetch();
  const text = await download(links.media + '?Ttl=60&ContentDisposition=inline');
  assert.equal(text.toString('latin1', 4, 8), 'ftyp');
  writeFileSync(FILM, text);
  console.log('media');
}

// Asks a Media resource where the media is, and fetches it from there without signing in.
async function download(uri) {
  const answer = await client.request({ method: 'GET', uri });
  assert.equal(answer.statusCode, 302);
  const file = await fetch(answer.body.redirect_to);
  assert.equal(file.status, 200);
  return Buffer.from(await file.arrayBuffer());
}

async function replaceHook(hook) {
  const replaced = await video.v1.compositionHooks(hook).update({ friendlyName: 'Faces', videoLayout: layout, enabled: false });
  assert.deepEqual([replaced.enabled, replaced.audioSources], [false, []]);
  assert.ok(replaced.dateUpdated);
  assert.equal(await video.v1.compositionHooks(hook).remove(), true);
  assert.deepEqual(await video.v1.compositionHooks.list(), []);
  console.log('replaced hook');
}

async function deletions(room, film, recording) {
  assert.equal(await video.v1.compositions(film).remove(), true);
  const deleted = await video.v1.compositions(film).fetch();
  assert.equal(deleted.status, 'deleted');
  assert.ok(deleted.dateDeleted);
  assert.equal(await video.v1.rooms(room).recordings(recording).remove(), true);
  assert.equal((await video.v1.recordings(recording).fetch()).status, 'deleted');
  assert.equal((await video.v1.rooms(room).recordings.list()).length, 3);
  assert.equal((await video.v1.recordings.list({ status: 'deleted' })).length, 1);
  console.log('deletions');
}

async function credentialsAndSettings() {
  const { publicKey: publicKeys, aws: pairs } = accounts.v1.credentials;
  const key = await publicKeys.create({ publicKey: readFileSync(PUBLIC_KEY, 'utf8'), friendlyName: 'mine' });
  await publicKeys(key.sid).update({ friendlyName: 'ours' });
  assert.equal((await publicKeys(key.sid).fetch()).friendlyName, 'ours');
  assert.equal((await publicKeys.list()).length, 1);
  const pair = await pairs.create({ credentials: 'AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI' });
  await pairs(pair.sid).update({ friendlyName: 'bucket' });
  assert.equal((await pairs(pair.sid).fetch()).friendlyName, 'bucket');
  assert.equal((await pairs.list()).length, 1);
  console.log('credentials');

  assert.equal((await video.v1.recordingSettings().fetch()).encryptionEnabled, false);
  const sealed = await video.v1.compositionSettings().create({ friendlyName: 'sealed', encryptionEnabled: true, encryptionKeySid: key.sid });
  assert.deepEqual([sealed.encryptionEnabled, sealed.awsStorageEnabled], [true, false]);
  assert.equal((await video.v1.compositionSettings().fetch()).encryptionKeySid, key.sid);
  assert.equal((await video.v1.recordingSettings().create({ friendlyName: 'plain' })).encryptionEnabled, false);
  await assert.rejects(video.v1.recordingSettings().create({
    friendlyName: 'bucket', awsStorageEnabled: true, awsCredentialsSid: pair.sid, awsS3Url: 'https://bucket.storage.invalid/recordings',
  }), { status: 400, code: 53610 });
  console.log('settings');
  assert.equal(await pairs(pair.sid).remove(), true);
}

async function errors(room) {
  await assert.rejects(video.v1.compositions('CJ00000000000000000000000000000000').fetch(), { status: 404, code: 20404 });
  await assert.rejects(video.v1.compositions.create({ roomSid: room, audioSources: ['*'], resolution: '1x1' }), { status: 400, code: 20422 });
  const stranger = connect({ ...process.env, TWILIO_API_SECRET: 'wrong' });
  await assert.rejects(stranger.video.v1.rooms.list(), { status: 401, code: 20003 });
  console.log('errors');
}

// More rooms in a row than the rate limit allows at once. They wait, and none is refused.
async function manyWrites() {
  for (let i = 0; i < 200; i++) await video.v1.rooms.create({});
  console.log('many writes');
}

(async () => {
  const room = await openRoom();
  await recordingRules(room);
  const [recording] = await recordings(room);
  await participants(room);
  const hook = await compositionHook();
  await completeRoom(room);
  const film = await compositions(room, await composed(room));
  await media(film);
  await replaceHook(hook);
  await deletions(room, film, recording);
  await credentialsAndSettings();
  await errors(room);
  await anonymize(room);
  await manyWrites();
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
