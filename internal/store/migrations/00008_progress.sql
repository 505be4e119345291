-- Programs that know version 3 go on working with these tables.

-- +goose Up

-- How far a composition is: how long the rest took to make when that was noted last, and when.
ALTER TABLE composition ADD COLUMN remaining BIGINT NOT NULL DEFAULT 0; -- nanoseconds
ALTER TABLE composition ADD COLUMN noted BIGINT NOT NULL DEFAULT 0;     -- 0 for never
ALTER TABLE composition_plan ADD COLUMN worked BIGINT NOT NULL DEFAULT 0; -- nanoseconds for which its tasks were worked on
ALTER TABLE render_task ADD COLUMN done BIGINT NOT NULL DEFAULT 0;        -- what its last attempt has done, in units of chunk.cost

-- What was damaged is made again once.
ALTER TABLE chunk ADD COLUMN again BIGINT NOT NULL DEFAULT 0;                   -- 1 when it is rendered again
ALTER TABLE composition_plan ADD COLUMN joined_again BIGINT NOT NULL DEFAULT 0; -- 1 when the film is joined again
