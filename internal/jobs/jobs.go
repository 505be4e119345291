// Package jobs does the service's background work, on River: it is the only package that knows the queue.
//
// Our tables are the truth, and a job carries only the name of a row. It is inserted in the transaction of the row it
// serves, and may run twice, so every worker first looks whether there is still something to do. What River leaves to us
// is here: jobs of processes that died are made available again by heartbeat (River goes by age alone), and work on
// something that was deleted is stopped by looking at its row.
//
// Start with [Runner], then composition.go: the life of a composition.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"roomreel/internal/store"
)

// The queues. Rendering has its own, so that callbacks and deliveries never wait behind films.
const (
	renderQueue   = "render"
	generalQueue  = river.QueueDefault
	callbackQueue = "callback"
)

// client is the part of River that the rest of this package uses, whichever database is under it.
type client interface {
	insert(ctx context.Context, tx *store.Tx, params []river.InsertManyParams) error
	migrate(ctx context.Context) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// revive makes the running jobs of nodes that are not alive available again, as if they had not begun, and returns
	// how many there were. A thousand at a time: what is left is for the next call.
	revive(ctx context.Context, alive func(node string) bool) (int, error)
	// waiting reports whether a job waits in a queue.
	waiting(ctx context.Context, queue string) (bool, error)
}

// riverClient is a client over one of River's drivers.
type riverClient[TTx any] struct {
	*river.Client[TTx]
	driver riverdriver.Driver[TTx]
	tx     func(*store.Tx) TTx
	log    *slog.Logger
}

func newClient(s *store.Store, config *river.Config, log *slog.Logger) (client, error) {
	if pool := s.PostgreSQL(); pool != nil {
		return open(riverpgxv5.New(pool), func(tx *store.Tx) pgx.Tx { return tx.PGX() }, config, log)
	}
	return open(riversqlite.New(s.SQLite()), func(tx *store.Tx) *sql.Tx { return tx.SQL() }, config, log)
}

func open[TTx any](driver riverdriver.Driver[TTx], tx func(*store.Tx) TTx, config *river.Config, log *slog.Logger) (client, error) {
	c, err := river.NewClient(driver, config)
	if err != nil {
		return nil, err
	}
	return &riverClient[TTx]{Client: c, driver: driver, tx: tx, log: log}, nil
}

func (c *riverClient[TTx]) insert(ctx context.Context, tx *store.Tx, params []river.InsertManyParams) error {
	_, err := c.InsertManyTx(ctx, c.tx(tx), params)
	return err
}

func (c *riverClient[TTx]) migrate(ctx context.Context) error {
	migrator, err := rivermigrate.New(c.driver, &rivermigrate.Config{Logger: c.log})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (c *riverClient[TTx]) start(ctx context.Context) error { return c.Start(ctx) }

// stop lets running jobs finish within the soft stop's time, then cancels them; River makes what was cancelled available
// again without counting the attempt.
func (c *riverClient[TTx]) stop(ctx context.Context) error { return c.Stop(ctx) }

func (c *riverClient[TTx]) revive(ctx context.Context, alive func(node string) bool) (int, error) {
	running, err := c.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(1000))
	if err != nil {
		return 0, err
	}
	revived := 0
	for _, job := range running.Jobs {
		if n := len(job.AttemptedBy); n > 0 && alive(job.AttemptedBy[n-1]) {
			continue
		}
		_, err := c.driver.GetExecutor().JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{
			ID:              job.ID,
			StateDoUpdate:   true,
			State:           rivertype.JobStateAvailable,
			AttemptDoUpdate: true,
			Attempt:         max(0, job.Attempt-1),
		})
		if err != nil && !errors.Is(err, rivertype.ErrNotFound) {
			return revived, fmt.Errorf("revive job %d: %w", job.ID, err)
		}
		revived++
	}
	return revived, nil
}

func (c *riverClient[TTx]) waiting(ctx context.Context, queue string) (bool, error) {
	params := river.NewJobListParams().States(rivertype.JobStateAvailable).Queues(queue).First(1)
	found, err := c.JobList(ctx, params)
	return err == nil && len(found.Jobs) > 0, err
}

// othersWait reports whether something else could be rendered if this job made room.
func (r *Runner) othersWait(ctx context.Context) bool {
	waiting, err := r.client.waiting(ctx, renderQueue)
	return err == nil && waiting
}

// args is what every job carries: its kind, and the row it serves.
type args struct {
	kind   string
	last   bool   // no further attempt follows
	SID    string `json:"sid"`
	Number int    `json:"number,omitempty"`
}

func (a args) Kind() string { return a.kind }

// compositionAttempts is how often a part of a composition is tried before the composition has failed. With the pauses of
// retryPolicy that takes about six minutes, so that a database or bucket may be away for as long.
const compositionAttempts = 10

// queueOf says which queue a kind of job waits in, and how often it is tried before it is given up.
func (r *Runner) queueOf(kind string) (queue string, attempts int) {
	switch kind {
	case store.JobRender, store.JobAudio, store.JobAssemble:
		return renderQueue, r.attempts
	case store.JobCompose:
		return generalQueue, r.attempts
	case store.JobCallback:
		return callbackQueue, 1 << 14 // its own rules say when to stop
	}
	return generalQueue, 1 << 14
}

// Enqueue inserts jobs in the transaction of the rows they serve. It is what the store calls.
func (r *Runner) Enqueue(ctx context.Context, tx *store.Tx, jobs ...store.Job) error {
	params := make([]river.InsertManyParams, len(jobs))
	for i, job := range jobs {
		queue, attempts := r.queueOf(job.Kind)
		params[i] = river.InsertManyParams{
			Args: args{kind: job.Kind, SID: job.SID, Number: job.Number},
			InsertOpts: &river.InsertOpts{
				Queue: queue, MaxAttempts: attempts, ScheduledAt: job.At, Priority: max(1, job.Priority),
			},
		}
	}
	if err := r.client.insert(ctx, tx, params); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}
