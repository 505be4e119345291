package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

func media(key string) store.PendingDeletion {
	return store.PendingDeletion{Store: store.MediaStore, Key: key}
}

func working(key string) store.PendingDeletion {
	return store.PendingDeletion{Store: store.WorkingStore, Key: key}
}

// deletePending carries a resource's deletions out and returns what was deleted.
func (f *fixture) deletePending(t *testing.T, resource string) (deleted []store.PendingDeletion) {
	t.Helper()
	check(t, f.DeletePending(t.Context(), resource, func(_ context.Context, object store.PendingDeletion) error {
		deleted = append(deleted, object)
		return nil
	}))
	return deleted
}

// eachAt is eachDB with a clock that the test moves.
func eachAt(t *testing.T, test func(t *testing.T, f *fixture, clock *atomic.Int64)) {
	t.Helper()
	var clock atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	storetest.EachAt(t, now, func(t *testing.T, s *store.Store) {
		clock.Store(0)
		test(t, newFixture(t, s), &clock)
	})
}

// TestDeletePending_SparesWhatARowRefersTo asks for the deletion of every kind of object that is still in use.
func TestDeletePending_SparesWhatARowRefersTo(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		u := f.upload(f.room(t, "r"), "alice", "camera")
		u.Recording.Media.CopyKey = "copy"
		recording, _, err := f.add(t, u)
		check(t, err)

		c := f.started(t, 1, 1)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		check(t, f.publishChunk(t, c.SID, task.Attempt, 0, "chunk"))
		f.reserve(t, c.SID, "film")
		check(t, f.SaveFilm(ctx, c.SID, store.FilmResult{Media: roomreel.Media{CopyKey: "film"}}))

		plan, err := f.PlanRef(ctx, c.SID)
		check(t, err)
		completed := f.started(t, 1, 1)
		check(t, f.Reserve(ctx, string(completed.SID), media("kept")))
		_, err = f.CompleteComposition(ctx, completed.SID, store.FilmResult{Media: roomreel.Media{Key: "kept"}})
		check(t, err)
		f.deletePending(t, string(completed.SID)) // its plan

		for resource, objects := range map[string][]store.PendingDeletion{
			string(recording.SID): {media(recording.Media.Key), media(recording.Index), working("copy")},
			string(c.SID):         {working("chunk"), working("film"), working(plan.Key)},
			string(completed.SID): {media("kept")},
		} {
			check(t, f.Discard(ctx, resource, append(slices.Clone(objects), media("unused "+resource))...))
			if diff := cmp.Diff([]store.PendingDeletion{media("unused " + resource)}, f.deletePending(t, resource)); diff != "" {
				t.Errorf("deleted: %s", diff)
			}
			left, err := f.PendingDeletions(ctx, resource)
			check(t, err)
			if len(left) > 0 {
				t.Errorf("%v is still pending", left)
			}
		}
	})
}

// TestDeletePending_SparesAFilmThatALateAttemptReserved has a late attempt reserve the key of a film that is completed.
func TestDeletePending_SparesAFilmThatALateAttemptReserved(t *testing.T) {
	eachAt(t, func(t *testing.T, f *fixture, clock *atomic.Int64) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		film := store.FilmResult{Size: 1, Duration: 1, Bitrate: 1, Media: roomreel.Media{Key: "film"}}
		check(t, f.Reserve(ctx, string(c.SID), media("film")))
		_, err := f.CompleteComposition(ctx, c.SID, film)
		check(t, err)
		check(t, f.Reserve(ctx, string(c.SID), media("film")))
		_, err = f.CompleteComposition(ctx, c.SID, film)
		wantCode(t, err, roomreel.Conflict)
		clock.Add(int64(25 * time.Hour))
		check(t, f.Expire(ctx, f.Now()))
		wantEqual(t, "deletions enqueued", f.queue.count(store.JobDelete, string(c.SID)) > 0, true)
		if deleted := f.deletePending(t, string(c.SID)); slices.Contains(deleted, media("film")) {
			t.Error("the film is deleted, and the composition refers to it")
		}
	})
}

// TestPublish_NeedsAReservation stores nothing under a key that may be deleted.
func TestPublish_NeedsAReservation(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		_, added, err := f.AddRecording(ctx, f.upload(f.room(t, "r"), "alice", "camera"))
		if !leaseLost(err) || added {
			t.Errorf("a recording is added: %v", err)
		}
		u := f.upload(f.room(t, "s"), "alice", "camera")
		u.Recording.Destination.S3URL = "https://bucket.s3.amazonaws.com"
		r, _, err := f.add(t, u)
		check(t, err)
		if _, err := f.CompleteRecording(ctx, r.SID, roomreel.Media{Key: "elsewhere"}); !leaseLost(err) {
			t.Errorf("a recording is completed: %v", err)
		}
		c := f.started(t, 1, 1)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		if err := f.PublishChunk(ctx, c.SID, store.PublishedChunk{Task: videoTask(0), Attempt: task.Attempt, Key: "chunk", Size: 1}); !leaseLost(err) {
			t.Errorf("a chunk is published: %v", err)
		}
		audio, err := f.AcquireTask(ctx, c.SID, 0)
		check(t, err)
		if err := f.PublishTask(ctx, c.SID, store.PublishedChunk{Number: store.FilmAudio, Attempt: audio.Attempt, Key: "audio", Size: 1}, "{}"); !leaseLost(err) {
			t.Errorf("audio is published: %v", err)
		}
		if err := f.SaveFilm(ctx, c.SID, store.FilmResult{Media: roomreel.Media{CopyKey: "film"}}); !leaseLost(err) {
			t.Errorf("a film is saved: %v", err)
		}
		if _, err := f.CompleteComposition(ctx, c.SID, store.FilmResult{Media: roomreel.Media{Key: "film"}}); !leaseLost(err) {
			t.Errorf("a composition is completed: %v", err)
		}
		plan, err := f.Plan(ctx, c.SID)
		check(t, err)
		if plan.Film != nil || plan.Chunks[0].Done() || plan.Chunks[1].Done() {
			t.Errorf("published without a reservation: %+v", plan)
		}
		after, err := f.CompositionBySID(ctx, c.SID)
		check(t, err)
		wantEqual(t, "status", after.Status, roomreel.CompositionProcessing)
	})
}

func TestPublish_LosesAgainstADeletionThatBegan(t *testing.T) {
	eachAt(t, func(t *testing.T, f *fixture, clock *atomic.Int64) {
		ctx := t.Context()
		c := f.started(t, 1, 1)
		task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
		check(t, err)
		f.reserve(t, c.SID, "chunk")
		clock.Add(int64(25 * time.Hour))
		late := func() {
			t.Helper()
			if err := f.PublishChunk(ctx, c.SID, store.PublishedChunk{Task: videoTask(0), Attempt: task.Attempt, Key: "chunk", Size: 1}); !leaseLost(err) {
				t.Errorf("published while it is deleted: %v", err)
			}
			if err := f.Reserve(ctx, string(c.SID), working("chunk")); !leaseLost(err) {
				t.Errorf("reserved while it is deleted: %v", err)
			}
			check(t, f.Discard(ctx, string(c.SID), working("chunk")))
		}
		away := errors.New("the store is away")
		err = f.DeletePending(ctx, string(c.SID), func(context.Context, store.PendingDeletion) error {
			late()
			return away
		})
		if !errors.Is(err, away) {
			t.Errorf("a deletion that failed: %v", err)
		}
		late()
		if diff := cmp.Diff([]store.PendingDeletion{working("chunk")}, f.deletePending(t, string(c.SID))); diff != "" {
			t.Error(diff)
		}
		left, err := f.PendingDeletions(ctx, string(c.SID))
		check(t, err)
		wantEqual(t, "pending deletions", len(left), 0)
	})
}

// TestDeletePending_AndPublicationsExcludeEachOther runs both at once: an object is either published or deleted.
func TestDeletePending_AndPublicationsExcludeEachOther(t *testing.T) {
	eachAt(t, func(t *testing.T, f *fixture, clock *atomic.Int64) {
		ctx := t.Context()
		for i := range 10 {
			c := f.started(t, 1, 1)
			task, err := f.AcquireTask(ctx, c.SID, videoTask(0))
			check(t, err)
			key := fmt.Sprint("chunk ", i)
			f.reserve(t, c.SID, key)
			clock.Add(int64(25 * time.Hour))
			var deleted atomic.Bool
			published := atOnce(t, 4, func(i int) error {
				if i%2 == 0 {
					return f.PublishChunk(ctx, c.SID, store.PublishedChunk{Task: videoTask(0), Attempt: task.Attempt, Key: key, Size: 1})
				}
				err := f.DeletePending(ctx, string(c.SID), func(context.Context, store.PendingDeletion) error {
					deleted.Store(true)
					return nil
				})
				return errors.Join(err, store.ErrLeaseLost) // only publications are counted
			}, leaseLost)
			if published > 1 || (published == 1) == deleted.Load() {
				t.Errorf("published %d times, deleted %v", published, deleted.Load())
			}
		}
	})
}

func TestDiscardReserved_LeavesWhatIsPublished(t *testing.T) {
	eachDB(t, func(t *testing.T, f *fixture) {
		r := f.recording(t, f.room(t, "r"), "alice", "camera")
		check(t, f.Reserve(t.Context(), string(r.SID), media("second"), working("third")))
		if deleted := f.deletePending(t, string(r.SID)); len(deleted) > 0 {
			t.Errorf("%v is deleted while it is reserved", deleted)
		}
		check(t, f.DiscardReserved(t.Context(), string(r.SID)))
		wantEqual(t, "delete jobs", f.queue.count(store.JobDelete, string(r.SID)), 1)
		if diff := cmp.Diff([]store.PendingDeletion{media("second"), working("third")}, f.deletePending(t, string(r.SID))); diff != "" {
			t.Error(diff)
		}
	})
}
