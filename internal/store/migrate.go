package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNoDatabase is returned, wrapped, by Open for a database without tables that it must not create.
var ErrNoDatabase = errors.New("there is no database")

// ErrNewer is returned, wrapped, for a database whose tables a newer program made, and which this program is not known to be able
// to work with.
var ErrNewer = errors.New("the database is of a newer version of roomreel")

// Schema holds the version of a database's tables, and the newest that this program knows. A program may work with newer tables
// while nodes are updated one after the other: each migration says whether older programs can (schema_needs).
type Schema struct{ Database, Known int64 }

// Newer reports whether a newer program made the tables.
func (s Schema) Newer() bool { return s.Database > s.Known }

// Schema returns the version of the tables as Open found or made them.
func (s *Store) Schema() Schema { return s.schema }

// migrate brings the tables up to date, or, if existing is true, only checks that they are.
func (s *Store) migrate(ctx context.Context, existing bool) error {
	db := s.lite
	dialect := goose.DialectSQLite3
	if s.pool != nil {
		db = stdlib.OpenDBFromPool(s.pool)
		defer db.Close()
		dialect = goose.DialectPostgres
	}
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	// The provider's Close would close the database with it, and it holds nothing else.
	provider, err := goose.NewProvider(dialect, db, steps, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	s.schema.Known = sources[len(sources)-1].Version
	if existing {
		if err := s.checkSchema(ctx); err != nil {
			return err
		}
		switch {
		case s.schema.Database == 0:
			return ErrNoDatabase
		case s.schema.Database < s.schema.Known:
			return fmt.Errorf("%w: they are of version %d, and this program needs %d: start `roomreel serve` of this version once",
				ErrNotMigrated, s.schema.Database, s.schema.Known)
		}
		return nil
	}
	return s.WithMigrationLock(ctx, func() error {
		if err := s.checkSchema(ctx); err != nil || s.schema.Newer() {
			return err
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrNotMigrated, err)
		}
		s.schema.Database = s.schema.Known
		return nil
	})
}

// versionTable is where goose writes down which migrations were carried out.
const versionTable = "schema_version"

// checkSchema reads the version of the tables, 0 if there are none, and refuses those of a newer program that did not say that this
// one can work with them.
func (s *Store) checkSchema(ctx context.Context) error {
	if found, err := s.hasTable(ctx, versionTable); err != nil || !found {
		return err
	}
	err := s.read().QueryRow(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+versionTable).Scan(&s.schema.Database)
	if err != nil || !s.schema.Newer() {
		return err
	}
	needs := s.schema.Database
	found, err := s.hasTable(ctx, "schema_needs")
	if err == nil && found {
		err = s.read().QueryRow(ctx, `SELECT MAX(version) FROM schema_needs`).Scan(&needs)
	}
	if err != nil {
		return err
	}
	if needs > s.schema.Known {
		return fmt.Errorf("%w: its tables are of version %d, and this program knows versions up to %d: "+
			"use the newer program, or restore the backup that was made before the update", ErrNewer, s.schema.Database, s.schema.Known)
	}
	return nil
}

func (s *Store) hasTable(ctx context.Context, name string) (found bool, err error) {
	query := `SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1`
	if s.pool != nil {
		query = `SELECT to_regclass($1) IS NOT NULL`
	}
	return found, s.read().QueryRow(ctx, query, name).Scan(&found)
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
