package store

import (
	"context"
	"math"
	"time"

	"roomreel"
)

// Cost is what a composition costs: what is expected of it, or what it took.
type Cost struct {
	Core time.Duration // of processor time, all cores together
	Wall time.Duration
	Size int64 // bytes of the film
}

// CostRatio is what finished compositions of a kind took, divided by what was expected of them.
type CostRatio struct {
	Finished         int // compositions
	Core, Wall, Size float64
}

// remembered is of about how many compositions a ratio is the mean. A machine that got faster is noticed after some of them.
const remembered = 20

// NoteCost adds a finished composition to the ratios of its kind. What is not known, on either side, counts as expected. One composition
// counts for a factor of 8 at most: its machine may have been suspended.
func (s *Store) NoteCost(ctx context.Context, kind string, expected, took Cost) error {
	core, wall := logRatio(took.Core, expected.Core), logRatio(took.Wall, expected.Wall)
	size := logRatio(took.Size, expected.Size)
	if expected.Core <= 0 || took.Core <= 0 {
		return nil
	}
	return s.InTx(ctx, func(tx *Tx) error {
		// The row is locked by the first statement, so that two nodes do not count from the same value.
		if _, err := tx.Exec(ctx, `INSERT INTO cost_ratio (kind, finished, core, wall, size) VALUES ($1, 0, 0, 0, 0)
			ON CONFLICT (kind) DO UPDATE SET kind = excluded.kind`, kind); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE cost_ratio SET finished = finished + 1,
			core = core + ($2 - core) / CASE WHEN finished < $5 THEN finished + 1 ELSE $5 END,
			wall = wall + ($3 - wall) / CASE WHEN finished < $5 THEN finished + 1 ELSE $5 END,
			size = size + ($4 - size) / CASE WHEN finished < $5 THEN finished + 1 ELSE $5 END
			WHERE kind = $1`, kind, core, wall, size, remembered)
		return err
	})
}

// logRatio returns the logarithm of a ratio; 0 when one side is not known.
func logRatio[T time.Duration | int64](took, expected T) float64 {
	if took <= 0 || expected <= 0 {
		return 0
	}
	return min(max(math.Log(float64(took)/float64(expected)), -math.Log(8)), math.Log(8))
}

// CostRatios returns the ratios of every kind of which a composition was finished.
func (s *Store) CostRatios(ctx context.Context) (map[string]CostRatio, error) {
	type row struct {
		kind string
		CostRatio
	}
	rows, err := collect(ctx, s.read(), func(from scanner) (r row, err error) {
		err = from.Scan(&r.kind, &r.Finished, &r.Core, &r.Wall, &r.Size)
		r.Core, r.Wall, r.Size = math.Exp(r.Core), math.Exp(r.Wall), math.Exp(r.Size)
		return r, err
	}, `SELECT kind, finished, core, wall, size FROM cost_ratio`)
	ratios := map[string]CostRatio{}
	for _, r := range rows {
		ratios[r.kind] = r.CostRatio
	}
	return ratios, err
}

// ExpectedCost returns what was expected of a composition in progress when it was planned; ErrLeaseLost when it is not in progress.
func (s *Store) ExpectedCost(ctx context.Context, sid roomreel.CompositionSID) (c Cost, err error) {
	err = s.read().QueryRow(ctx, `SELECT core_time, wall_time, film_size FROM composition_plan WHERE composition_sid = $1`, sid).
		Scan(&c.Core, &c.Wall, &c.Size)
	if isNoRow(err) {
		err = ErrLeaseLost
	}
	return c, err
}

// Load is the work in progress, and who does it.
type Load struct {
	Compositions int                      // that are planned and not rendered yet
	Core         map[string]time.Duration // of processor time that they still need as expected, by format
	Workers      int                      // render workers of the nodes that have written a heartbeat in the last minute
}

// liveFor is how long after its last heartbeat a node counts.
const liveFor = time.Minute

// Load returns the work in progress. What is published of a composition counts as done.
func (s *Store) Load(ctx context.Context) (load Load, err error) {
	type row struct {
		format string
		core   time.Duration
	}
	rows, err := collect(ctx, s.read(), func(from scanner) (r row, err error) {
		var waiting, all int64
		if err = from.Scan(&r.format, &r.core, &waiting, &all); all > 0 {
			r.core = time.Duration(float64(r.core) * float64(waiting) / float64(all))
		}
		return r, err
	}, `SELECT composition.format, composition_plan.core_time,
		CAST(COALESCE(SUM(CASE WHEN chunk.status = 'done' THEN 0 ELSE chunk.cost END), 0) AS BIGINT), CAST(COALESCE(SUM(chunk.cost), 0) AS BIGINT)
		FROM composition_plan JOIN composition ON composition.sid = composition_plan.composition_sid
		JOIN chunk ON chunk.composition_sid = composition_plan.composition_sid
		WHERE composition_plan.rendered = 0
		GROUP BY composition_plan.composition_sid, composition.format, composition_plan.core_time`)
	if err != nil {
		return load, err
	}
	load.Compositions, load.Core = len(rows), map[string]time.Duration{}
	for _, r := range rows {
		load.Core[r.format] += r.core
	}
	err = s.read().QueryRow(ctx, `SELECT CAST(COALESCE(SUM(workers), 0) AS BIGINT) FROM node WHERE heartbeat > `+s.clockNow+` - $1`,
		liveFor.Microseconds()).Scan(&load.Workers)
	return load, err
}
