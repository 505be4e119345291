package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func TestOpen_TwoNodesAtOnce(t *testing.T) {
	for name, config := range map[string]func(testing.TB) store.Config{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			where := config(t)
			atOnce(t, 4, func(int) error {
				s, err := store.Open(t.Context(), where)
				if err != nil {
					return err
				}
				return s.Close()
			}, nil)
		})
	}
}

func TestRoom_NameIsTakenOnlyWhileInProgress(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		first := f.room(t, "standup")
		_, err := f.CreateRoom(t.Context(), roomreel.Room{SID: roomreel.NewSID[roomreel.RoomSID](), AccountSID: f.account, UniqueName: "standup"})
		wantCode(t, err, roomreel.Conflict)
		_, err = f.CompleteRoom(t.Context(), f.account, first.SID)
		check(t, err)
		second := f.room(t, "standup")
		found, err := f.Room(t.Context(), f.account, "standup")
		check(t, err)
		wantEqual(t, "room of that name", found.SID, second.SID)
	})
}

func TestRoom_ReadsBackWhatWasWritten(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		wrote, err := f.CreateRoom(t.Context(), roomreel.Room{
			SID: roomreel.NewSID[roomreel.RoomSID](), AccountSID: f.account, UniqueName: "n", Type: "group", EmptyRoomTimeout: 1,
			MaxParticipants: 50, EnableTurn: true, VideoCodecs: []string{"VP8"}, MediaRegion: "de1",
			Rules: []roomreel.RecordingRule{{Type: "include", All: true}}, StatusCallback: statusCallback,
		})
		check(t, err)
		read, err := f.Room(t.Context(), f.account, string(wrote.SID))
		check(t, err)
		if diff := cmp.Diff(wrote, read); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCompleteRoom_HappensOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		f.recording(t, room, "alice", "camera")
		waiting := f.composition(t, room)
		wantEqual(t, "compose jobs while the room is in progress", f.queue.count(store.JobCompose, string(waiting.SID)), 0)
		atOnce(t, 8, func(int) error {
			_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
			return err
		}, nil)
		wantEqual(t, "compose jobs", f.queue.count(store.JobCompose, string(waiting.SID)), 1)
		wantEqual(t, "hook jobs", f.queue.count(store.JobHook, string(room.SID)), 1)
		if diff := cmp.Diff([]roomreel.EventType{
			roomreel.RoomCreatedEvent, roomreel.ParticipantConnectedEvent, roomreel.TrackAddedEvent,
			roomreel.TrackRemovedEvent, roomreel.ParticipantEndedEvent, roomreel.RoomEndedEvent,
		}, f.events(t, string(room.SID))); diff != "" {
			t.Error(diff)
		}
		at := f.composition(t, room)
		wantEqual(t, "compose jobs of a composition of a completed room", f.queue.count(store.JobCompose, string(at.SID)), 1)
	})
}

func TestCompleteRoom_HooksWaitForRecordings(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		u := f.upload(room, "alice", "camera")
		u.Recording.Destination.S3URL = "https://bucket.s3.amazonaws.com"
		r, _, err := f.add(t, u)
		check(t, err)
		wantEqual(t, "deliveries", f.queue.count(store.JobDeliverRecording, string(r.SID)), 1)
		_, err = f.CompleteRoom(t.Context(), f.account, room.SID)
		check(t, err)
		wantEqual(t, "hook jobs before the recording is settled", f.queue.count(store.JobHook, string(room.SID)), 0)
		_, err = f.CompleteRecording(t.Context(), r.SID, roomreel.Media{External: "https://bucket.s3.amazonaws.com/x"})
		check(t, err)
		wantEqual(t, "hook jobs after", f.queue.count(store.JobHook, string(room.SID)), 1)
		_, err = f.CompleteRecording(t.Context(), r.SID, roomreel.Media{})
		wantCode(t, err, roomreel.Conflict)
	})
}

func TestCompleteRoom_WithoutRecordingsAsksNoHook(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
		check(t, err)
		wantEqual(t, "hook jobs", f.queue.count(store.JobHook, string(room.SID)), 0)
	})
}
