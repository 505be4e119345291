-- A composition's plan is stored once, as an object in the working store, and its row says where. Rows of plans that were
-- not stored have no object; the service has those compositions planned again when it starts (store.RestartOldPlans).

-- +goose Up
ALTER TABLE composition_plan ADD COLUMN object_key TEXT NOT NULL DEFAULT '';
ALTER TABLE composition_plan ADD COLUMN size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE composition_plan ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE composition_plan ADD COLUMN checksum TEXT NOT NULL DEFAULT '';     -- SHA-256 of the plan's table
ALTER TABLE composition_plan ADD COLUMN video_header TEXT NOT NULL DEFAULT ''; -- checksum of the encoder's header; empty before the first chunk
ALTER TABLE composition_plan DROP COLUMN plan;

-- Audio is made by several tasks, and then encoded by one. Chunks of audio have numbers below 0.
ALTER TABLE render_task ADD COLUMN kind TEXT NOT NULL DEFAULT 'video' CHECK (kind IN ('video', 'audio', 'encode'));
ALTER TABLE chunk ADD COLUMN cost BIGINT NOT NULL DEFAULT 0;
