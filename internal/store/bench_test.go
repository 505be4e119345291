package store_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// BenchmarkCompositions_Page reads a page from the middle of a list: it costs the same whatever the list's length.
func BenchmarkCompositions_Page(b *testing.B) {
	for _, database := range []struct {
		name   string
		config func(testing.TB) store.Config
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.PostgreSQL}} {
		for _, rows := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/rows=%d", database.name, rows), func(b *testing.B) {
				s := storetest.Open(b, database.config(b))
				account, room := fill(b, s, rows)
				middle := store.Cursor{Created: s.Now(), SID: "CJ"}
				all, err := s.Compositions(b.Context(), account, store.CompositionFilter{}, store.Page{Size: 1, After: &store.Cursor{
					Created: start.Add(microseconds(rows / 2)), SID: "CJ"}})
				if err != nil || len(all.Items) != 1 {
					b.Fatal(len(all.Items), err)
				}
				middle.Created = all.Items[0].Created
				for name, filter := range map[string]store.CompositionFilter{
					"all": {}, "status": {Status: roomreel.CompositionCompleted}, "room": {RoomSID: room},
					"dates": {Created: store.Created{After: start, Before: middle.Created}},
					"rare":  {Status: roomreel.CompositionFailed},
				} {
					b.Run(name, func(b *testing.B) {
						b.ReportAllocs()
						for b.Loop() {
							if _, err := s.Compositions(b.Context(), account, filter, store.Page{Size: 50, After: &middle}); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			})
		}
	}
}

// fill adds compositions a microsecond apart: every tenth is deleted, every thousandth failed.
func fill(b *testing.B, s *store.Store, rows int) (roomreel.AccountSID, roomreel.RoomSID) {
	b.Helper()
	account := s.NewAccount("bench")
	if err := s.CreateAccount(b.Context(), account, store.AccountSecrets{Token: []byte("t"), Hash: []byte("h")}); err != nil {
		b.Fatal(err)
	}
	room, err := s.CreateRoom(b.Context(), roomreel.Room{SID: roomreel.NewSID[roomreel.RoomSID](), AccountSID: account.SID, UniqueName: "r"})
	if err != nil {
		b.Fatal(err)
	}
	first := strconv.FormatInt(start.UnixMicro(), 10)
	err = s.InTx(b.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(b.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `+strconv.Itoa(rows)+`)
			INSERT INTO composition (sid, account_sid, room_sid, hook_sid, status, video_layout, audio_sources,
			audio_sources_excluded, resolution, format, trim, callback_url, callback_method, created, started, completed, deleted,
			progress, bitrate, size, duration, media, destination, failure, report, attempt)
			SELECT 'CJ0000000000000000000000' || CAST(1000000000 + i AS TEXT), '`+string(account.SID)+`', '`+string(room.SID)+`', '',
			CASE WHEN i % 1000 = 0 THEN 'failed' WHEN i % 10 = 0 THEN 'deleted' ELSE 'completed' END, '{}', '["*"]', '[]', '640x480',
			'mp4', TRUE, '', 'POST', `+first+` + i, 0, 1, 0, 100, 0, 0, 0, '{}', '{}', '{}', '', 1 FROM n`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if pool := s.PostgreSQL(); pool != nil { // what autovacuum does within a minute
		if _, err := pool.Exec(b.Context(), "ANALYZE composition"); err != nil {
			b.Fatal(err)
		}
	}
	return account.SID, room.SID
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func microseconds(n int) time.Duration { return time.Duration(n) * time.Microsecond }
