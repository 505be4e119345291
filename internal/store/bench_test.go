package store_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// pageSize is small enough for every filter to fill pages among a thousand compositions.
const pageSize = 20

// BenchmarkLists reads pages of compositions for every filter and place: a page costs the same whatever the list's length.
//
// It reports the median, because a page is short and the machine does other things, and the rows that a page held: only
// pages of as many rows compare. docs/performance.md quotes it.
func BenchmarkLists(b *testing.B) {
	for _, database := range []struct {
		name   string
		config func(testing.TB) store.Config
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.PostgreSQL}} {
		for _, rows := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/rows=%d", database.name, rows), func(b *testing.B) {
				s := storetest.Open(b, database.config(b))
				l := fill(b, s, rows)
				for _, filter := range l.filters() {
					for _, place := range l.places(b, s, filter.CompositionFilter) {
						b.Run(filter.name+"/"+place.name, func(b *testing.B) { benchmarkPage(b, s, l.account, filter.CompositionFilter, place.Page) })
					}
				}
			})
		}
	}
}

func benchmarkPage(b *testing.B, s *store.Store, account roomreel.AccountSID, filter store.CompositionFilter, page store.Page) {
	b.ReportAllocs()
	var took []time.Duration
	var held int
	for b.Loop() {
		began := time.Now()
		got, err := s.Compositions(b.Context(), account, filter, page)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		held = len(got.Items)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/page")
	b.ReportMetric(float64(held), "rows/page")
}

// library is a database of compositions a minute apart, most of them of one account.
//
// Of its three accounts the first has four in five. A busy room of that account has three in ten of all compositions; every
// other room has seven, made soon after each other. Of all, 60 % are completed, 20 % deleted, 15 % failed and 5 % processing,
// but the 25 oldest wait: what looks for them in the order of the list finds them last.
type library struct {
	account     roomreel.AccountSID
	busy, quiet roomreel.RoomSID
	middle      time.Time
	between     store.Created // the middle half
}

var oldest = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

type namedFilter struct {
	name string
	store.CompositionFilter
}

func (l library) filters() []namedFilter {
	return []namedFilter{
		{"all", store.CompositionFilter{}},
		{"status=completed", store.CompositionFilter{Status: roomreel.CompositionCompleted}},
		{"status=failed", store.CompositionFilter{Status: roomreel.CompositionFailed}},
		{"status=deleted", store.CompositionFilter{Status: roomreel.CompositionDeleted}},
		{"status=oldest", store.CompositionFilter{Status: roomreel.CompositionEnqueued}},
		{"room=busy", store.CompositionFilter{RoomSID: l.busy}},
		{"room=quiet", store.CompositionFilter{RoomSID: l.quiet}},
		{"room=busy+status=failed", store.CompositionFilter{RoomSID: l.busy, Status: roomreel.CompositionFailed}},
		{"room=quiet+status=completed", store.CompositionFilter{RoomSID: l.quiet, Status: roomreel.CompositionCompleted}},
		{"after", store.CompositionFilter{Created: store.Created{After: l.between.After}}},
		{"before", store.CompositionFilter{Created: store.Created{Before: l.between.Before}}},
		{"between", store.CompositionFilter{Created: l.between}},
		{"between+status=failed", store.CompositionFilter{Created: l.between, Status: roomreel.CompositionFailed}},
		{"between+room=busy", store.CompositionFilter{Created: l.between, RoomSID: l.busy}},
		{"between+room=quiet", store.CompositionFilter{Created: store.Created{After: oldest, Before: l.middle}, RoomSID: l.quiet}},
		{"between+room=busy+status=failed", store.CompositionFilter{Created: l.between, RoomSID: l.busy, Status: roomreel.CompositionFailed}},
	}
}

type namedPage struct {
	name string
	store.Page
}

// places returns the first page of a list, one deep inside it in both directions, and the last.
func (l library) places(b *testing.B, s *store.Store, f store.CompositionFilter) []namedPage {
	b.Helper()
	end := store.Cursor{Created: oldest.Add(-time.Hour)}
	tail, err := s.Compositions(b.Context(), l.account, f, store.Page{Size: pageSize + 1, Before: &end})
	if err != nil || len(tail.Items) == 0 {
		b.Fatal(tail, err)
	}
	last := store.Cursor{Created: tail.Items[0].Created, SID: string(tail.Items[0].SID)}
	middle := store.Cursor{Created: l.middle}
	return []namedPage{
		{"first", store.Page{Size: pageSize}},
		{"middle", store.Page{Size: pageSize, After: &middle}},
		{"back", store.Page{Size: pageSize, Before: &middle}},
		{"last", store.Page{Size: pageSize, After: &last}},
	}
}

func fill(b *testing.B, s *store.Store, rows int) library {
	b.Helper()
	var accounts [3]roomreel.AccountSID
	for i := range accounts {
		account := s.NewAccount("bench")
		if err := s.CreateAccount(b.Context(), account, store.AccountSecrets{Token: []byte("t"), Hash: []byte("h")}); err != nil {
			b.Fatal(err)
		}
		accounts[i] = account.SID
	}
	room := func(n int) roomreel.RoomSID { return roomreel.RoomSID(fmt.Sprintf("RM%032d", 100000000+n)) }
	at := func(n int) time.Time { return oldest.Add(time.Duration(n) * time.Minute) }

	// One statement fills a table: a million rows in one transaction, without a round trip for each.
	upTo := func(n int) string {
		return `WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(n) + `) `
	}
	created := `(` + strconv.FormatInt(oldest.UnixMicro(), 10) + ` + i * 60000000)`
	owner := fmt.Sprintf(`CASE WHEN room %% 10 < 7 THEN '%s' WHEN room %% 10 < 9 THEN '%s' ELSE '%s' END`, accounts[0], accounts[1], accounts[2])
	name := `'RM00000000000000000000000' || CAST(100000000 + room AS TEXT)`
	for _, text := range []string{
		upTo(rows/10+1) + `INSERT INTO room (sid, account_sid, unique_name, status, type, created, updated, ended, options, rules,
			rules_updated, callback_url, callback_method, hooks_asked)
			SELECT ` + name + `, ` + owner + `, 'room', 'completed', 'group', created, created, created, '{}', '[]', created, '', 'POST', TRUE
			FROM (SELECT i AS room, ` + created + ` AS created FROM n) AS r`,
		// Multiplying by an odd number scatters SIDs, as chance does, and gives none twice.
		upTo(rows) + `INSERT INTO composition (sid, account_sid, room_sid, hook_sid, status, video_layout, audio_sources,
			audio_sources_excluded, resolution, format, trim, callback_url, callback_method, created, started, completed, deleted,
			progress, bitrate, size, duration, media, destination, failure, report, attempt)
			SELECT 'CJ0000000000000000000000' || CAST(1000000000 + (i * 2654435761) % 4294967296 AS TEXT), ` + owner + `, ` + name + `, '',
			CASE WHEN i <= 25 THEN 'enqueued' WHEN dice < 60 THEN 'completed' WHEN dice < 80 THEN 'deleted' WHEN dice < 95 THEN 'failed' ELSE 'processing' END,
			'{"grid":{"x_pos":0,"y_pos":0,"z_pos":0,"width":null,"height":null,"max_columns":null,"max_rows":null,"cells_excluded":[],"reuse":"show_oldest","video_sources":["*"],"video_sources_excluded":[]}}',
			'["*"]', '[]', '1280x720', 'mp4', TRUE, 'https://example.com/status', 'POST', created, created, created, 0,
			100, 841, 3964300, 38000000000, '{}', '{}', '{}', '', 1
			FROM (SELECT i, ` + created + ` AS created, (i * 17 + i / 100) % 100 AS dice, CASE WHEN (i * 31) % 100 < 30 THEN 1 ELSE 1 + i / 10 END AS room FROM n) AS c`,
	} {
		err := s.InTx(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(b.Context(), text)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	storetest.Settle(b, s)
	return library{
		account: accounts[0], busy: room(1), quiet: room(4), middle: at(rows / 2),
		between: store.Created{After: at(rows / 4), Before: at(rows * 3 / 4)},
	}
}
