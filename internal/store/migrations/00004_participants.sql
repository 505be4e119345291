-- A participant may be disconnected before the room ends, and has rules for what it subscribes to.

-- +goose Up
ALTER TABLE participant ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;                   -- 0 while connected, and of participants of rooms that ended before there was this column
ALTER TABLE participant ADD COLUMN subscribe_rules TEXT NOT NULL DEFAULT 'null';      -- JSON; null when none were set
ALTER TABLE participant ADD COLUMN subscribe_rules_updated BIGINT NOT NULL DEFAULT 0;
