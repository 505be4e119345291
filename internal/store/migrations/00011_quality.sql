-- Programs that know version 3 go on working with these tables. A composition that one of them plans has the quality of its server.

-- +goose Up
ALTER TABLE composition ADD COLUMN quality TEXT NOT NULL DEFAULT ''; -- empty: the server's
ALTER TABLE hook ADD COLUMN quality TEXT NOT NULL DEFAULT '';

-- Which video encoder renders the film: all segments come from one kind. Empty for films without video and for older plans.
ALTER TABLE composition_plan ADD COLUMN encoder TEXT NOT NULL DEFAULT '';

-- Which video encoders a node has, separated by spaces; empty for nodes that render nothing and for older programs.
ALTER TABLE node ADD COLUMN encoders TEXT NOT NULL DEFAULT '';
