package store

import (
	"context"
	"time"

	"roomreel"
)

// TaskProgress is what a task costs, and what of it is done. Units are those of Chunk.Cost.
type TaskProgress struct {
	Kind       TaskKind
	Cost, Done int64
}

// maxWorkGap bounds what counts as work between two notes of progress: a node may have died, and its task waited for another.
const maxWorkGap = 5 * time.Second

// NoteProgress notes how much an attempt has done of its task, in units of Chunk.Cost, and how far the composition is with that.
// estimate says so, of all tasks and of the time for which they were worked on: in percent, and how long the rest takes.
//
// The percentage never goes back, and the callback hears of every tenth. The error is ErrLeaseLost if the attempt has no lease.
func (s *Store) NoteProgress(ctx context.Context, sid roomreel.CompositionSID, task, attempt int, done int64,
	estimate func(tasks []TaskProgress, worked time.Duration) (percent int, remaining time.Duration),
) error {
	_, err := s.change(ctx, sid, func(tx *Tx, c *roomreel.Composition) error {
		if c.Status != roomreel.CompositionProcessing {
			return ErrLeaseLost
		}
		n, err := tx.Exec(ctx, `UPDATE render_task SET done = $4 WHERE composition_sid = $1 AND number = $2 AND attempt = $3 AND status = 'enqueued'`,
			sid, task, attempt, done)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLeaseLost
		}
		now, since := s.now(), c.Noted
		if since.IsZero() {
			since = c.Started
		}
		var worked int64
		err = tx.QueryRow(ctx, `UPDATE composition_plan SET worked = worked + $2 WHERE composition_sid = $1 RETURNING worked`,
			sid, int64(min(max(now.Sub(since), 0), maxWorkGap))).Scan(&worked)
		if err != nil {
			return err
		}
		tasks, err := taskProgress(ctx, tx, sid)
		if err != nil {
			return err
		}
		before := c.Progress
		percent, remaining := estimate(tasks, time.Duration(worked))
		c.Progress = max(before, min(percent, 99)) // the rest is done when the film is where it belongs
		c.Remaining, c.Noted = remaining, now
		if _, err := tx.Exec(ctx, `UPDATE composition SET progress = $2, remaining = $3, noted = $4 WHERE sid = $1`,
			c.SID, c.Progress, int64(c.Remaining), micros(c.Noted)); err != nil {
			return err
		}
		if c.Progress/10 == before/10 {
			return nil
		}
		return s.emitComposition(ctx, tx, *c, roomreel.CompositionProgressEvent, nil)
	})
	return err
}

// taskProgress lists the tasks of a composition. Of a task that runs, what is published counts at least: its attempt may be new.
func taskProgress(ctx context.Context, tx *Tx, sid roomreel.CompositionSID) ([]TaskProgress, error) {
	return collect(ctx, tx, func(row scanner) (t TaskProgress, err error) {
		var running, published int64
		err = row.Scan(&t.Kind, &running, &t.Cost, &published)
		t.Done = min(max(running, published), t.Cost)
		return t, err
	}, `SELECT t.kind, CASE WHEN t.status = 'enqueued' THEN t.done ELSE 0 END, c.cost, c.published
		FROM render_task t JOIN (
			SELECT task, CAST(SUM(cost) AS BIGINT) AS cost, CAST(SUM(CASE WHEN status = 'done' THEN cost ELSE 0 END) AS BIGINT) AS published
			FROM chunk WHERE composition_sid = $1 GROUP BY task
		) c ON c.task = t.number
		WHERE t.composition_sid = $1 ORDER BY t.number`, sid)
}
