// Composes a room with a client that is generated from the server's own description. The test generates ./client beside a copy of
// this file, checks both with the compiler, and runs the result.
import { strict as assert } from 'assert';
import { openAsBlob } from 'fs';
import { client } from './client/client.gen';
import {
  createComposition, createRoom, deleteComposition, fetchComposition, fetchOpenApi, listCompositions, listRoomRecordings, updateRoom, uploadRecording,
} from './client';
import type { Composition } from './client';

const { ROOMREEL_URL, TWILIO_API_KEY, TWILIO_API_SECRET, RECORDING } = process.env as Record<string, string>;
client.setConfig({ baseUrl: ROOMREEL_URL, auth: () => `${TWILIO_API_KEY}:${TWILIO_API_SECRET}` });

async function main() {
  const { data: room } = await createRoom({ body: { UniqueName: 'generated', VideoCodecs: ['VP8', 'H264'], EmptyRoomTimeout: 60 }, throwOnError: true });
  assert.equal(room.status, 'in-progress');
  assert.deepEqual([room.unique_name, room.video_codecs, room.end_time], ['generated', ['VP8', 'H264'], null]);

  const { data: recording } = await uploadRecording({
    path: { Room: room.unique_name }, throwOnError: true,
    body: { ParticipantIdentity: 'alice', TrackName: 'microphone', OffsetMillis: 500, Media: await openAsBlob(RECORDING) },
  });
  assert.deepEqual([recording.type, recording.offset], ['audio', 500]);
  const { data: inRoom } = await listRoomRecordings({ path: { Room: room.sid }, query: { Status: 'completed' }, throwOnError: true });
  assert.deepEqual(inRoom.recordings.map((r) => r.sid), [recording.sid]);

  const made: string[] = [];
  for (const Format of ['mp4', 'webm', 'webm'] as const) {
    const { data: film } = await createComposition({ body: { RoomSid: room.sid, AudioSources: ['alice', 'micro*'], Format }, throwOnError: true });
    assert.deepEqual([film.status, film.format, film.audio_sources], ['enqueued', Format, ['alice', 'micro*']]);
    made.unshift(film.sid);
  }
  const listed: Composition[] = [];
  let PageToken: string | undefined;
  do {
    const { data: page } = await listCompositions({ query: { RoomSid: room.sid, PageSize: 2, PageToken }, throwOnError: true });
    listed.push(...page.compositions);
    PageToken = new URL(page.meta.next_page_url ?? ROOMREEL_URL).searchParams.get('PageToken') ?? undefined;
  } while (PageToken);
  assert.deepEqual(listed.map((c) => c.sid), made);

  await updateRoom({ path: { Room: room.sid }, body: { Status: 'completed' }, throwOnError: true });
  let { data: film } = await fetchComposition({ path: { Composition: made[0] }, throwOnError: true });
  for (let polls = 0; film.status === 'enqueued' || film.status === 'processing'; polls++) {
    assert.ok(polls < 1200, `the composition is ${film.status}`);
    await new Promise((done) => setTimeout(done, 100));
    ({ data: film } = await fetchComposition({ path: { Composition: made[0] }, throwOnError: true }));
  }
  assert.equal(film.status, 'completed');
  assert.ok(film.size > 0 && film.duration === 2, JSON.stringify(film));

  await deleteComposition({ path: { Composition: made[0] }, throwOnError: true });
  const gone = await fetchComposition({ path: { Composition: 'CJ' + '0'.repeat(32) } });
  assert.deepEqual([gone.response?.status, gone.error?.code], [404, 20404]);
  const description = await fetchOpenApi({ auth: undefined, throwOnError: true });
  assert.ok(description.data);
  console.log(listed.length, 'compositions');
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
