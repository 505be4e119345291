package store_test

import (
	"testing"
	"time"

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

// idleRoom makes a room whose timeouts are a minute.
func (f *fixture) idleRoom(t *testing.T, name string) roomreel.Room {
	t.Helper()
	r, err := f.CreateRoom(t.Context(), roomreel.Room{
		SID: roomreel.NewSID[roomreel.RoomSID](), AccountSID: f.account, UniqueName: name, Type: "group", StatusCallback: statusCallback,
		EmptyRoomTimeout: time.Minute, UnusedRoomTimeout: time.Minute,
	})
	check(t, err)
	return r
}

// endIdle ends the rooms that have timed out, and returns the room as it is then.
func (f *fixture) endIdle(t *testing.T, room roomreel.Room, want int) roomreel.Room {
	t.Helper()
	ended, err := f.EndIdleRooms(t.Context())
	check(t, err)
	wantEqual(t, "rooms that ended", ended, want)
	room, err = f.Room(t.Context(), f.account, string(room.SID))
	check(t, err)
	return room
}

func TestEndIdleRooms_AfterTheTimeout(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room, forever := f.idleRoom(t, "r"), f.room(t, "no timeout")
		storetest.TimeOut(t, f.Store, forever.SID)
		wantEqual(t, "status before the timeout", f.endIdle(t, room, 0).Status, roomreel.RoomInProgress)
		storetest.TimeOut(t, f.Store, room.SID)
		f.recording(t, room, "alice", "camera") // a recording begins the timeout anew
		wantEqual(t, "status after a recording", f.endIdle(t, room, 0).Status, roomreel.RoomInProgress)
		storetest.TimeOut(t, f.Store, room.SID)
		check(t, f.KeepRoomOpen(t.Context(), room)) // and so does a running upload
		wantEqual(t, "status during an upload", f.endIdle(t, room, 0).Status, roomreel.RoomInProgress)
		wantEqual(t, "hook jobs", f.queue.count(store.JobHook, string(room.SID)), 0)

		storetest.TimeOut(t, f.Store, room.SID)
		ended := f.endIdle(t, room, 1)
		if ended.Status != roomreel.RoomCompleted || ended.Ended.IsZero() || !ended.TimedOut {
			t.Errorf("the room is %+v", ended)
		}
		f.endIdle(t, room, 0)
		wantEqual(t, "hook jobs", f.queue.count(store.JobHook, string(room.SID)), 1)
		types := f.events(t, string(room.SID))
		wantEqual(t, "the last event", types[len(types)-1], roomreel.RoomEndedEvent)
	})
}

// TestEndIdleRooms_TakesWhatArrivesLater: a room that ended by itself takes recordings. Its hooks wait until nothing has arrived for
// its timeout. A request to complete it ends that.
func TestEndIdleRooms_TakesWhatArrivesLater(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.idleRoom(t, "r")
		waiting := f.composition(t, room)
		storetest.TimeOut(t, f.Store, room.SID)
		f.endIdle(t, room, 1) // unused
		wantEqual(t, "compose jobs without a recording", f.queue.count(store.JobCompose, string(waiting.SID)), 0)
		f.recording(t, room, "alice", "camera")
		f.recording(t, room, "alice", "microphone")
		wantEqual(t, "hook jobs while recordings arrive", f.queue.count(store.JobHook, string(room.SID)), 0)
		storetest.TimeOut(t, f.Store, room.SID)
		ended := f.endIdle(t, room, 1)
		wantEqual(t, "hook jobs after the timeout", f.queue.count(store.JobHook, string(room.SID)), 1)
		wantEqual(t, "compose jobs after the timeout", f.queue.count(store.JobCompose, string(waiting.SID)), 1)
		p, err := f.Participant(t.Context(), ended, "alice")
		check(t, err)
		if p.Status != "disconnected" || p.End.Before(p.Start) {
			t.Errorf("a participant who came late is %+v", p)
		}
		if diff := cmp.Diff([]roomreel.EventType{
			"room-created", "room-ended", "participant-connected", "track-added", "track-removed", "participant-disconnected", "track-added", "track-removed",
		}, f.events(t, string(room.SID))); diff != "" {
			t.Error(diff)
		}
		_, err = f.CompleteRoom(t.Context(), f.account, room.SID)
		check(t, err)
		_, _, err = f.add(t, f.upload(room, "bob", "camera"))
		wantCode(t, err, roomreel.Conflict)

		// A request that completes the room does not wait for the timeout.
		other := f.idleRoom(t, "other")
		storetest.TimeOut(t, f.Store, other.SID)
		f.endIdle(t, other, 1)
		f.recording(t, other, "alice", "camera")
		_, err = f.CompleteRoom(t.Context(), f.account, other.SID)
		check(t, err)
		wantEqual(t, "hook jobs after the request", f.queue.count(store.JobHook, string(other.SID)), 1)
		f.endIdle(t, other, 0)
	})
}

func TestEndIdleRooms_HappensOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.idleRoom(t, "r")
		f.recording(t, room, "alice", "camera")
		storetest.TimeOut(t, f.Store, room.SID)
		atOnce(t, 8, func(i int) error {
			if i%2 == 0 {
				_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
				return err
			}
			_, err := f.EndIdleRooms(t.Context())
			return err
		}, nil)
		wantEqual(t, "hook jobs", f.queue.count(store.JobHook, string(room.SID)), 1)
		var ends int
		for _, kind := range f.events(t, string(room.SID)) {
			if kind == roomreel.RoomEndedEvent {
				ends++
			}
		}
		wantEqual(t, "room-ended events", ends, 1)
	})
}
