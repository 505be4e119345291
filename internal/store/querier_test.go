package store_test

import (
	"testing"

	"roomreel"
	"roomreel/internal/store"
)

func TestQuerier_PlaceholdersMatchByNumber(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		check(t, f.InTx(t.Context(), func(tx *store.Tx) error {
			var second, first, again string
			err := tx.QueryRow(t.Context(), `SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)`, "one", "two").Scan(&second, &first, &again)
			wantEqual(t, "first", first, "one")
			wantEqual(t, "second", second, "two")
			wantEqual(t, "second again", again, "two")
			return err
		}))
	})
}

// TestTexts_ThatNoRowCanHold looks for what PostgreSQL would refuse to hear of.
func TestTexts_ThatNoRowCanHold(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx, page := t.Context(), store.Page{Size: 10}
		room := f.room(t, "r")
		for _, bad := range []string{"a\x00b", "\xff"} {
			_, err := f.Room(ctx, f.account, bad)
			wantCode(t, err, roomreel.NotFound)
			_, err = f.Participant(ctx, room, bad)
			wantCode(t, err, roomreel.NotFound)
			_, err = f.Track(ctx, "PA", bad)
			wantCode(t, err, roomreel.NotFound)
			wantCode(t, f.Redeliver(ctx, f.account, bad), roomreel.NotFound)
			rooms, err := f.Rooms(ctx, f.account, store.RoomFilter{UniqueName: bad}, page)
			check(t, err)
			wantEqual(t, "rooms", len(rooms.Items), 0)
			recordings, err := f.Recordings(ctx, f.account, store.RecordingFilter{RoomSIDs: []roomreel.RoomSID{roomreel.RoomSID(bad)}}, page)
			check(t, err)
			wantEqual(t, "recordings", len(recordings.Items), 0)
			deliveries, err := f.Deliveries(ctx, f.account, bad, page)
			check(t, err)
			wantEqual(t, "deliveries", len(deliveries.Items), 0)
		}
	})
}
