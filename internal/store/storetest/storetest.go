// Package storetest runs tests against the store on both of its databases.
//
// SQLite lives in the test's folder. PostgreSQL is a server of its own, started once for a test binary and stopped with
// it, in which every test gets a schema. Where PostgreSQL is not installed, its tests are skipped, unless
// ROOMREEL_TEST_REQUIRE names postgres: then they fail.
package storetest

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"roomreel"
	"roomreel/internal/store"
)

// Each runs test once on SQLite and once on PostgreSQL, each time with an empty store.
func Each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachAt(t, time.Now, test)
}

// EachAt is Each with a clock of the test's own.
func EachAt(t *testing.T, now func() time.Time, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	for _, database := range []struct {
		name   string
		config func(testing.TB) store.Config
	}{{"sqlite", SQLite}, {"postgres", PostgreSQL}} {
		t.Run(database.name, func(t *testing.T) {
			config := database.config(t)
			config.Now = now
			test(t, Open(t, config))
		})
	}
}

// Open opens a store that is closed when the test ends.
func Open(t testing.TB, config store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// SQLite returns the configuration of an empty SQLite database.
func SQLite(t testing.TB) store.Config {
	return store.Config{Path: filepath.Join(t.TempDir(), "roomreel.db")}
}

var schemas atomic.Int64

// PostgreSQL returns the configuration of an empty schema on a PostgreSQL server of the test binary's own.
func PostgreSQL(t testing.TB) store.Config {
	t.Helper()
	url := server(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	schema := fmt.Sprintf("test_%d", schemas.Add(1))
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	return store.Config{URL: url + "?search_path=" + schema + "&pool_max_conns=8"}
}

// TimeOut lets the timeout of a room pass, by the database's clock. A room that does not end by itself stays as it is.
func TimeOut(t testing.TB, s *store.Store, room roomreel.RoomSID) {
	t.Helper()
	const text = `UPDATE room SET ends = 1 WHERE sid = $1 AND ends > 0`
	var err error
	if s.PostgreSQL() != nil {
		_, err = s.PostgreSQL().Exec(t.Context(), text, room)
	} else {
		_, err = s.SQLite().ExecContext(t.Context(), text, room)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Dump returns every value of every table as text, for tests that something is nowhere in the database.
func Dump(t testing.TB, s *store.Store) string {
	t.Helper()
	db, tables := s.SQLite(), `SELECT name FROM sqlite_master WHERE type = 'table'`
	if s.PostgreSQL() != nil {
		db, tables = stdlib.OpenDBFromPool(s.PostgreSQL()), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
		defer db.Close()
	}
	read := func(text string) (rows [][]any) {
		t.Helper()
		found, err := db.QueryContext(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		columns, err := found.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := found.Scan(values...); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, values)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	var dump strings.Builder
	for _, table := range read(tables) {
		name := fmt.Sprint(*table[0].(*any))
		for _, row := range read(`SELECT * FROM "` + name + `"`) {
			fmt.Fprintf(&dump, "%s:", name)
			for _, value := range row {
				if text, ok := (*value.(*any)).([]byte); ok {
					fmt.Fprintf(&dump, " %s", text)
				} else {
					fmt.Fprintf(&dump, " %v", *value.(*any))
				}
			}
			dump.WriteByte('\n')
		}
	}
	return dump.String()
}

// Settle does what the databases do by themselves within a minute after many rows were added.
func Settle(t testing.TB, s *store.Store) {
	t.Helper()
	var err error
	if pool := s.PostgreSQL(); pool != nil {
		_, err = pool.Exec(t.Context(), "VACUUM ANALYZE composition")
	} else {
		_, err = s.SQLite().ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err != nil {
		t.Fatal(err)
	}
}
