package jobs

import (
	"context"
	"errors"
	"io"
	"time"

	"roomreel/internal/blob"
	"roomreel/internal/seal"
)

// outage says that our own vault or work store failed. That is nobody's fault who asked for a film: it is waited for, as
// long as for a customer's bucket, and costs no attempt.
type outage struct{ err error }

func (o *outage) Error() string { return o.err.Error() }
func (o *outage) Unwrap() error { return o.err }

// watched tells outages of a store from other errors.
type watched struct{ blob.Store }

// Unwrap returns the store that is watched.
func (w watched) Unwrap() blob.Store { return w.Store }

// watchedOpener is watched for a store that keeps objects open.
type watchedOpener struct {
	watched
	opener blob.Opener
}

func watch(s blob.Store) blob.Store {
	if opener, ok := blob.As[blob.Opener](s); ok {
		return watchedOpener{watched{s}, opener}
	}
	return watched{s}
}

// out makes an outage of what a store says, unless the store is well: an object that is not there or is damaged will
// not come back, and a context that has ended is no failure.
func out(ctx context.Context, err error) error {
	if err == nil || err == io.EOF || ctx.Err() != nil || errors.Is(err, blob.ErrNotExist) || errors.Is(err, seal.ErrDamaged) {
		return err
	}
	return &outage{err}
}

func (w watched) Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error) {
	source := &source{r: r}
	info, err := w.Store.Put(ctx, key, source, size, opts)
	if source.err != nil {
		return info, err // what was to be stored failed, not the store
	}
	return info, out(ctx, err)
}

// source remembers why reading ended.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (w watched) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := w.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, out(ctx, err)
	}
	return watchedBody{body, ctx}, nil
}

type watchedBody struct {
	io.ReadCloser
	ctx context.Context // that of Get
}

func (b watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, out(b.ctx, err)
}

func (w watched) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := w.Store.Stat(ctx, key)
	return info, out(ctx, err)
}

func (w watchedOpener) Open(ctx context.Context, key string) (blob.OpenObject, error) {
	object, err := w.opener.Open(ctx, key)
	if err != nil {
		return nil, out(ctx, err)
	}
	return watchedObject{object, ctx}, nil
}

type watchedObject struct {
	blob.OpenObject
	ctx context.Context // that of Open
}

func (o watchedObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.OpenObject.ReadAt(p, off)
	return n, out(o.ctx, err)
}

// mostOutage is the longest pause between two looks at whether an outage is over.
const mostOutage = time.Minute

// waitOut returns when to try again after an outage, or 0 when err is none or has lasted too long since the work began.
func (r *Runner) waitOut(err error, began time.Time) time.Duration {
	var o *outage
	since := r.Store.Now().Sub(began)
	if !errors.As(err, &o) || since > r.DeliverFor {
		return 0
	}
	return min(patience(since), mostOutage)
}
