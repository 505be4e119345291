package blob

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Opener is a Store that can keep an object open, so that random reads do not look it up each time.
type Opener interface {
	Store
	// Open returns the object under key. The caller closes it. Reads give the object as it was when it was opened, also after
	// it was replaced or deleted.
	Open(ctx context.Context, key string) (OpenObject, error)
}

// OpenObject is an object that an Opener keeps open.
type OpenObject interface {
	io.ReaderAt
	io.Closer
}

// ReaderAt gives random access to an object. It may be used concurrently.
type ReaderAt struct {
	ctx   context.Context // io.ReaderAt's method takes none
	store Store
	key   string
	size  int64

	once sync.Once
	open OpenObject
	err  error
}

// NewReaderAt returns a reader of the size bytes under key. Nothing is opened before the first read. Of a bucket, every ReadAt
// is one ranged request, so callers read some hundred KiB at a time; of a folder, the file stays open until Close.
//
// When ctx is cancelled, running reads end.
func NewReaderAt(ctx context.Context, store Store, key string, size int64) *ReaderAt {
	return &ReaderAt{ctx: ctx, store: store, key: key, size: size}
}

// Size returns the size that NewReaderAt was told, in bytes.
func (r *ReaderAt) Size() int64 { return r.size }

// ReadAt is io.ReaderAt's. An object that is shorter than its size was said to be gives io.ErrUnexpectedEOF.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("blob: read at %d of %s", off, r.key)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p
	if int64(len(want)) > r.size-off {
		want = want[:r.size-off]
	}
	n, err := r.read(want, off)
	switch {
	case err == io.EOF && n < len(want):
		return n, fmt.Errorf("blob: %s ends before its %d bytes: %w", r.key, r.size, io.ErrUnexpectedEOF)
	case err != nil && n < len(want):
		return n, err
	case len(want) < len(p):
		return n, io.EOF
	}
	return n, nil
}

func (r *ReaderAt) read(p []byte, off int64) (int, error) {
	if opener, ok := As[Opener](r.store); ok {
		r.once.Do(func() { r.open, r.err = opener.Open(r.ctx, r.key) })
		if r.err != nil {
			return 0, r.err
		}
		if err := r.ctx.Err(); err != nil {
			return 0, context.Cause(r.ctx)
		}
		return r.open.ReadAt(p, off)
	}
	body, err := r.store.Get(r.ctx, r.key, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// Close closes the object. It may be called twice, and before any read. Later reads fail.
func (r *ReaderAt) Close() error {
	r.once.Do(func() { r.err = fmt.Errorf("blob: %s was closed", r.key) })
	if r.open == nil {
		return nil
	}
	return r.open.Close()
}
