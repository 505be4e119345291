-- How long a recording lasted in room time, as its recorder knows, in nanoseconds; 0 when that is not known.

-- +goose Up
ALTER TABLE recording ADD COLUMN known_duration BIGINT NOT NULL DEFAULT 0;
