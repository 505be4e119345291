package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func TestAddRecording_KnowsParticipantsAndTracksAgain(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room, other := f.room(t, "r"), f.room(t, "other")
		camera, again := f.recording(t, room, "alice", "camera"), f.recording(t, room, "alice", "camera")
		screen, bob := f.recording(t, room, "alice", "screen"), f.recording(t, room, "bob", "camera")
		elsewhere := f.recording(t, other, "alice", "camera")
		wantEqual(t, "participant of the same identity", again.ParticipantSID, camera.ParticipantSID)
		wantEqual(t, "track of the same name", again.TrackSID, camera.TrackSID)
		for what, different := range map[string]bool{
			"track of another name":           screen.TrackSID != camera.TrackSID,
			"participant of another identity": bob.ParticipantSID != camera.ParticipantSID,
			"track of another participant":    bob.TrackSID != camera.TrackSID,
			"participant of another room":     elsewhere.ParticipantSID != camera.ParticipantSID,
		} {
			if !different {
				t.Errorf("%s is the same", what)
			}
		}
		nameless := f.recording(t, room, "alice", "")
		wantEqual(t, "name of a track without one", nameless.TrackName, string(nameless.TrackSID))
		read, err := f.Recording(t.Context(), f.account, camera.SID)
		check(t, err)
		if diff := cmp.Diff(camera, read); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAddRecording_SameUploadOnce(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		sids := make([]roomreel.RecordingSID, 6)
		added := make([]bool, 6)
		atOnce(t, 6, func(i int) error {
			u := f.upload(room, "alice", "camera")
			u.Digest = "same"
			r, new, err := f.add(t, u)
			sids[i], added[i] = r.SID, new
			return err
		}, nil)
		n := 0
		for i := range sids {
			wantEqual(t, "recording", sids[i], sids[0])
			if added[i] {
				n++
			}
		}
		wantEqual(t, "recordings added", n, 1)
		if diff := cmp.Diff([]roomreel.EventType{roomreel.RecordingStartedEvent, roomreel.RecordingCompletedEvent}, f.events(t, string(sids[0]))); diff != "" {
			t.Error(diff)
		}
		_, err := f.CompleteRoom(t.Context(), f.account, room.SID)
		check(t, err)
		_, _, err = f.add(t, f.upload(room, "alice", "camera"))
		wantCode(t, err, roomreel.Conflict)
	})
}

func TestDeleteRecording_DeletesAndHides(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		room := f.room(t, "r")
		kept, r := f.recording(t, room, "alice", "camera"), f.recording(t, room, "bob", "camera")
		check(t, f.DeleteRecording(store.WithActor(t.Context(), "SK1"), f.account, r.SID))
		check(t, f.DeleteRecording(t.Context(), f.account, r.SID))
		left, err := f.PendingDeletions(t.Context(), string(r.SID))
		check(t, err)
		if diff := cmp.Diff([]store.PendingDeletion{{Store: store.MediaStore, Key: r.Index}, {Store: store.MediaStore, Key: r.Media.Key}}, left); diff != "" {
			t.Error(diff)
		}
		check(t, f.DeletePending(t.Context(), string(r.SID), func(context.Context, store.PendingDeletion) error { return nil }))
		left, err = f.PendingDeletions(t.Context(), string(r.SID))
		check(t, err)
		wantEqual(t, "pending deletions after they were carried out", len(left), 0)
		shown, err := f.Recordings(t.Context(), f.account, store.RecordingFilter{}, store.Page{Size: 10})
		check(t, err)
		if len(shown.Items) != 1 || shown.Items[0].SID != kept.SID {
			t.Errorf("shown are %v", shown.Items)
		}
		deleted, err := f.Recordings(t.Context(), f.account, store.RecordingFilter{Status: roomreel.RecordingDeleted}, store.Page{Size: 10})
		check(t, err)
		if len(deleted.Items) != 1 || deleted.Items[0].SID != r.SID || deleted.Items[0].Deleted.IsZero() {
			t.Errorf("deleted are %v", deleted.Items)
		}
		log, err := f.AuditLog(t.Context(), f.account, store.Page{Size: 10})
		check(t, err)
		if len(log.Items) != 1 || log.Items[0].Actor != "SK1" || log.Items[0].Subject != string(r.SID) {
			t.Errorf("audit log is %v", log.Items)
		}
	})
}

func TestExpire(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		room := f.room(t, "r")
		r, c := f.recording(t, room, "alice", "camera"), f.composition(t, room)
		u := f.upload(room, "bob", "camera")
		u.Recording.Media = roomreel.Media{CopyKey: "copy", CopyExpires: f.Now().Add(time.Hour)}
		copied, _, err := f.add(t, u)
		check(t, err)
		check(t, f.DeleteRecording(ctx, f.account, r.SID))
		check(t, f.DeleteComposition(ctx, f.account, c.SID, false))

		check(t, f.Expire(ctx, f.Now().Add(29*24*time.Hour)))
		_, err = f.Recording(ctx, f.account, r.SID)
		check(t, err)
		after, err := f.Recording(ctx, f.account, copied.SID)
		check(t, err)
		wantEqual(t, "working copy after its window", after.Media.CopyKey, "")
		left, err := f.PendingDeletions(ctx, string(copied.SID))
		check(t, err)
		wantEqual(t, "objects to delete", len(left), 1)

		check(t, f.Expire(ctx, f.Now().Add(31*24*time.Hour)))
		_, err = f.Recording(ctx, f.account, r.SID)
		wantCode(t, err, roomreel.NotFound)
		_, err = f.Composition(ctx, f.account, c.SID)
		wantCode(t, err, roomreel.NotFound)
		if events := f.events(t, string(r.SID)); len(events) > 0 {
			t.Errorf("events of what is gone: %v", events)
		}
		_, err = f.Recording(ctx, f.account, copied.SID)
		check(t, err)
	})
}

func TestExpire_RemindsOfWhatWasReserved(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		check(t, f.Reserve(t.Context(), "RTlost", store.PendingDeletion{Store: store.MediaStore, Key: "lost"}))
		check(t, f.Expire(t.Context(), f.Now().Add(time.Hour)))
		wantEqual(t, "jobs while the upload may still run", f.queue.count(store.JobDelete, "RTlost"), 0)
		check(t, f.Expire(t.Context(), f.Now().Add(25*time.Hour)))
		wantEqual(t, "jobs a day later", f.queue.count(store.JobDelete, "RTlost"), 1)
	})
}

// A delivery that is repeated for days may reserve a key again: the object must not be deleted under the last attempt.
func TestReserve_AnewIsYoungAgain(t *testing.T) {
	now := time.Now()
	config := storetest.SQLite(t)
	config.Now = func() time.Time { return now }
	f := newFixture(t, storetest.Open(t, config))
	blob := store.PendingDeletion{Store: store.MediaStore, Key: "slow"}
	check(t, f.Reserve(t.Context(), "RTslow", blob))
	now = now.Add(23 * time.Hour)
	check(t, f.Reserve(t.Context(), "RTslow", blob))
	check(t, f.Expire(t.Context(), now.Add(2*time.Hour)))
	wantEqual(t, "jobs after the second attempt", f.queue.count(store.JobDelete, "RTslow"), 0)
	check(t, f.Expire(t.Context(), now.Add(25*time.Hour)))
	wantEqual(t, "jobs a day after it", f.queue.count(store.JobDelete, "RTslow"), 1)
}

func TestExpire_KeepsAsLongAsConfigured(t *testing.T) {
	config := storetest.SQLite(t)
	config.KeepDeleted = time.Hour
	f := newFixture(t, storetest.Open(t, config))
	r := f.recording(t, f.room(t, "r"), "alice", "camera")
	check(t, f.DeleteRecording(t.Context(), f.account, r.SID))
	check(t, f.Expire(t.Context(), f.Now().Add(59*time.Minute)))
	_, err := f.Recording(t.Context(), f.account, r.SID)
	check(t, err)
	check(t, f.Expire(t.Context(), f.Now().Add(61*time.Minute)))
	_, err = f.Recording(t.Context(), f.account, r.SID)
	wantCode(t, err, roomreel.NotFound)
}
