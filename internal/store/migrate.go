package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.WithMigrationLock(ctx, func() error {
		if s.pool == nil {
			return migrateWith(ctx, goose.DialectSQLite3, s.lite, steps)
		}
		db := stdlib.OpenDBFromPool(s.pool)
		defer db.Close()
		return migrateWith(ctx, goose.DialectPostgres, db, steps)
	})
}

// WithMigrationLock runs do while no other process changes tables of this database, so that nodes which start together wait
// for each other.
func (s *Store) WithMigrationLock(ctx context.Context, do func() error) error {
	if s.pool == nil {
		unlock, err := lockFile(s.path + ".lock")
		if err != nil {
			return err
		}
		defer unlock()
		return do()
	}
	// The lock is the connection's own, and PostgreSQL drops it when the connection ends in any way.
	locked, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer locked.Release()
	const key = `hashtext('roomreel ' || current_schema())`
	if _, err := locked.Exec(ctx, `SELECT pg_advisory_lock(`+key+`)`); err != nil {
		return err
	}
	defer locked.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(`+key+`)`)
	return do()
}

func migrateWith(ctx context.Context, dialect goose.Dialect, db *sql.DB, steps fs.FS) error {
	// The provider's Close would close the database with it, and it holds nothing else.
	provider, err := goose.NewProvider(dialect, db, steps, goose.WithTableName("schema_version"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// lockFile waits until this process holds the lock on the file at path, and returns what gives it back.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}
