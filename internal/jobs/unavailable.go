package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"roomreel/internal/app"
	"roomreel/internal/blob"
	"roomreel/internal/seal"
)

// unavailableError says that our own media store or working store failed. This is the service's failure: the job is tried
// again for as long as a delivery to a customer's bucket, and no attempt counts.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// watchedStore tells failures of a store from other errors: from those of a reader whose bytes it was to store, of an object
// that is not there, of a context that has ended.
type watchedStore struct{ blob.Store }

// Unwrap returns the store that is watched.
func (s watchedStore) Unwrap() blob.Store { return s.Store }

// watchedOpener is a watchedStore for a store that keeps objects open.
type watchedOpener struct {
	watchedStore
	opener blob.Opener
}

func watchStore(s blob.Store) blob.Store {
	if opener, ok := blob.As[blob.Opener](s); ok {
		return watchedOpener{watchedStore{s}, opener}
	}
	return watchedStore{s}
}

// storeError marks a store's error as unavailable. An object that is not there or is damaged will not come back, so its error
// stays as it is.
func storeError(ctx context.Context, err error) error {
	if err == nil || err == io.EOF || ctx.Err() != nil || errors.Is(err, blob.ErrNotExist) || errors.Is(err, seal.ErrDamaged) {
		return err
	}
	return &unavailableError{err}
}

func (s watchedStore) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	source := &trackedReader{r: r}
	info, err := s.Store.Put(ctx, key, source, size, opts)
	if err != nil && source.err != nil { // what was to be stored failed, not the store
		return info, fmt.Errorf("store %s: %w", key, source.err)
	}
	return info, storeError(ctx, err)
}

// trackedReader remembers why reading ended.
type trackedReader struct {
	r   io.Reader
	err error
}

func (s *trackedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s watchedStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, storeError(ctx, err)
	}
	return watchedBody{body, ctx}, nil
}

type watchedBody struct {
	io.ReadCloser
	ctx context.Context // that of Get
}

func (b watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, storeError(b.ctx, err)
}

func (s watchedStore) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := s.Store.Stat(ctx, key)
	return info, storeError(ctx, err)
}

func (s watchedOpener) Open(ctx context.Context, key string) (blob.OpenObject, error) {
	object, err := s.opener.Open(ctx, key)
	if err != nil {
		return nil, storeError(ctx, err)
	}
	return watchedObject{object, ctx}, nil
}

type watchedObject struct {
	blob.OpenObject
	ctx context.Context // that of Open
}

func (o watchedObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.OpenObject.ReadAt(p, off)
	return n, storeError(o.ctx, err)
}

// maxUnavailableWait is the longest pause between two looks at whether a store answers again.
const maxUnavailableWait = time.Minute

// spaceRetry is when work looks again whether a full disk has space.
const spaceRetry = 10 * time.Second

// untilAvailable returns when to try again because a store is unavailable or a disk is full, or 0 when err has another cause or the
// work began too long ago. Work that could not begin waits for as long as it takes.
func (w *Worker) untilAvailable(err error, began time.Time) time.Duration {
	var unavailable *unavailableError
	if !errors.As(err, &unavailable) && !app.IsFull(err) {
		return 0
	}
	if began.IsZero() {
		return spaceRetry
	}
	since := w.Store.Now().Sub(began)
	if since > w.DeliverFor {
		return 0
	}
	return min(backoff(since), maxUnavailableWait)
}
