package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"roomreel/internal/blob"
)

// Get reads a range of an object. When the connection breaks, the download is resumed there, if the object is still the same.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := blob.CheckRange(offset, length); err != nil {
		return nil, err
	}
	name, err := s.name(key)
	if err != nil {
		return nil, err
	}
	if length == 0 {
		if _, err := s.Stat(ctx, key); err != nil {
			return nil, err
		}
		return io.NopCloser(strings.NewReader("")), nil
	}
	b := &body{ctx: ctx, store: s, name: name, offset: offset, left: length, tries: s.config.Tries}
	if err := b.open(); err != nil {
		var refused minio.ErrorResponse
		if errors.As(err, &refused) && refused.Code == minio.InvalidRange {
			return io.NopCloser(strings.NewReader("")), nil
		}
		return nil, fmt.Errorf("read %s: %w", key, classify(ctx, err))
	}
	return b, nil
}

// body is the rest of a range that is still to be read.
type body struct {
	ctx    context.Context // of Get: io.Reader's method takes none
	store  *Store
	name   string
	offset int64 // of the next byte
	left   int64 // bytes to come, or -1 before the first answer
	etag   string
	tries  int   // how often the download may still be resumed
	came   int64 // bytes since it was resumed last
	r      io.ReadCloser
}

// refillAfter is the number of bytes after which the number of tries is restored. So a long download over an unreliable
// connection completes, and a store that breaks every answer ends it.
const refillAfter = 1 << 20

func (b *body) open() error {
	c, err := b.store.client(b.ctx)
	if err != nil {
		return err
	}
	var opts minio.GetObjectOptions
	if b.left >= 0 {
		err = opts.SetRange(b.offset, b.offset+b.left-1)
	} else if b.offset > 0 {
		err = opts.SetRange(b.offset, 0)
	}
	if err == nil && b.etag != "" {
		err = opts.SetMatchETag(b.etag)
	}
	if err != nil {
		return err
	}
	r, info, _, err := c.GetObject(b.ctx, b.store.config.Target.Bucket, b.name, opts)
	if err != nil {
		return err
	}
	b.r, b.etag, b.came = r, info.ETag, 0
	if b.left < 0 || info.Size < b.left {
		b.left = info.Size
	}
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	for {
		n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
		b.offset += int64(n)
		b.left -= int64(n)
		if b.came += int64(n); b.came >= refillAfter {
			b.tries = b.store.config.Tries
		}
		switch {
		case n > 0 || b.left == 0:
			return n, nil
		case err == nil:
			return 0, nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if b.tries--; b.tries <= 0 || b.ctx.Err() != nil || errors.Is(err, errClosed) {
			return 0, classify(b.ctx, err)
		}
		b.r.Close()
		if err := b.open(); err != nil {
			b.r = closed{}
			return 0, classify(b.ctx, err)
		}
	}
}

func (b *body) Close() error {
	err := b.r.Close()
	b.r = closed{}
	return err
}

var errClosed = errors.New("read after Close")

// closed is what a body reads from when there is nothing more to read.
type closed struct{}

func (closed) Read([]byte) (int, error) { return 0, errClosed }
func (closed) Close() error             { return nil }
