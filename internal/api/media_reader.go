package api

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Windows of a blob that are asked for at once: small at first, for most readers of a range want little, then doubled,
// for those who read on want all.
const (
	firstWindow   = 1 << 20
	largestWindow = 64 << 20
)

// blobReader makes a seekable reader of a blob that is read by ranges, for http.ServeContent. It asks the store only for
// what is read. It belongs to one request, whose context it keeps.
type blobReader struct {
	ctx    context.Context
	open   func(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	size   int64
	at     int64
	window int64
	part   io.ReadCloser // open from at to partEnd; nil when nothing is open
	end    int64
	err    error // the first failure, for the log: ServeContent has already sent a status
}

func (b *blobReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("api: seek before the start")
	}
	if offset != b.at {
		b.closePart()
		b.at, b.window = offset, 0
	}
	return offset, nil
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if b.part == nil {
		b.window = min(max(2*b.window, firstWindow), largestWindow)
		length := min(b.window, b.size-b.at)
		part, err := b.open(b.ctx, b.at, length)
		if err != nil {
			return 0, b.fail(err)
		}
		b.part, b.end = part, b.at+length
	}
	n, err := b.part.Read(p[:min(int64(len(p)), b.end-b.at)])
	b.at += int64(n)
	switch {
	case b.at == b.end:
		b.closePart()
		return n, nil
	case err == io.EOF:
		return n, b.fail(io.ErrUnexpectedEOF)
	case err != nil:
		return n, b.fail(err)
	}
	return n, nil
}

func (b *blobReader) fail(err error) error {
	if b.err == nil {
		b.err = fmt.Errorf("read media at %d of %d: %w", b.at, b.size, err)
	}
	return err
}

func (b *blobReader) closePart() {
	if b.part != nil {
		b.part.Close()
		b.part = nil
	}
}

// Close lets go of what is open. It may be called twice.
func (b *blobReader) Close() error {
	b.closePart()
	return nil
}
