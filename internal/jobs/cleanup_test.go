package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/blob"
	"roomreel/internal/objectkey"
	"roomreel/internal/queue"
	"roomreel/internal/store"
)

// undeletable is a store that fails to delete for a while.
type undeletable struct {
	blob.Store
	refusals int
}

func (s *undeletable) Delete(ctx context.Context, key string) error {
	if s.refusals > 0 {
		s.refusals--
		return errors.New("not now")
	}
	return s.Store.Delete(ctx, key)
}

func TestDelete_IsTriedUntilNothingIsLeft(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, func(q *queue.Config, c *Config) { c.Media = &undeletable{c.Media, 1} })
		room := w.room(t, "")
		all, err := w.store.RecordingsOf(t.Context(), room.SID)
		check(t, err)
		job := queue.Job{Job: store.Job{SID: string(all[0].SID)}}
		check(t, w.store.DeleteRecording(t.Context(), w.account, all[0].SID))
		if err := r.deleteObjects(t.Context(), job); err == nil {
			t.Error("a blob that is still there counts as deleted")
		}
		check(t, r.deleteObjects(t.Context(), job))
		if _, err := w.media.Stat(t.Context(), all[0].Media.Key); !errors.Is(err, blob.ErrNotExist) {
			t.Errorf("the media is still there: %v", err)
		}
		left, err := w.store.PendingDeletions(t.Context(), job.SID)
		if err != nil || len(left) > 0 {
			t.Errorf("%v is still to be deleted, %v", left, err)
		}
	})
}

func TestExpire_ForgetsTheDeletedAfterThirtyDays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.worker(t, nil)
		room := w.room(t, "")
		sid := w.compose(t, room, everyone)
		check(t, w.app.DeleteComposition(t.Context(), w.account, sid, false))
		w.offset.Add(int64(29 * 24 * time.Hour))
		check(t, r.expire(t.Context(), queue.Job{}))
		if _, err := w.store.CompositionBySID(t.Context(), sid); err != nil {
			t.Errorf("gone after 29 days: %v", err)
		}
		w.offset.Add(int64(2 * 24 * time.Hour))
		check(t, r.expire(t.Context(), queue.Job{}))
		if _, err := w.store.CompositionBySID(t.Context(), sid); roomreel.CodeOf(err) != roomreel.NotFound {
			t.Errorf("still there after 31 days: %v", err)
		}
	})
}

func TestReserved_ObjectsAreDeletedWhenNothingRefersToThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := start(t, w.worker(t, nil))
		room := w.room(t, "")
		sid := w.compose(t, room, everyone)
		lost, err := w.store.CompositionBySID(t.Context(), sid)
		check(t, err)
		key := objectkey.Working(lost.AccountSID, lost.SID, "chunk-00000", 1)
		check(t, r.Store.Reserve(t.Context(), string(sid), store.PendingDeletion{Store: store.WorkingStore, Key: key}))
		_, err = w.working.Put(t.Context(), key, strings.NewReader(""), 0, blob.PutOptions{})
		check(t, err) // and here its process dies
		w.offset.Add(int64(25 * time.Hour))
		check(t, r.expire(t.Context(), queue.Job{}))
		w.nothingLeft(t)
	})
}
