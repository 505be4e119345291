-- Tables and columns get the names that the program uses. What waits for deletion gets a state, so that an object is deleted
-- only when no row refers to it. All rows are kept.

-- +goose Up
ALTER TABLE stretch RENAME TO render_task; -- number -1 is the audio task
ALTER TABLE render_task RENAME COLUMN facts TO stats;

ALTER TABLE composition_work RENAME TO composition_plan;

ALTER TABLE chunk RENAME COLUMN stretch TO task;
ALTER TABLE chunk RENAME COLUMN first TO first_frame;
ALTER TABLE chunk RENAME COLUMN past TO end_frame; -- the frame after the last
ALTER TABLE chunk RENAME COLUMN work_key TO object_key;

ALTER TABLE event_sequence RENAME COLUMN holder TO lease_node;
ALTER TABLE event_sequence RENAME COLUMN held_until TO lease_expires; -- by the database's clock
DROP INDEX event_sequence_holder;
CREATE INDEX event_sequence_lease ON event_sequence (lease_node) WHERE lease_node <> '';

ALTER TABLE node RENAME COLUMN beat TO heartbeat; -- by the database's clock, as started is
DROP INDEX node_beat;

-- Columns of JSON text hold the working copy of media and its end under these names. The quotes of a name never stand
-- unescaped inside a value.
ALTER TABLE recording RENAME COLUMN work_ends TO copy_expires;
DROP INDEX recording_work_ends;
CREATE INDEX recording_copy_expires ON recording (copy_expires) WHERE copy_expires > 0;
UPDATE recording SET media = REPLACE(REPLACE(media, '"WorkKey":', '"CopyKey":'), '"WorkEnds":', '"CopyExpires":');
UPDATE composition SET media = REPLACE(REPLACE(media, '"WorkKey":', '"CopyKey":'), '"WorkEnds":', '"CopyExpires":');
UPDATE composition_plan SET film = REPLACE(REPLACE(film, '"WorkKey":', '"CopyKey":'), '"WorkEnds":', '"CopyExpires":');

-- An object that is about to be stored is reserved: nothing refers to it yet. One that nothing refers to any more is
-- pending. One that is being deleted can never become referred to.
CREATE TABLE pending_deletion (
    store      TEXT NOT NULL CHECK (store IN ('media', 'working')),
    object_key TEXT NOT NULL,
    resource   TEXT NOT NULL, -- SID of the recording or composition that it belongs to
    state      TEXT NOT NULL CHECK (state IN ('reserved', 'pending', 'deleting')),
    created    BIGINT NOT NULL,
    PRIMARY KEY (store, object_key)
);
CREATE INDEX pending_deletion_resource ON pending_deletion (resource);
CREATE INDEX pending_deletion_created ON pending_deletion (created);
INSERT INTO pending_deletion (store, object_key, resource, state, created)
    SELECT CASE place WHEN 'vault' THEN 'media' ELSE 'working' END, blob_key, REPLACE(resource, '/unpublished', ''),
        CASE WHEN resource LIKE '%/unpublished' THEN 'reserved'
            WHEN EXISTS (SELECT 1 FROM recording WHERE recording.sid = erasure.resource)
                OR EXISTS (SELECT 1 FROM composition WHERE composition.sid = erasure.resource) THEN 'pending'
            ELSE 'reserved' END, -- of an upload whose row is not there yet
        created
    FROM erasure;
DROP TABLE erasure;
