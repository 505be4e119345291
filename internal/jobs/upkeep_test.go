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
	"roomreel/internal/store"
)

// stubborn is a store that deletes nothing for a while.
type stubborn struct {
	blob.Store
	refusals int
}

func (s *stubborn) Delete(ctx context.Context, key string) error {
	if s.refusals > 0 {
		s.refusals--
		return errors.New("not now")
	}
	return s.Store.Delete(ctx, key)
}

func TestErase_IsTriedUntilNothingIsLeft(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.runner(t, func(c *Config) { c.Vault = &stubborn{c.Vault, 1} })
		room := w.room(t, "")
		all, err := w.store.RecordingsOf(t.Context(), room.SID)
		check(t, err)
		job := args{SID: string(all[0].SID)}
		check(t, w.store.DeleteRecording(t.Context(), w.account, all[0].SID))
		if err := r.erase(t.Context(), job); err == nil {
			t.Error("a blob that is still there counts as erased")
		}
		check(t, r.erase(t.Context(), job))
		if _, err := w.vault.Stat(t.Context(), all[0].Media.Key); !errors.Is(err, blob.ErrNotExist) {
			t.Errorf("the media is still there: %v", err)
		}
		left, err := w.store.PendingDeletions(t.Context(), job.SID)
		if err != nil || len(left) > 0 {
			t.Errorf("%v is still to be erased, %v", left, err)
		}
	})
}

func TestExpire_ForgetsTheDeletedAfterThirtyDays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.runner(t, nil)
		room := w.room(t, "")
		sid := w.compose(t, room, everyone)
		check(t, w.app.DeleteComposition(t.Context(), w.account, sid, false))
		w.offset.Add(int64(29 * 24 * time.Hour))
		check(t, r.expire(t.Context(), args{}))
		if _, err := w.store.CompositionBySID(t.Context(), sid); err != nil {
			t.Errorf("gone after 29 days: %v", err)
		}
		w.offset.Add(int64(2 * 24 * time.Hour))
		check(t, r.expire(t.Context(), args{}))
		if _, err := w.store.CompositionBySID(t.Context(), sid); roomreel.CodeOf(err) != roomreel.NotFound {
			t.Errorf("still there after 31 days: %v", err)
		}
	})
}

func TestReserved_BlobsAreErasedWhenNothingRefersToThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := start(t, w.runner(t, nil))
		room := w.room(t, "")
		sid := w.compose(t, room, everyone)
		lost, err := w.store.CompositionBySID(t.Context(), sid)
		check(t, err)
		key := objectkey.Working(lost.AccountSID, lost.SID, "chunk-00000", 1)
		check(t, r.reserve(t.Context(), sid, store.WorkingStore, key))
		_, err = w.work.Put(t.Context(), key, strings.NewReader(""), 0, blob.PutOptions{})
		check(t, err) // and here its process dies
		w.offset.Add(int64(25 * time.Hour))
		check(t, r.expire(t.Context(), args{}))
		w.nothingLeft(t)
	})
}
