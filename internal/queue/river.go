package queue

import (
	"context"
	"database/sql"
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

// client is the part of River that this package uses, the same for both databases.
type client interface {
	insert(ctx context.Context, tx *store.Tx, params []river.InsertManyParams) error
	wake(ctx context.Context, tx *store.Tx, class string) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	waiting(ctx context.Context, queue string) (bool, error)
}

// riverClient is a client over one of River's drivers.
type riverClient[TTx any] struct {
	*river.Client[TTx]
	tx    func(*store.Tx) TTx
	waker waker
}

// newClient opens a client. bell wakes the workers of this process; it is for SQLite only.
func newClient(s *store.Store, bell bell, config *river.Config) (client, error) {
	if pool := s.PostgreSQL(); pool != nil {
		driver := riverpgxv5.New(pool)
		return openClient(driver, (*store.Tx).PGX, notify(driver), config)
	}
	return openClient(belled{riversqlite.New(s.SQLite()), bell}, (*store.Tx).SQL, bell.ring, config)
}

func openClient[TTx any](driver riverdriver.Driver[TTx], tx func(*store.Tx) TTx, waker waker, config *river.Config) (client, error) {
	c, err := river.NewClient(driver, config)
	if err != nil {
		return nil, err
	}
	return &riverClient[TTx]{Client: c, tx: tx, waker: waker}, nil
}

func (c *riverClient[TTx]) insert(ctx context.Context, tx *store.Tx, params []river.InsertManyParams) error {
	_, err := c.InsertManyTx(ctx, c.tx(tx), params)
	return err
}

func (c *riverClient[TTx]) wake(ctx context.Context, tx *store.Tx, class string) error {
	return c.waker(ctx, tx, class)
}

func (c *riverClient[TTx]) start(ctx context.Context) error { return c.Start(ctx) }

func (c *riverClient[TTx]) stop(ctx context.Context) error { return c.Stop(ctx) }

func (c *riverClient[TTx]) waiting(ctx context.Context, queue string) (bool, error) {
	found, err := c.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateAvailable).Queues(queue).First(1))
	return err == nil && len(found.Jobs) > 0, err
}

// Migrate brings the queue's tables up to date. Several nodes may call it at the same time. The error is store.ErrNewer if a newer
// program made them.
func Migrate(ctx context.Context, s *store.Store, log *slog.Logger) error {
	log = slog.New(&minLevel{Handler: log.Handler(), level: slog.LevelWarn})
	err := s.WithMigrationLock(ctx, func() error {
		if pool := s.PostgreSQL(); pool != nil {
			return migrate[pgx.Tx](ctx, s, riverpgxv5.New(pool), log)
		}
		return migrate[*sql.Tx](ctx, s, riversqlite.New(s.SQLite()), log)
	})
	if err != nil {
		return fmt.Errorf("bring the queue's tables up to date: %w", err)
	}
	return nil
}

// migrate refuses tables of a newer River: River does not say which of its versions work with them.
func migrate[TTx any](ctx context.Context, s *store.Store, driver riverdriver.Driver[TTx], log *slog.Logger) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: log})
	if err != nil {
		return err
	}
	if _, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	all := migrator.AllVersions()
	known, found := all[len(all)-1].Version, 0
	err = s.InTx(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT MAX(version) FROM river_migration WHERE line = $1`, riverdriver.MigrationLineMain).Scan(&found)
	})
	if err == nil && found > known {
		err = fmt.Errorf("%w: the queue's tables are of version %d, and this program knows versions up to %d", store.ErrNewer, found, known)
	}
	return err
}
