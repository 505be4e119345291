// Package store keeps every row of the service in SQLite or PostgreSQL.
//
// A *[Store] is one type with two dialects and one SQL text. An exported method opens the transaction it needs and an
// unexported helper takes it. A status changes in one function per resource (setRoom, setRecording, setComposition),
// which refuses what the vocabulary's CanBecome refuses and writes the event and its callback job in the same
// transaction. Jobs are inserted through the [Queue] in the transaction of the row they serve.
//
// It decides nothing that an API caller could dispute: rules live in internal/app. What a caller can get wrong here (a
// row that is not there, a name that is taken, a state that does not allow it) comes back as a *[roomreel.Error]. No
// method reaches a network, a codec or a blob. Start with [Open], then read composition.go and plan.go.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // the driver named sqlite

	"roomreel"
)

// Config says which database to open.
type Config struct {
	URL  string           // postgres://…; "" for SQLite
	Path string           // the SQLite file; used when URL is ""
	Now  func() time.Time // nil for time.Now

	// Existing is for a database that must be there and up to date: Open changes nothing. Otherwise Open creates what is missing.
	Existing bool

	KeepDeleted time.Duration // how long the rows of deleted recordings and compositions stay; 0 for KeepDeleted
}

// Store is an open database. All methods may be called concurrently.
type Store struct {
	lite      *sql.DB       // one of lite
	pool      *pgxpool.Pool // and pool is set
	path      string        // of the SQLite file
	forUpdate string        // locks the rows of a SELECT; empty on SQLite, whose transactions lock the whole file
	clockNow  string        // the database's clock in microseconds since 1970, for leases and heartbeats
	schema    Schema
	queue     Queue
	clock     func() time.Time
	keep      time.Duration

	// writer is held by the transaction on SQLite that runs, of this process. Others wait for it in order, and without a connection, so
	// that they keep no reader waiting. SQLite itself has those that wait look again and again, and refuses the one that finds the database
	// busy for 5 s, which happens to some while others pass.
	writer chan struct{}
}

// sqlitePragmas go into the DSN because every pooled connection must have them; set by Exec they reach one connection.
// Transactions are immediate: one that reads first and writes later could otherwise find that it may no longer write.
const sqlitePragmas = "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)" +
	"&_pragma=foreign_keys(1)&_pragma=synchronous(full)"

// ErrNotMigrated is returned, wrapped, by Open for a database whose tables could not be brought up to date.
var ErrNotMigrated = errors.New("bring tables up to date")

// Open opens the database and brings its tables up to date. Several nodes may open the same one at the same time. The error is
// ErrNewer for tables of a newer program with which this one is not known to work.
func Open(ctx context.Context, config Config) (*Store, error) {
	s := &Store{clock: config.Now, keep: config.KeepDeleted, queue: noQueue{}}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.keep == 0 {
		s.keep = KeepDeleted
	}
	var err error
	if config.URL != "" {
		err = s.openPostgreSQL(ctx, config.URL)
	} else {
		err = s.openSQLite(config.Path, config.Existing)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := s.migrate(ctx, config.Existing); err != nil {
		s.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return s, nil
}

func (s *Store) openPostgreSQL(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("the URL of the database is not one of PostgreSQL: %w", err)
	}
	s.forUpdate = " FOR UPDATE"
	s.clockNow = `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := s.pool.Ping(ctx); err != nil {
		s.pool.Close()
		return err
	}
	return nil
}

func (s *Store) openSQLite(path string, existing bool) error {
	if path == "" {
		return fmt.Errorf("neither a URL nor a file is given")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); existing && errors.Is(err, os.ErrNotExist) {
		return ErrNoDatabase
	}
	s.path = path
	s.clockNow = `CAST(unixepoch('now', 'subsec') * 1000000 AS BIGINT)`
	name := url.URL{Scheme: "file", Path: path}
	if s.lite, err = sql.Open("sqlite", name.String()+sqlitePragmas); err != nil {
		return err
	}
	s.lite.SetMaxOpenConns(8) // readers beside the one writer
	s.writer = make(chan struct{}, 1)
	return nil
}

// Close waits for statements in flight and closes the database. Closing twice is harmless.
func (s *Store) Close() error {
	if s.pool != nil {
		s.pool.Close()
		return nil
	}
	return s.lite.Close()
}

// SQLite returns the open SQLite database, nil on PostgreSQL. It is for the queue, which shares the database.
func (s *Store) SQLite() *sql.DB { return s.lite }

// PostgreSQL returns the open pool, nil on SQLite. It is for the queue, which shares the database.
func (s *Store) PostgreSQL() *pgxpool.Pool { return s.pool }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read().QueryRow(ctx, `SELECT 1`).Scan(&one)
}

// now is the present instant as the database keeps it.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// notFound is the answer to a row that is not there, or not the caller's.
func notFound(what, id string) error {
	return roomreel.Errorf(roomreel.NotFound, "there is no %s %s", what, id)
}
