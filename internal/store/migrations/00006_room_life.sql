-- A participant may be disconnected before the room ends, and has rules for what it subscribes to.

-- +goose Up
ALTER TABLE participant ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;                   -- 0 while connected, and of participants of rooms that ended before there was this column
ALTER TABLE participant ADD COLUMN subscribe_rules TEXT NOT NULL DEFAULT 'null';      -- JSON; null when none were set
ALTER TABLE participant ADD COLUMN subscribe_rules_updated BIGINT NOT NULL DEFAULT 0;

-- A room ends by itself when nothing has arrived for its timeout. Rooms that are there already do so only after another recording
-- has arrived.
ALTER TABLE room ADD COLUMN ends BIGINT NOT NULL DEFAULT 0;               -- when, by the database's clock; 0 for not by itself
ALTER TABLE room ADD COLUMN timed_out BOOLEAN NOT NULL DEFAULT FALSE;     -- it ended by itself, and takes recordings that arrive later
CREATE INDEX room_ends ON room (ends) WHERE ends > 0;
