package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
	"github.com/pressly/goose/v3"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// version1 makes a database of the first version with rows in every table that changed since, and opens it.
func version1(t *testing.T, config store.Config) *fixture {
	t.Helper()
	dialect, driver, name := goose.DialectSQLite3, "sqlite", config.Path
	if config.URL != "" {
		dialect, driver, name = goose.DialectPostgres, "pgx", strings.Replace(config.URL, "&pool_max_conns=8", "", 1)
	}
	db, err := sql.Open(driver, name)
	check(t, err)
	defer db.Close()
	old, err := goose.NewProvider(dialect, db, os.DirFS("migrations"), goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	check(t, err)
	_, err = old.UpTo(t.Context(), 1)
	check(t, err)
	text, err := os.ReadFile("testdata/version1.sql")
	check(t, err)
	for statement := range strings.SplitSeq(string(text), ";\n") {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
	f := &fixture{Store: storetest.Open(t, config), queue: &queue{}, account: "AC1"}
	f.SetQueue(f.queue)
	return f
}

func TestMigrate_KeepsWhatAnEarlierVersionWrote(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			f := version1(t, config(t))
			ctx := t.Context()

			// A composition in progress is planned again. What was rendered for it is deleted.
			plan, err := f.Plan(ctx, "CJ1")
			check(t, err)
			if diff := cmp.Diff([]store.Chunk{
				{Number: -1, Key: "AC1/CJ1/sound-1", Size: 3},
				{Number: 0, First: 0, End: 500, Key: "AC1/CJ1/chunk-00000-1", Size: 3},
				{Number: 1, First: 500, End: 1000},
				{Number: 2, First: 1000, End: 1200},
			}, plan.Chunks); diff != "" {
				t.Error(diff)
			}
			restarted, err := f.RestartOldPlans(ctx)
			check(t, err)
			wantEqual(t, "compositions that are planned again", restarted, 1)
			wantEqual(t, "compose jobs", f.queue.count(store.JobCompose, "CJ1"), 1)
			c, attempt, err := f.StartComposition(ctx, "CJ1")
			check(t, err)
			wantEqual(t, "progress", c.Progress, 12)
			check(t, f.savePlan(t, c.SID, attempt, []store.Task{{Kind: store.VideoTask, Chunks: []store.Chunk{{End: 500}}}}, 1))
			wantEqual(t, "render tasks", f.queue.count(store.JobRender, "CJ1"), 1)
			if diff := cmp.Diff([]store.PendingDeletion{
				working("AC1/CJ1/chunk-00000-1"),
				working("AC1/CJ1/chunk-00001-2"), // it was reserved in 1970
				working("AC1/CJ1/sound-1"),
			}, f.deletePending(t, "CJ1")); diff != "" {
				t.Error(diff)
			}

			// A film that waits for its delivery is found.
			film, err := f.Plan(ctx, "CJ2")
			check(t, err)
			wantEqual(t, "film", film.Film.Media.CopyKey, "AC1/CJ2/film-X")

			// Working copies are known, and addresses are what they were.
			r, err := f.RecordingBySID(ctx, "RT1")
			check(t, err)
			wantEqual(t, "working copy", r.Media.CopyKey, "AC1/RT1.mkv")
			wantEqual(t, "end of the working copy", r.Media.CopyExpires, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
			wantEqual(t, "address", r.Media.External, `https://bucket/RT1?"WorkKey":`)
			check(t, f.Expire(ctx, time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)))
			_, err = f.FailComposition(ctx, "CJ1", roomreel.Failure{Message: "end"})
			check(t, err)
			_, err = f.FailComposition(ctx, "CJ2", roomreel.Failure{Message: "end"})
			check(t, err)
			check(t, f.Expire(ctx, time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)))
			if r, err = f.RecordingBySID(ctx, "RT1"); err != nil || r.Media.CopyKey != "" {
				t.Errorf("the working copy is kept: %+v, %v", r.Media, err)
			}

			// Deletions go on, and never take what a row refers to.
			if diff := cmp.Diff([]store.PendingDeletion{working("AC1/CJ3/chunk-00000-1")}, f.deletePending(t, "CJ3")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]store.PendingDeletion{media("AC1/RT9.mkv")}, f.deletePending(t, "RT9")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]store.PendingDeletion{working("CJ1/plan.2")}, f.deletePending(t, "CJ1")); diff != "" {
				t.Error(diff)
			}

			// Events are delivered by others when their node is gone.
			check(t, f.RemoveNode(ctx, "old-node"))
			acquired, err := f.AcquireEventLease(ctx, "RM1", "new", time.Minute)
			check(t, err)
			pending, found, err := f.PendingEvent(ctx, "RM1")
			if check(t, err); !acquired || !found || pending.Event.ID != "E1" || pending.Attempts != 3 {
				t.Errorf("acquired %v, event %+v", acquired, pending)
			}
		})
	}
}

// TestOpen_RefusesTablesOfANewerProgram adds the row of a migration that this program does not know. Whether the program may work
// with the tables is what that migration would have said.
func TestOpen_RefusesTablesOfANewerProgram(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			config := config(t)
			s := storetest.Open(t, config)
			known := s.Schema().Known
			change := func(statement string, args ...any) {
				check(t, s.InTx(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(t.Context(), statement, args...)
					return err
				}))
			}
			open := func(existing bool) (store.Schema, error) {
				config := config
				config.Existing = existing
				again, err := store.Open(t.Context(), config)
				if err != nil {
					return store.Schema{}, err
				}
				defer again.Close()
				return again.Schema(), nil
			}
			change(`INSERT INTO schema_version (version_id, is_applied) VALUES ($1, true)`, known+2)
			for _, existing := range []bool{false, true} {
				schema, err := open(existing)
				if check(t, err); !schema.Newer() || schema.Database != known+2 {
					t.Errorf("tables of a newer version that this program can use: %+v", schema)
				}
			}
			change(`UPDATE schema_needs SET version = $1`, known+1)
			for _, existing := range []bool{false, true} {
				if _, err := open(existing); !errors.Is(err, store.ErrNewer) {
					t.Errorf("tables of a newer version that this program cannot use: %v", err)
				}
			}
			change(`DROP TABLE schema_needs`)
			if _, err := open(false); !errors.Is(err, store.ErrNewer) {
				t.Errorf("tables of a newer version that does not say who can use them: %v", err)
			}
		})
	}
}

func TestOpen_ExistingCreatesNothing(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			config := config(t)
			config.Existing = true
			for range 2 {
				if _, err := store.Open(t.Context(), config); !errors.Is(err, store.ErrNoDatabase) {
					t.Fatalf("an absent database: %v", err)
				}
			}
			if config.Path != "" {
				if left, err := os.ReadDir(filepath.Dir(config.Path)); err != nil || len(left) > 0 {
					t.Errorf("files were made: %v, %v", left, err)
				}
			}
		})
	}
}

// TestMigrations_SayWhetherOlderProgramsGoOnWorking reads the first line of each migration. A migration after which older programs
// fail must set schema_needs, so that they refuse to start.
func TestMigrations_SayWhetherOlderProgramsGoOnWorking(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	check(t, err)
	for _, file := range files {
		number, err := strconv.Atoi(filepath.Base(file)[:5])
		check(t, err)
		if number < 7 { // no program that looks at schema_needs is older
			continue
		}
		text, err := os.ReadFile(file)
		check(t, err)
		if strings.Contains(string(text), fmt.Sprintf("UPDATE schema_needs SET version = %d;", number)) {
			continue
		}
		if !strings.HasPrefix(string(text), "-- Programs that know version ") {
			t.Errorf("%s: begin with `-- Programs that know version N go on working with these tables.`, or say UPDATE schema_needs SET version = %d;", file, number)
		}
	}
}
