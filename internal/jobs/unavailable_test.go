package jobs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"roomreel"
	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/blob/s3/s3test"
	"roomreel/internal/queue"
	"roomreel/internal/store"
	"roomreel/internal/store/storetest"
)

// failingStore fails its first calls, as a bucket may that is out of order.
type failingStore struct {
	blob.Store
	left *atomic.Int64
}

var errOutOfOrder = errors.New("the store is out of order")

func (s failingStore) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	if s.left.Add(-1) >= 0 {
		return blob.Info{}, errOutOfOrder
	}
	return s.Store.Put(ctx, key, r, size, opts)
}

func (s failingStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if s.left.Add(-1) >= 0 {
		return nil, errOutOfOrder
	}
	return s.Store.Get(ctx, key, offset, length)
}

// TestUnavailable_CountsNoAttempt lets the stores fail more often than a job is tried.
func TestUnavailable_CountsNoAttempt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var media, working atomic.Int64
		r := w.worker(t, func(_ *queue.Config, c *Config) {
			c.attempts, c.Media, c.Working = 1, failingStore{w.media, &media}, failingStore{w.working, &working}
		})
		room := w.room(t, "")
		media.Store(2)
		working.Store(2)
		start(t, r)
		w.complete(t, room)
		c := w.ended(t, w.compose(t, room, everyone))
		if c.Status != roomreel.CompositionCompleted || media.Load() >= 0 || working.Load() >= 0 {
			t.Errorf("the composition is %s with %+v; %d and %d failures are left", c.Status, c.Failure, media.Load(), working.Load())
		}
	})
}

// TestCheckSpace_GivesUpAfterAWhile has a disk that never has enough space, as for a film that is larger than the disk.
func TestCheckSpace_GivesUpAfterAWhile(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		full := app.New(app.Config{Store: w.store, Scratch: w.folder, ScratchFloor: 1 << 60, Log: slog.New(slog.DiscardHandler)})
		ended := make(chan error, 1)
		r := w.worker(t, func(_ *queue.Config, c *Config) { c.App = full })
		render := func(sid roomreel.CompositionSID) roomreel.Composition {
			ended <- r.ofComposition(r.renderTask)(t.Context(), queue.Job{Job: store.Job{SID: string(sid)}})
			c, err := w.store.CompositionBySID(t.Context(), sid)
			check(t, err)
			return c
		}
		room := w.room(t, "")
		w.complete(t, room)
		sid := w.compose(t, room, everyone)
		_, _, err := w.store.StartComposition(t.Context(), sid)
		check(t, err)
		c := render(sid)
		if _, snoozed := queue.Snoozed(<-ended); !snoozed || !c.Status.InProgress() {
			t.Errorf("at first the composition is %s with %+v", c.Status, c.Failure)
		}
		w.offset.Add(int64(2 * time.Hour)) // over the deadline
		c = render(sid)
		if err := <-ended; err != nil || c.Status != roomreel.CompositionFailed || !strings.Contains(c.Failure.Message, "had no space for it for 1h0m0s") {
			t.Errorf("after two hours: %v; the composition is %s with %+v", err, c.Status, c.Failure)
		}
	})
}

func TestUnavailable_IsOnlyTheStoresFailure(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	var left atomic.Int64
	s := watchStore(failingStore{w.working, &left})
	broken := errors.New("the child died")
	_, err := s.Put(t.Context(), "a", io.MultiReader(errReader{broken}), -1, blob.PutOptions{})
	var unavailable *unavailableError
	if !errors.Is(err, broken) || errors.As(err, &unavailable) {
		t.Errorf("what was to be stored failed: %v, which is no failure of the store", err)
	}
	if _, err := s.Get(t.Context(), "nothing", 0, -1); !errors.Is(err, blob.ErrNotExist) || errors.As(err, &unavailable) {
		t.Errorf("nothing is there: %v, which is no failure of the store", err)
	}
	left.Store(1)
	if _, err := s.Get(t.Context(), "a", 0, -1); !errors.As(err, &unavailable) || !errors.Is(err, errOutOfOrder) {
		t.Errorf("out of order: %v, want it to be unavailable", err)
	}
}

// TestWatchStore_HidesNoAbility looks for what a bucket below can do that a folder cannot, and the other way round.
func TestWatchStore_HidesNoAbility(t *testing.T) {
	server := s3test.Start(t)
	core := minio.Core{Client: server.Admin}
	if _, err := core.NewMultipartUpload(t.Context(), server.Bucket, "media/film", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	bucket := watchStore(s3test.Open(t, server.Config(t, server.Host, "media")))
	aborter, ok := blob.As[blob.Aborter](bucket)
	if !ok {
		t.Fatal("the bucket cannot end unfinished uploads")
	}
	check(t, aborter.AbortUnfinished(t.Context(), "film"))
	if left := server.Unfinished(t); left != nil {
		t.Errorf("left %v", left)
	}
	if _, ok := blob.As[blob.Opener](bucket); ok {
		t.Error("a bucket keeps objects open")
	}
	w := newWorld(t, storetest.SQLite(t))
	if _, ok := blob.As[blob.Opener](watchStore(w.media)); !ok {
		t.Error("a folder does not keep objects open")
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
