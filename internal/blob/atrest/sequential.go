package atrest

import (
	"context"
	"io"
	"sync"

	"roomreel/internal/blob"
)

// sequentialReader gives random access to an object of a bucket. Sequential reads share one request: a request for each read
// of a long film would spend most of the time waiting for answers.
type sequentialReader struct {
	ctx    context.Context // io.ReaderAt's method takes none
	store  blob.Store
	key    string
	random *blob.ReaderAt

	mu   sync.Mutex
	last int64         // where the latest read ended
	body io.ReadCloser // of the request that sequential reads share; nil for none
	at   int64         // offset of the next byte of body
}

// ReadAt is io.ReaderAt's. A read that continues where the latest one ended starts a shared request.
func (r *sequentialReader) ReadAt(p []byte, off int64) (int, error) {
	if !r.mu.TryLock() { // concurrent reads are not sequential
		return r.random.ReadAt(p, off)
	}
	defer r.mu.Unlock()
	follows := off > 0 && off == r.last
	r.last = off + int64(len(p))
	if !follows || r.last > r.random.Size() {
		return r.random.ReadAt(p, off)
	}
	if r.body == nil || r.at != off {
		if err := r.drop(); err != nil {
			return 0, err
		}
		body, err := r.store.Get(r.ctx, r.key, off, -1)
		if err != nil {
			return 0, err
		}
		r.body, r.at = body, off
	}
	n, err := io.ReadFull(r.body, p)
	r.at += int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *sequentialReader) drop() (err error) {
	if r.body != nil {
		err = r.body.Close()
	}
	r.body = nil
	return err
}

// Close ends the shared request.
func (r *sequentialReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.drop(); err != nil {
		return err
	}
	return r.random.Close()
}
