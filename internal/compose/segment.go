package compose

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// A segment holds what one child encoded for one chunk, or for an audio task: all payloads back to back, then a table of
// them, then eight bytes that say how long the table is. Payloads come first so that they can be written as they are made
// and copied into a film unchanged.
//
//	table   = version, delay, private, count, count x sample
//	private = length, bytes
//	sample  = size, len, shift (zigzag), key (0 or 1)
//
// Every number is an unsigned varint of encoding/binary.
const segmentVersion = 1

// maxTable bounds what is read into memory of a damaged object: a day of audio is 40 MB.
const maxTable = 256 << 20

// segmentStore is what segments need of a blob.Store.
type segmentStore interface {
	Put(ctx context.Context, key string, r io.Reader, size int64, opts blob.PutOptions) (blob.Info, error)
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
}

// Segment is a stored segment.
type Segment struct {
	Key    string
	Size   int64  // bytes
	Header string // a checksum of the encoder's header, to compare segments by
}

// segmentWriter stores one segment while it is being made.
type segmentWriter struct {
	key     string
	header  protocol.Header
	table   []byte
	samples int
	size    int64
	pipe    *io.PipeWriter
	stored  chan error
}

// newSegmentWriter begins the segment under key. Either commit or abort must be called.
func newSegmentWriter(ctx context.Context, store segmentStore, key string, header protocol.Header) *segmentWriter {
	r, w := io.Pipe()
	pw := &segmentWriter{key: key, header: header, pipe: w, stored: make(chan error, 1)}
	go func() {
		_, err := store.Put(ctx, key, r, -1, blob.PutOptions{ContentType: "application/octet-stream"})
		if err != nil {
			r.CloseWithError(err)
		}
		pw.stored <- err
	}()
	return pw
}

// add appends one packet. Packets come in decoding order.
func (w *segmentWriter) add(packet protocol.Packet) error {
	if _, err := w.pipe.Write(packet.Data); err != nil {
		return fmt.Errorf("store segment: %w", err)
	}
	w.table = binary.AppendUvarint(w.table, uint64(len(packet.Data)))
	w.table = binary.AppendUvarint(w.table, uint64(packet.Len))
	w.table = binary.AppendVarint(w.table, packet.PTS-int64(w.samples))
	key := uint64(0)
	if packet.Key {
		key = 1
	}
	w.table = binary.AppendUvarint(w.table, key)
	w.samples++
	w.size += int64(len(packet.Data))
	return nil
}

// commit writes the table and waits until the segment is stored.
func (w *segmentWriter) commit() (Segment, error) {
	head := binary.AppendUvarint(nil, segmentVersion)
	head = binary.AppendUvarint(head, uint64(w.header.Delay))
	head = binary.AppendUvarint(head, uint64(len(w.header.Private)))
	head = append(head, w.header.Private...)
	head = binary.AppendUvarint(head, uint64(w.samples))
	tail := binary.BigEndian.AppendUint64(nil, uint64(len(head)+len(w.table)))
	for _, part := range [][]byte{head, w.table, tail} {
		if _, err := w.pipe.Write(part); err != nil {
			<-w.stored
			return Segment{}, fmt.Errorf("store segment: %w", err)
		}
		w.size += int64(len(part))
	}
	w.pipe.Close()
	sum := sha256.Sum256(w.header.Private)
	return Segment{Key: w.key, Size: w.size, Header: hex.EncodeToString(sum[:8])}, <-w.stored
}

// abort ends the segment without storing it.
func (w *segmentWriter) abort() {
	w.pipe.CloseWithError(errors.New("abandoned"))
	<-w.stored
}

// openedSegment is a stored segment whose table was read.
type openedSegment struct {
	key     string
	private []byte
	delay   int64
	samples []media.OutputSample
	order   []int32 // PTS less the place in decoding order
	payload int64   // bytes of all payloads
}

// openSegment reads the table of a segment.
func openSegment(ctx context.Context, store segmentStore, segment Segment) (*openedSegment, error) {
	key, size := segment.Key, segment.Size
	fail := func(what string) (*openedSegment, error) { return nil, fmt.Errorf("segment %s: %s", key, what) }
	if size < 8 {
		return fail("too short")
	}
	tail, err := readRange(ctx, store, key, size-8, 8)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(tail)
	if length > maxTable || int64(length) > size-8 {
		return fail("its table does not fit")
	}
	p := &openedSegment{key: key, payload: size - 8 - int64(length)}
	raw, err := readRange(ctx, store, key, p.payload, int64(length))
	if err != nil {
		return nil, err
	}
	table := bytes.NewReader(raw)
	var bad error
	number := func() uint64 {
		n, err := binary.ReadUvarint(table)
		bad = errors.Join(bad, err)
		return n
	}
	if number() != segmentVersion {
		return fail("unknown version")
	}
	p.delay = int64(number())
	if n := number(); bad == nil && n <= uint64(table.Len()) {
		p.private = make([]byte, n)
		io.ReadFull(table, p.private)
	}
	var payload int64
	for count := number(); count > 0 && bad == nil; count-- {
		sample := media.OutputSample{Size: uint32(number()), Len: uint32(number())}
		shift, err := binary.ReadVarint(table)
		bad = errors.Join(bad, err)
		sample.Key = number() == 1
		p.samples = append(p.samples, sample)
		p.order = append(p.order, int32(shift))
		payload += int64(sample.Size)
	}
	switch {
	case bad != nil:
		return fail("its table is damaged")
	case payload != p.payload || table.Len() != 0:
		return fail("its table and its payload disagree")
	}
	return p, nil
}

func readRange(ctx context.Context, store segmentStore, key string, offset, length int64) ([]byte, error) {
	body, err := store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return data, nil
}

// payloads reads the payloads of several segments one after the other.
type payloads struct {
	ctx   context.Context
	store segmentStore
	rest  []*openedSegment
	body  io.ReadCloser
}

func newPayloads(ctx context.Context, store segmentStore, segments ...*openedSegment) *payloads {
	return &payloads{ctx: ctx, store: store, rest: segments}
}

func (r *payloads) Read(b []byte) (int, error) {
	for {
		if r.body == nil {
			if len(r.rest) == 0 {
				return 0, io.EOF
			}
			if r.rest[0].payload == 0 {
				r.rest = r.rest[1:]
				continue
			}
			body, err := r.store.Get(r.ctx, r.rest[0].key, 0, r.rest[0].payload)
			if err != nil {
				return 0, err
			}
			r.body, r.rest = body, r.rest[1:]
		}
		n, err := r.body.Read(b)
		if err == io.EOF {
			r.body.Close()
			r.body, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (r *payloads) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
