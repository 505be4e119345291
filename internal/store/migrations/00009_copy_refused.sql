-- Programs that know version 3 go on working with these tables.

-- +goose Up

-- Why the composition is planned without copying packets of recordings; empty when they may be copied.
ALTER TABLE composition ADD COLUMN copy_refused TEXT NOT NULL DEFAULT '';
