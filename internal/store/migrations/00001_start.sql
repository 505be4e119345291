-- One text for SQLite and PostgreSQL. Times are BIGINT microseconds since 1970 UTC, 0 for never; durations are BIGINT
-- nanoseconds; JSON and SIDs are TEXT. Every list has an index for each of its filters that ends in (created, sid).

-- +goose Up
CREATE TABLE account (
    sid        TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    token      BYTEA NOT NULL, -- encrypted under the keyring: it also signs callbacks
    token_hash BYTEA NOT NULL, -- SHA-256, for comparing
    created    BIGINT NOT NULL
);
CREATE INDEX account_created ON account (created, sid);

CREATE TABLE api_key (
    sid         TEXT PRIMARY KEY,
    account_sid TEXT NOT NULL REFERENCES account (sid),
    name        TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    created     BIGINT NOT NULL
);
CREATE INDEX api_key_created ON api_key (account_sid, created, sid);

CREATE TABLE room (
    sid             TEXT PRIMARY KEY,
    account_sid     TEXT NOT NULL REFERENCES account (sid),
    unique_name     TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('in-progress', 'completed', 'failed')),
    type            TEXT NOT NULL,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    ended           BIGINT NOT NULL,
    options         TEXT NOT NULL, -- JSON: what nobody filters by
    rules           TEXT NOT NULL, -- JSON
    rules_updated   BIGINT NOT NULL,
    callback_url    TEXT NOT NULL,
    callback_method TEXT NOT NULL,
    hooks_asked     BOOLEAN NOT NULL, -- the job that runs the hooks was enqueued
    CHECK ((status = 'in-progress') = (ended = 0))
);
CREATE UNIQUE INDEX room_name_in_progress ON room (account_sid, unique_name) WHERE status = 'in-progress';
CREATE INDEX room_created ON room (account_sid, created, sid);
CREATE INDEX room_status ON room (account_sid, status, created, sid);
CREATE INDEX room_name ON room (account_sid, unique_name, created, sid);
CREATE INDEX room_name_status ON room (account_sid, unique_name, status, created, sid);

CREATE TABLE participant (
    sid         TEXT PRIMARY KEY,
    account_sid TEXT NOT NULL REFERENCES account (sid),
    room_sid    TEXT NOT NULL REFERENCES room (sid),
    identity    TEXT NOT NULL,
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    UNIQUE (room_sid, identity)
);
CREATE INDEX participant_created ON participant (room_sid, created, sid);

CREATE TABLE track (
    sid             TEXT PRIMARY KEY,
    account_sid     TEXT NOT NULL REFERENCES account (sid),
    room_sid        TEXT NOT NULL REFERENCES room (sid),
    participant_sid TEXT NOT NULL REFERENCES participant (sid),
    name            TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('audio', 'video')),
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    UNIQUE (participant_sid, kind, name)
);
CREATE INDEX track_created ON track (participant_sid, created, sid);

CREATE TABLE recording (
    sid               TEXT PRIMARY KEY,
    account_sid       TEXT NOT NULL REFERENCES account (sid),
    room_sid          TEXT NOT NULL REFERENCES room (sid),
    participant_sid   TEXT NOT NULL REFERENCES participant (sid),
    identity          TEXT NOT NULL,
    track_sid         TEXT NOT NULL REFERENCES track (sid),
    track_name        TEXT NOT NULL,
    kind              TEXT NOT NULL CHECK (kind IN ('audio', 'video')),
    status            TEXT NOT NULL CHECK (status IN ('processing', 'completed', 'failed', 'deleted')),
    codec             TEXT NOT NULL,
    container         TEXT NOT NULL CHECK (container IN ('mka', 'mkv')),
    size              BIGINT NOT NULL,
    duration          BIGINT NOT NULL,
    start_offset      BIGINT NOT NULL,
    created           BIGINT NOT NULL,
    completed         BIGINT NOT NULL,
    deleted           BIGINT NOT NULL,
    media             TEXT NOT NULL,   -- JSON: where the bytes are, and under what seal
    work_ends         BIGINT NOT NULL, -- when the working copy is to go; 0 for no copy
    index_key         TEXT NOT NULL,
    destination       TEXT NOT NULL,   -- JSON: where the settings of its time send it
    failure           TEXT NOT NULL,   -- JSON
    upload_digest     TEXT NOT NULL    -- of the content and of what was said of it: the same upload is one recording
);
CREATE UNIQUE INDEX recording_upload ON recording (room_sid, upload_digest) WHERE status <> 'deleted';
CREATE INDEX recording_created ON recording (account_sid, created, sid) WHERE status <> 'deleted';
CREATE INDEX recording_status ON recording (account_sid, status, created, sid);
CREATE INDEX recording_kind ON recording (account_sid, kind, created, sid) WHERE status <> 'deleted';
CREATE INDEX recording_kind_status ON recording (account_sid, kind, status, created, sid);
CREATE INDEX recording_track ON recording (track_sid, created, sid);
CREATE INDEX recording_participant ON recording (participant_sid, created, sid);
CREATE INDEX recording_room ON recording (room_sid, created, sid);
CREATE INDEX recording_deleted ON recording (deleted) WHERE status = 'deleted';
CREATE INDEX recording_work_ends ON recording (work_ends) WHERE work_ends > 0;

CREATE TABLE composition (
    sid                    TEXT PRIMARY KEY,
    account_sid            TEXT NOT NULL REFERENCES account (sid),
    room_sid               TEXT NOT NULL REFERENCES room (sid),
    hook_sid               TEXT NOT NULL, -- hooks leave no tombstone, so this refers to nothing
    status                 TEXT NOT NULL CHECK (status IN ('enqueued', 'processing', 'completed', 'failed', 'deleted')),
    video_layout           TEXT NOT NULL,
    audio_sources          TEXT NOT NULL, -- JSON
    audio_sources_excluded TEXT NOT NULL, -- JSON
    resolution             TEXT NOT NULL,
    format                 TEXT NOT NULL CHECK (format IN ('mp4', 'webm')),
    trim                   BOOLEAN NOT NULL,
    callback_url           TEXT NOT NULL,
    callback_method        TEXT NOT NULL,
    created                BIGINT NOT NULL,
    started                BIGINT NOT NULL,
    completed              BIGINT NOT NULL,
    deleted                BIGINT NOT NULL,
    progress               BIGINT NOT NULL CHECK (progress BETWEEN 0 AND 100),
    bitrate                BIGINT NOT NULL,
    size                   BIGINT NOT NULL,
    duration               BIGINT NOT NULL,
    media                  TEXT NOT NULL, -- JSON
    destination            TEXT NOT NULL, -- JSON
    failure                TEXT NOT NULL, -- JSON
    report                 TEXT NOT NULL, -- JSON
    attempt                BIGINT NOT NULL,
    CHECK (status <> 'completed' OR completed > 0)
);
CREATE UNIQUE INDEX composition_hook ON composition (room_sid, hook_sid) WHERE hook_sid <> '';
CREATE INDEX composition_created ON composition (account_sid, created, sid) WHERE status <> 'deleted';
CREATE INDEX composition_status ON composition (account_sid, status, created, sid);
CREATE INDEX composition_room ON composition (room_sid, created, sid) WHERE status <> 'deleted';
CREATE INDEX composition_room_status ON composition (room_sid, status, created, sid);
CREATE INDEX composition_deleted ON composition (deleted) WHERE status = 'deleted';

-- The work of a composition in progress. All of it goes when the composition comes to its end.
CREATE TABLE composition_work (
    composition_sid TEXT PRIMARY KEY REFERENCES composition (sid),
    plan            TEXT NOT NULL, -- JSON
    film            TEXT NOT NULL  -- JSON: the assembled film; empty until there is one
);
CREATE TABLE stretch (
    composition_sid TEXT NOT NULL REFERENCES composition (sid),
    number          BIGINT NOT NULL, -- -1 for the sound
    status          TEXT NOT NULL CHECK (status IN ('waiting', 'enqueued', 'done')),
    attempt         BIGINT NOT NULL,
    facts           TEXT NOT NULL, -- JSON
    PRIMARY KEY (composition_sid, number)
);
CREATE TABLE chunk (
    composition_sid TEXT NOT NULL REFERENCES composition (sid),
    number          BIGINT NOT NULL, -- -1 for the sound
    stretch         BIGINT NOT NULL,
    first           BIGINT NOT NULL,
    past            BIGINT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('waiting', 'done')),
    work_key        TEXT NOT NULL,
    size            BIGINT NOT NULL,
    PRIMARY KEY (composition_sid, number),
    CHECK ((status = 'done') = (work_key <> ''))
);

CREATE TABLE hook (
    sid                    TEXT PRIMARY KEY,
    account_sid            TEXT NOT NULL REFERENCES account (sid),
    friendly_name          TEXT NOT NULL,
    friendly_lower         TEXT NOT NULL, -- for finding regardless of case, the same on both databases
    enabled                BOOLEAN NOT NULL,
    video_layout           TEXT NOT NULL,
    audio_sources          TEXT NOT NULL,
    audio_sources_excluded TEXT NOT NULL,
    resolution             TEXT NOT NULL,
    format                 TEXT NOT NULL CHECK (format IN ('mp4', 'webm')),
    trim                   BOOLEAN NOT NULL,
    callback_url           TEXT NOT NULL,
    callback_method        TEXT NOT NULL,
    created                BIGINT NOT NULL,
    updated                BIGINT NOT NULL,
    UNIQUE (account_sid, friendly_name)
);
CREATE INDEX hook_created ON hook (account_sid, created, sid);
CREATE INDEX hook_enabled ON hook (account_sid, enabled, created, sid);
CREATE INDEX hook_name ON hook (account_sid, friendly_lower, created, sid);

CREATE TABLE settings (
    account_sid         TEXT NOT NULL REFERENCES account (sid),
    kind                TEXT NOT NULL CHECK (kind IN ('recording', 'composition')),
    friendly_name       TEXT NOT NULL,
    aws_credentials_sid TEXT NOT NULL,
    aws_s3_url          TEXT NOT NULL,
    aws_storage_enabled BOOLEAN NOT NULL,
    encryption_key_sid  TEXT NOT NULL,
    encryption_enabled  BOOLEAN NOT NULL,
    PRIMARY KEY (account_sid, kind)
);

CREATE TABLE credential (
    sid           TEXT PRIMARY KEY,
    account_sid   TEXT NOT NULL REFERENCES account (sid),
    kind          TEXT NOT NULL CHECK (kind IN ('aws', 'public_key')),
    friendly_name TEXT NOT NULL,
    secret        BYTEA NOT NULL, -- encrypted under the keyring, bound to the SID
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL
);
CREATE INDEX credential_created ON credential (account_sid, kind, created, sid);

CREATE TABLE event_sequence (
    resource   TEXT PRIMARY KEY,
    next       BIGINT NOT NULL,
    holder     TEXT NOT NULL,  -- the node that delivers the resource's events just now
    held_until BIGINT NOT NULL -- and when others may, should it not be heard of again
);
CREATE INDEX event_sequence_holder ON event_sequence (holder) WHERE holder <> '';
CREATE TABLE event (
    id          TEXT PRIMARY KEY,
    account_sid TEXT NOT NULL REFERENCES account (sid),
    resource    TEXT NOT NULL,
    sequence    BIGINT NOT NULL,
    type        TEXT NOT NULL,
    created     BIGINT NOT NULL,
    url         TEXT NOT NULL,
    method      TEXT NOT NULL,
    params      TEXT NOT NULL, -- JSON
    status      TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts    BIGINT NOT NULL,
    since       BIGINT NOT NULL, -- when delivery was first, or again, asked for
    due         BIGINT NOT NULL, -- not to be tried again before
    UNIQUE (resource, sequence)
);
CREATE INDEX event_pending ON event (resource, sequence) WHERE status = 'pending';
CREATE INDEX event_created ON event (created);

CREATE TABLE delivery (
    id          TEXT PRIMARY KEY,
    event_id    TEXT NOT NULL REFERENCES event (id),
    account_sid TEXT NOT NULL REFERENCES account (sid),
    resource    TEXT NOT NULL,
    sequence    BIGINT NOT NULL,
    type        TEXT NOT NULL,
    url         TEXT NOT NULL,
    method      TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    duration    BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    error       TEXT NOT NULL
);
CREATE INDEX delivery_resource ON delivery (account_sid, resource, started, id);
CREATE INDEX delivery_event ON delivery (event_id);

CREATE TABLE erasure (
    resource TEXT NOT NULL,
    place    TEXT NOT NULL CHECK (place IN ('vault', 'work')),
    blob_key TEXT NOT NULL,
    created  BIGINT NOT NULL,
    PRIMARY KEY (place, blob_key)
);
CREATE INDEX erasure_resource ON erasure (resource);
CREATE INDEX erasure_created ON erasure (created);

CREATE TABLE node (
    id      TEXT PRIMARY KEY,
    host    TEXT NOT NULL,
    role    TEXT NOT NULL,
    version TEXT NOT NULL,
    started BIGINT NOT NULL,
    beat    BIGINT NOT NULL
);
CREATE INDEX node_beat ON node (beat);

CREATE TABLE audit_log (
    id          TEXT PRIMARY KEY,
    account_sid TEXT NOT NULL REFERENCES account (sid),
    actor       TEXT NOT NULL,
    verb        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    detail      TEXT NOT NULL, -- JSON
    created     BIGINT NOT NULL
);
CREATE INDEX audit_log_created ON audit_log (account_sid, created, id);
