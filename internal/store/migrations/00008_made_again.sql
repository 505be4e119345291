-- Programs that know version 3 go on working with these tables.

-- +goose Up
ALTER TABLE chunk ADD COLUMN again BIGINT NOT NULL DEFAULT 0;                   -- 1 when it is rendered again
ALTER TABLE composition_plan ADD COLUMN joined_again BIGINT NOT NULL DEFAULT 0; -- 1 when the film is joined again
