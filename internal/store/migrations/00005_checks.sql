-- Segments have checksums, and chunks whose segments are damaged are rendered again once.

-- +goose Up
ALTER TABLE chunk ADD COLUMN checksum TEXT NOT NULL DEFAULT '';            -- of the segment; empty for those of earlier versions
ALTER TABLE render_task ADD COLUMN again BIGINT NOT NULL DEFAULT 0;        -- 1 when chunks of it are rendered again
ALTER TABLE composition_plan ADD COLUMN rendered BIGINT NOT NULL DEFAULT 0; -- when the last task was done
