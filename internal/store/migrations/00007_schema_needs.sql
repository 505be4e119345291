-- Programs that know version 3 go on working with these tables.

-- +goose Up

-- The oldest version of the tables that a program must know, at least, to work with them as they are now. A migration that older
-- programs cannot work with sets it to its own number (migrate.go).
CREATE TABLE schema_needs (version BIGINT NOT NULL);
INSERT INTO schema_needs (version) VALUES (3);

-- The time of the first sign-in with the account's token; 0 if there was none. It is not known of older accounts.
ALTER TABLE account ADD COLUMN signed_in BIGINT NOT NULL DEFAULT 0;
UPDATE account SET signed_in = created;
