INSERT INTO account (sid, name, token, token_hash, created) VALUES ('AC1', 'test', 'sealed', 'hash', 1);

INSERT INTO room (sid, account_sid, unique_name, status, type, created, updated, ended, options, rules, rules_updated,
    callback_url, callback_method, hooks_asked)
    VALUES ('RM1', 'AC1', 'r', 'completed', 'group', 1, 1, 1, '{}', '[]', 1, 'https://example.com/status', 'POST', TRUE);

INSERT INTO participant (sid, account_sid, room_sid, identity, created, updated) VALUES ('PA1', 'AC1', 'RM1', 'alice', 1, 1);

INSERT INTO track (sid, account_sid, room_sid, participant_sid, name, kind, created, updated) VALUES ('MT1', 'AC1', 'RM1', 'PA1', 'camera', 'video', 1, 1);

INSERT INTO recording (sid, account_sid, room_sid, participant_sid, identity, track_sid, track_name, kind, status, codec, container,
    size, duration, start_offset, created, completed, deleted, media, work_ends, index_key, destination, failure, upload_digest)
    VALUES ('RT1', 'AC1', 'RM1', 'PA1', 'alice', 'MT1', 'camera', 'video', 'completed', 'vp8', 'mkv', 7, 1000000000, 0, 1, 1, 0,
    '{"Key":"","Size":16,"External":"https://bucket/RT1?\"WorkKey\":","Envelope":null,"WorkKey":"AC1/RT1.mkv","WorkEnds":"2030-01-01T00:00:00Z"}',
    1893456000000000, 'AC1/RT1.index', '{}', '{}', 'digest');

INSERT INTO composition (sid, account_sid, room_sid, hook_sid, status, video_layout, audio_sources, audio_sources_excluded, resolution,
    format, trim, callback_url, callback_method, created, started, completed, deleted, progress, bitrate, size, duration, media,
    destination, failure, report, attempt)
    VALUES ('CJ1', 'AC1', 'RM1', '', 'processing', '{}', '["*"]', '[]', '640x480', 'mp4', TRUE, 'https://example.com/status', 'POST',
    1, 2, 0, 0, 12, 0, 0, 0, '{"Key":"","WorkKey":"","WorkEnds":"0001-01-01T00:00:00Z"}', '{}', '{}', '', 1),
    ('CJ2', 'AC1', 'RM1', '', 'processing', '{}', '["*"]', '[]', '640x480', 'mp4', TRUE, '', 'POST',
    1, 2, 0, 0, 99, 0, 0, 0, '{}', '{"CredentialSID":"CR1","S3URL":"https://bucket"}', '{}', '', 1),
    ('CJ3', 'AC1', 'RM1', '', 'completed', '{}', '["*"]', '[]', '640x480', 'mp4', TRUE, '', 'POST',
    1, 2, 3, 0, 100, 841, 7, 1000000000, '{"Key":"AC1/CJ3.mp4","Size":7,"WorkKey":""}', '{}', '{}', '{}', 1);

INSERT INTO composition_work (composition_sid, plan, film) VALUES ('CJ1', '{"Options":{}}', ''),
    ('CJ2', '{"Options":{}}', '{"Size":7,"Duration":1000000000,"Bitrate":841,"Media":{"Key":"","WorkKey":"AC1/CJ2/film-X"},"Report":"{}"}');

INSERT INTO stretch (composition_sid, number, status, attempt, facts) VALUES ('CJ1', -1, 'done', 1, '{"Peak":0.5}'),
    ('CJ1', 0, 'enqueued', 2, ''), ('CJ1', 1, 'waiting', 0, '');

INSERT INTO chunk (composition_sid, number, stretch, first, past, status, work_key, size)
    VALUES ('CJ1', -1, -1, 0, 0, 'done', 'AC1/CJ1/sound-1', 3), ('CJ1', 0, 0, 0, 500, 'done', 'AC1/CJ1/chunk-00000-1', 3),
    ('CJ1', 1, 0, 500, 1000, 'waiting', '', 0), ('CJ1', 2, 1, 1000, 1200, 'waiting', '', 0);

INSERT INTO event_sequence (resource, next, holder, held_until) VALUES ('RM1', 1, 'old-node', 9000000000000000);

INSERT INTO event (id, account_sid, resource, sequence, type, created, url, method, params, status, attempts, since, due)
    VALUES ('E1', 'AC1', 'RM1', 0, 'room-created', 1, 'https://example.com/status', 'POST', '{}', 'pending', 3, 1, 0);

INSERT INTO delivery (id, event_id, account_sid, resource, sequence, type, url, method, attempt, started, duration, status, error)
    VALUES ('D1', 'E1', 'AC1', 'RM1', 0, 'room-created', 'https://example.com/status', 'POST', 3, 1, 1, 500, 'no');

INSERT INTO erasure (resource, place, blob_key, created) VALUES ('CJ1/unpublished', 'work', 'AC1/CJ1/chunk-00001-2', 5),
    ('CJ3', 'vault', 'AC1/CJ3.mp4', 5), ('CJ3', 'work', 'AC1/CJ3/chunk-00000-1', 5), ('RT9', 'vault', 'AC1/RT9.mkv', 5);

INSERT INTO node (id, host, role, version, started, beat) VALUES ('old-node', 'host', 'all', '', 1, 1);
