package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
)

// TestEvents_OfParticipantsAndTracks: a participant and a track are announced once, and taken back once, in the order of the room.
func TestEvents_OfParticipantsAndTracks(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx, room := t.Context(), f.room(t, "r")
		f.recording(t, room, "alice", "camera")
		f.recording(t, room, "alice", "camera") // the same track once more
		bob := f.recording(t, room, "bob", "camera")
		for range 2 {
			p, err := f.DisconnectParticipant(ctx, room, bob.ParticipantSID)
			check(t, err)
			if p.Status != "disconnected" || p.End.IsZero() || p.Identity != "bob" {
				t.Errorf("bob is %+v", p)
			}
		}
		f.recording(t, room, "bob", "screen") // arrives after he has left
		left, err := f.Participants(ctx, room, store.ParticipantFilter{Status: "disconnected"}, store.Page{Size: 5})
		check(t, err)
		wantEqual(t, "participants that are disconnected", len(left.Items), 1)
		_, err = f.CompleteRoom(ctx, f.account, room.SID)
		check(t, err)
		want := []roomreel.EventType{
			"room-created",
			"participant-connected", "track-added", // alice
			"participant-connected", "track-added", // bob
			"track-removed", "participant-disconnected", // bob
			"track-added", "track-removed", // bob's screen
			"track-removed", "participant-disconnected", // alice
			"room-ended",
		}
		if diff := cmp.Diff(want, f.events(t, string(room.SID))); diff != "" {
			t.Error(diff)
		}
		room, err = f.Room(ctx, f.account, string(room.SID))
		check(t, err)
		for status, count := range map[string]int{"connected": 0, "disconnected": 2, "": 2} {
			all, err := f.Participants(ctx, room, store.ParticipantFilter{Status: status}, store.Page{Size: 5})
			check(t, err)
			wantEqual(t, "participants of a completed room with status "+status, len(all.Items), count)
		}
	})
}

func TestSubscribeRules_AreKept(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx, room := t.Context(), f.room(t, "r")
		alice := f.recording(t, room, "alice", "camera")
		rules := []roomreel.SubscribeRule{{RecordingRule: roomreel.RecordingRule{Type: "exclude", Kind: "data", Publisher: "bob"}, Priority: "low"}}
		_, err := f.SetSubscribeRules(ctx, room, alice.ParticipantSID, rules)
		check(t, err)
		f.recording(t, room, "alice", "microphone")
		p, err := f.Participant(ctx, room, "alice")
		check(t, err)
		if diff := cmp.Diff(rules, p.SubscribeRules); diff != "" || p.SubscribeRulesUpdated.IsZero() {
			t.Errorf("updated %v: %s", p.SubscribeRulesUpdated, diff)
		}
		_, err = f.CompleteRoom(ctx, f.account, room.SID)
		check(t, err)
		_, err = f.SetSubscribeRules(ctx, room, alice.ParticipantSID, rules)
		wantCode(t, err, roomreel.Conflict)
	})
}
