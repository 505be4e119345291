package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	mp4ff "github.com/Eyevinn/mp4ff/mp4"
)

// mp4ff decodes the boxes that we need; the walk from box to box is ours, because a file of a stranger may be truncated,
// damaged, or full of unknown boxes.

const (
	// window is how much of a file is fetched at once when it is read from front to back.
	window = 128 << 10

	// maxLeaf bounds a box that is read into memory: a table of two numbers for each of media.MaxPackets.
	maxLeaf = 64 << 20
)

// source reads a file of a known size through a window.
type source struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	at   int64 // where buf begins in the file
	work int64 // bytes of boxes that were looked at or decoded

	descriptions int // of the current movie's tracks, beyond the first of each; at most media.MaxParts

	strict bool // a damaged box is an error, as it should be in a film of our own; else it is left out
}

// tolerate returns err, or nil when it is about a damaged box that may be left out.
func (s *source) tolerate(err error) error {
	if err == errBox && !s.strict {
		return nil
	}
	return err
}

// charge notes work on n bytes of boxes. Boxes of a whole file are looked at once or twice; more means that they were made to
// lie over each other, and what is left of them is not read.
func (s *source) charge(n int64) bool {
	s.work += n
	return s.work <= 2*s.size+1<<20
}

// bytes returns n bytes at pos, fewer at the end of the file. They are valid until the next call.
func (s *source) bytes(pos int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.size-pos))
	if n <= 0 {
		return nil, nil
	}
	if pos < s.at || pos+int64(n) > s.at+int64(len(s.buf)) {
		// Reading ahead pays when a file is read in order. What is asked for out of order is fetched alone.
		ahead := n
		if pos >= s.at && pos <= s.at+int64(len(s.buf))+window {
			ahead = max(n, window)
		}
		ahead = int(min(int64(ahead), s.size-pos))
		if cap(s.buf) < ahead {
			s.buf = make([]byte, max(ahead, window))
		}
		s.buf, s.at = s.buf[:ahead], pos
		got, err := s.r.ReadAt(s.buf, pos)
		s.buf = s.buf[:got]
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("read recording: %w", err)
		}
	}
	from := int(pos - s.at)
	return s.buf[from:min(from+n, len(s.buf))], nil
}

// box is one box of a file.
type box struct {
	kind           string
	pos, body, end int64
	open           bool // it does not say where it ends
}

// box returns the box at pos, which may not reach beyond end. Its kind is "" when there is none.
func (s *source) box(pos, end int64) (box, error) {
	head, err := s.bytes(pos, 16)
	if err != nil || len(head) < 8 || end-pos < 8 {
		return box{}, err
	}
	b := box{kind: string(head[4:8]), pos: pos, body: pos + 8, end: pos + int64(binary.BigEndian.Uint32(head))}
	switch {
	case b.end == pos:
		b.end, b.open = end, true
	case b.end == pos+1 && len(head) == 16:
		b.body += 8
		if n := binary.BigEndian.Uint64(head[8:]); n <= uint64(s.size-pos) {
			b.end = pos + int64(n)
		} else {
			b.end = s.size + 1
		}
	}
	if b.end < b.body || !s.charge(b.body-pos) {
		return box{}, nil
	}
	return b, nil
}

// each calls do for the boxes that lie in b, until one does not fit.
func (s *source) each(b box, do func(box) error) error {
	for pos := b.body; pos < b.end; {
		child, err := s.box(pos, b.end)
		if err != nil {
			return err
		}
		if child.kind == "" || child.end > b.end {
			return s.tolerate(errBox)
		}
		if err := do(child); err != nil {
			return err
		}
		pos = child.end
	}
	return nil
}

// errBox means that a box is damaged.
var errBox = errors.New("a box is damaged")

// load returns the body of a box that is to be decoded. A box that is too large is damaged.
func (s *source) load(b box) ([]byte, error) {
	n := b.end - b.body
	if n > maxLeaf || b.end > s.size || !s.charge(n) {
		return nil, errBox
	}
	body := make([]byte, n)
	if _, err := s.r.ReadAt(body, b.body); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	return body, nil
}

// decoder is one of mp4ff's functions for the body of a box.
type decoder func(mp4ff.BoxHeader, uint64, bits.SliceReader) (mp4ff.Box, error)

// decode loads and decodes a box. The error is errBox when it is damaged. A box that is not there is one without content.
func decode[B any](s *source, b box, f decoder) (*B, error) {
	if b.kind == "" {
		return new(B), nil
	}
	body, err := s.load(b)
	if err != nil {
		return nil, err
	}
	return decodeBody[B](b.kind, body, f)
}

func decodeBody[B any](kind string, body []byte, f decoder) (decoded *B, err error) {
	defer func() {
		if recover() != nil { // a damaged box that mp4ff does not expect
			decoded, err = nil, errBox
		}
	}()
	header := mp4ff.BoxHeader{Name: kind, Size: uint64(len(body) + 8), Hdrlen: 8}
	b, err := f(header, 0, bits.NewFixedSliceReader(body))
	if err != nil {
		return nil, errBox
	}
	return any(b).(*B), nil
}

// parts calls do for the boxes in b, until one does not fit.
func parts(b []byte, do func(kind string, body []byte)) {
	for len(b) >= 8 {
		n := binary.BigEndian.Uint32(b)
		if n < 8 || uint64(n) > uint64(len(b)) {
			return
		}
		do(string(b[4:8]), b[8:n])
		b = b[n:]
	}
}
