-- Programs that know version 3 go on working with these tables.

-- +goose Up

-- What a planned composition is expected to cost on the machine on which the costs were measured; 0 for those of earlier versions.
ALTER TABLE composition_plan ADD COLUMN core_time BIGINT NOT NULL DEFAULT 0; -- nanoseconds of processor time
ALTER TABLE composition_plan ADD COLUMN wall_time BIGINT NOT NULL DEFAULT 0; -- nanoseconds, with the work that was ahead of it
ALTER TABLE composition_plan ADD COLUMN film_size BIGINT NOT NULL DEFAULT 0; -- bytes

-- What finished compositions of a kind took, divided by what was expected: the means of the logarithms. The latest weigh most.
CREATE TABLE cost_ratio (
    kind     TEXT PRIMARY KEY, -- such as "mp4 standard"
    finished BIGINT NOT NULL,  -- compositions
    core     DOUBLE PRECISION NOT NULL,
    wall     DOUBLE PRECISION NOT NULL,
    size     DOUBLE PRECISION NOT NULL
);

ALTER TABLE node ADD COLUMN workers BIGINT NOT NULL DEFAULT 0; -- render jobs that it runs at once; 0 for nodes of earlier versions
