package atrest

import (
	"context"
	"io"
	"sync"

	"roomreel/internal/blob"
)

// onward reads an object of a bucket here and there, and as one stream where it is read from front to back: a request
// for every piece of a long film would spend its time waiting for answers.
type onward struct {
	ctx   context.Context // of the use that an onward is
	store blob.Store
	key   string
	here  *blob.ReaderAt

	mu   sync.Mutex
	last int64 // where the latest read ended
	body io.ReadCloser
	at   int64 // of the next byte of body
}

// ReadAt is io.ReaderAt's. The second of two reads that follow each other begins a stream.
func (o *onward) ReadAt(p []byte, off int64) (int, error) {
	if !o.mu.TryLock() { // somebody else is reading too, so nobody reads from front to back
		return o.here.ReadAt(p, off)
	}
	defer o.mu.Unlock()
	follows := off > 0 && off == o.last
	o.last = off + int64(len(p))
	if !follows || o.last > o.here.Size() {
		return o.here.ReadAt(p, off)
	}
	if o.body == nil || o.at != off {
		if err := o.drop(); err != nil {
			return 0, err
		}
		body, err := o.store.Get(o.ctx, o.key, off, -1)
		if err != nil {
			return 0, err
		}
		o.body, o.at = body, off
	}
	n, err := io.ReadFull(o.body, p)
	o.at += int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (o *onward) drop() (err error) {
	if o.body != nil {
		err = o.body.Close()
	}
	o.body = nil
	return err
}

// Close lets go of what was opened.
func (o *onward) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.drop(); err != nil {
		return err
	}
	return o.here.Close()
}
