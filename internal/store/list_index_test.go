package store

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel"
)

// explaining answers every query with SQLite's plan for it.
type explaining struct {
	querier
	plan *strings.Builder
}

func (e explaining) Query(ctx context.Context, text string, args ...any) (rows, error) {
	steps, err := collect(ctx, e.querier, func(row scanner) (step string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &step)
		return step, err
	}, "EXPLAIN QUERY PLAN "+text, args...)
	e.plan.WriteString(strings.Join(steps, "; "))
	if err != nil {
		return nil, err
	}
	return e.querier.Query(ctx, text, args...)
}

// equal reads the rows whose columns have some value, as the lists without further filters do.
func equal[T any](t *testing.T, of table[T], columns ...string) func(querier, Page) error {
	return func(q querier, page Page) error {
		var w where
		for _, column := range columns {
			w.and(column+" = ?", "x")
		}
		_, err := list(t.Context(), q, of, w, page)
		return err
	}
}

// TestLists_EveryFilterHasItsIndex reads no row that the page does not show, and sorts none.
func TestLists_EveryFilterHasItsIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "roomreel.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const acct = roomreel.AccountSID("AC")
	yes, dates := true, Created{After: time.Unix(1, 0), Before: time.Unix(9, 0)}
	recordings := func(f RecordingFilter) func(querier, Page) error {
		return func(q querier, page Page) error {
			_, err := list(t.Context(), q, recordingTable, f.where(acct), page)
			return err
		}
	}
	compositions := func(f CompositionFilter) func(querier, Page) error {
		return func(q querier, page Page) error {
			_, err := list(t.Context(), q, compositionTable, f.where(acct), page)
			return err
		}
	}
	rooms := func(f RoomFilter) func(querier, Page) error {
		return func(q querier, page Page) error {
			_, err := list(t.Context(), q, roomTable, f.where(acct), page)
			return err
		}
	}
	hooks := func(f HookFilter) func(querier, Page) error {
		return func(q querier, page Page) error {
			_, err := list(t.Context(), q, hookTable, f.where(acct), page)
			return err
		}
	}
	for _, test := range []struct {
		index string
		read  func(querier, Page) error
	}{
		{"recording_created", recordings(RecordingFilter{})},
		{"recording_created", recordings(RecordingFilter{Created: dates})},
		{"recording_status", recordings(RecordingFilter{Status: roomreel.RecordingFailed})},
		{"recording_status", recordings(RecordingFilter{Status: roomreel.RecordingDeleted, Created: dates})},
		{"recording_kind", recordings(RecordingFilter{Kind: roomreel.Audio})},
		{"recording_kind_status", recordings(RecordingFilter{Kind: roomreel.Audio, Status: roomreel.RecordingCompleted})},
		{"recording_track", recordings(RecordingFilter{TrackSID: "MT"})},
		{"recording_room", recordings(RecordingFilter{RoomSIDs: []roomreel.RoomSID{"RM"}})},
		{"recording_participant", recordings(RecordingFilter{Participants: []roomreel.ParticipantSID{"PA"}})},
		{"composition_created", compositions(CompositionFilter{})},
		{"composition_created", compositions(CompositionFilter{Created: dates})},
		{"composition_status", compositions(CompositionFilter{Status: roomreel.CompositionFailed})},
		{"composition_room", compositions(CompositionFilter{RoomSID: "RM"})},
		{"room_created", rooms(RoomFilter{})},
		{"room_status", rooms(RoomFilter{Status: roomreel.RoomInProgress})},
		{"room_name", rooms(RoomFilter{UniqueName: "n"})},
		{"hook_created", hooks(HookFilter{Created: dates})},
		{"hook_enabled", hooks(HookFilter{Enabled: &yes})},
		{"credential_created", equal(t, credentialTable, "account_sid", "kind")},
		{"delivery_resource", equal(t, deliveryTable, "account_sid", "resource")},
		{"track_created", equal(t, trackTable, "participant_sid")},
		{"api_key_created", equal(t, apiKeys, "account_sid")},
		{"audit_log_created", equal(t, auditLog, "account_sid")},

		// Of several filters, the one that leaves the fewest rows.
		{"recording_track", recordings(RecordingFilter{TrackSID: "MT", Kind: roomreel.Audio, Status: roomreel.RecordingCompleted, Created: dates})},
		{"recording_track", recordings(RecordingFilter{TrackSID: "MT", RoomSIDs: []roomreel.RoomSID{"RM"}, Participants: []roomreel.ParticipantSID{"PA"}})},
		{"recording_participant", recordings(RecordingFilter{Participants: []roomreel.ParticipantSID{"PA"}, RoomSIDs: []roomreel.RoomSID{"RM"}})},
		{"recording_room", recordings(RecordingFilter{RoomSIDs: []roomreel.RoomSID{"RM"}, Kind: roomreel.Audio, Status: roomreel.RecordingCompleted})},
		{"recording_room", recordings(RecordingFilter{RoomSIDs: []roomreel.RoomSID{"RM"}, Created: dates})},
		{"composition_room", compositions(CompositionFilter{RoomSID: "RM", Created: dates})},
		{"composition_room_status", compositions(CompositionFilter{RoomSID: "RM", Status: roomreel.CompositionCompleted})},
		{"composition_room_status", compositions(CompositionFilter{RoomSID: "RM", Status: roomreel.CompositionDeleted, Created: dates})},
		{"room_name_status", rooms(RoomFilter{UniqueName: "n", Status: roomreel.RoomInProgress, Created: dates})},
		{"hook_name", hooks(HookFilter{FriendlyName: "n", Enabled: &yes})},
	} {
		for _, page := range []Page{
			{Size: 5},
			{Size: 5, After: &Cursor{time.Unix(5, 0), "X"}},
			{Size: 5, Before: &Cursor{time.Unix(5, 0), "X"}},
		} {
			var plan strings.Builder
			if err := test.read(explaining{s.read(), &plan}, page); err != nil {
				t.Fatal(err)
			}
			if got := plan.String(); !strings.Contains(got, "INDEX "+test.index+" ") || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
				t.Errorf("want a search of %s: %s", test.index, got)
			}
		}
	}
}

// TestLists_OfSeveralRoomsReadNoOthers allows for sorting what the rooms have, which is little.
func TestLists_OfSeveralRoomsReadNoOthers(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "roomreel.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := RecordingFilter{
		RoomSIDs: []roomreel.RoomSID{"RM1", "RM2", "RM3"}, Status: roomreel.RecordingCompleted, Kind: roomreel.Video,
		Created: Created{After: time.Unix(1, 0), Before: time.Unix(9, 0)},
	}
	var plan strings.Builder
	if _, err := list(t.Context(), explaining{s.read(), &plan}, recordingTable, f.where("AC"), Page{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if got := plan.String(); !strings.Contains(got, "INDEX recording_room (room_sid=?") || strings.Contains(got, "SCAN") {
		t.Errorf("want a search of recording_room: %s", got)
	}
}

// TestEndIdleRooms_ReadsOnlyThoseThatAreDue runs every few seconds, beside millions of rooms that have ended.
func TestEndIdleRooms_ReadsOnlyThoseThatAreDue(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "roomreel.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var plan strings.Builder
	if _, err := s.idleRooms(t.Context(), explaining{s.read(), &plan}); err != nil {
		t.Fatal(err)
	}
	if got := plan.String(); !strings.Contains(got, "INDEX room_ends ") || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
		t.Errorf("want a search of room_ends: %s", got)
	}
}
