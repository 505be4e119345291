package compose

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/seal"
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
	Number   int // of its chunk, by which an UnfitError names it
	Key      string
	Size     int64  // bytes
	Header   string // a checksum of the encoder's header, to compare segments by
	Checksum string // of its payload and of what follows; "" when it is not known
	Frames   int    // that the plan asks for; 0 when that is not known, and for audio

	inside bool // of copied packets after the first segment: it need not begin with a keyframe
}

// UnfitError says that stored segments are not what was stored, or not what the plan asks for. Their chunks have to be
// rendered again.
type UnfitError struct {
	Chunks []int // their Segment.Number
	Err    error // of the first
}

func (e *UnfitError) Error() string { return e.Err.Error() }
func (e *UnfitError) Unwrap() error { return e.Err }

// readError returns the error of reading a segment: an UnfitError when it is gone or was cut, else err.
func (s Segment) readError(err error) error {
	if errors.Is(err, blob.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, seal.ErrDamaged) {
		return &UnfitError{[]int{s.Number}, err}
	}
	return err
}

// castagnoli is the polynomial for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum writes the checksums of a segment's payload and of what follows.
func checksum(payload, table uint32) string { return fmt.Sprintf("%08x%08x", payload, table) }

// segmentWriter stores one segment while it is being made.
type segmentWriter struct {
	key     string
	header  protocol.Header
	table   []byte
	samples int
	size    int64
	sum     uint32 // of the payload
	pipe    *io.PipeWriter
	out     *bufio.Writer // to pipe: a packet of audio is small
	stored  chan error
}

// segmentBuffer is how many bytes of a segment are stored at a time.
const segmentBuffer = 64 << 10

// newSegmentWriter begins the segment under key. Either commit or abort must be called.
func newSegmentWriter(ctx context.Context, store segmentStore, key string, header protocol.Header) *segmentWriter {
	r, w := io.Pipe()
	pw := &segmentWriter{key: key, header: header, pipe: w, out: bufio.NewWriterSize(w, segmentBuffer), stored: make(chan error, 1)}
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
	if _, err := w.out.Write(packet.Data); err != nil {
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
	w.sum = crc32.Update(w.sum, castagnoli, packet.Data)
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
	var after uint32 // the payload
	for _, part := range [][]byte{head, w.table, tail} {
		after = crc32.Update(after, castagnoli, part)
		w.out.Write(part) // its error stays until the flush
		w.size += int64(len(part))
	}
	if err := w.out.Flush(); err != nil {
		<-w.stored
		return Segment{}, fmt.Errorf("store segment: %w", err)
	}
	w.pipe.Close()
	sum := sha256.Sum256(w.header.Private)
	return Segment{Key: w.key, Size: w.size, Header: hex.EncodeToString(sum[:8]), Checksum: checksum(w.sum, after)}, <-w.stored
}

// abort ends the segment without storing it.
func (w *segmentWriter) abort() {
	w.pipe.CloseWithError(errors.New("abandoned"))
	<-w.stored
}

// openedSegment is a stored segment whose table was read.
type openedSegment struct {
	Segment
	private []byte
	delay   int64
	samples []media.OutputSample
	order   []int64 // PTS less the place in decoding order
	payload int64   // bytes of all payloads
	after   uint32  // checksum of what follows them
}

// openSegment reads the table of a segment. What is wrong with it is an UnfitError.
func openSegment(ctx context.Context, store segmentStore, segment Segment) (*openedSegment, error) {
	key, size := segment.Key, segment.Size
	fail := func(what string) (*openedSegment, error) {
		return nil, &UnfitError{[]int{segment.Number}, fmt.Errorf("segment %s: %s", key, what)}
	}
	if size < 8 {
		return fail("too short")
	}
	tail, err := readRange(ctx, store, key, size-8, 8)
	if err != nil {
		return nil, segment.readError(err)
	}
	length := binary.BigEndian.Uint64(tail)
	if length > maxTable || int64(length) > size-8 {
		return fail("its table does not fit")
	}
	p := &openedSegment{Segment: segment, payload: size - 8 - int64(length)}
	raw, err := readRange(ctx, store, key, p.payload, int64(length))
	if err != nil {
		return nil, segment.readError(err)
	}
	p.after = crc32.Update(crc32.Checksum(raw, castagnoli), castagnoli, tail)
	if n := len(segment.Checksum); n > 0 && (n != len(checksum(0, 0)) || segment.Checksum[n/2:] != checksum(0, p.after)[n/2:]) {
		return fail("its table was changed since it was stored")
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
		p.order = append(p.order, shift)
		payload += int64(sample.Size)
	}
	switch {
	case bad != nil:
		return fail("its table is damaged")
	case payload != p.payload || table.Len() != 0:
		return fail("its table and its payload disagree")
	case segment.Frames > 0 && len(p.samples) != segment.Frames:
		return fail(fmt.Sprintf("it holds %d of %d frames", len(p.samples), segment.Frames))
	case segment.Frames > 0 && !segment.inside && !p.samples[0].Key:
		return fail("it does not begin with a keyframe")
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

// payloads reads the payloads of several segments one after the other, and checks each against its checksum.
type payloads struct {
	ctx   context.Context
	store segmentStore
	rest  []*openedSegment // the first is being read when body is open
	body  io.ReadCloser
	left  int64 // bytes of the first
	sum   uint32
}

func newPayloads(ctx context.Context, store segmentStore, segments ...*openedSegment) *payloads {
	return &payloads{ctx: ctx, store: store, rest: segments}
}

func (r *payloads) Read(b []byte) (int, error) {
	for len(r.rest) > 0 {
		segment := r.rest[0]
		if r.body == nil {
			body, err := r.open(segment)
			if err != nil {
				return 0, segment.readError(err)
			}
			r.body, r.left, r.sum = body, segment.payload, 0
		}
		n, err := r.body.Read(b[:min(int64(len(b)), r.left)])
		r.left -= int64(n)
		r.sum = crc32.Update(r.sum, castagnoli, b[:n])
		if r.left == 0 { // the reader may never ask again, so this is told with the last bytes
			if err := r.end(); err != nil {
				return 0, err
			}
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return 0, segment.readError(fmt.Errorf("segment %s: %w", segment.Key, err))
		}
		if n > 0 || len(b) == 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// end ends a segment that was read whole.
func (r *payloads) end() error {
	segment := r.rest[0]
	if err := r.close(); err != nil {
		return err
	}
	r.rest = r.rest[1:]
	if segment.Checksum != "" && segment.Checksum != checksum(r.sum, segment.after) {
		return &UnfitError{[]int{segment.Number}, fmt.Errorf("segment %s: its payload was changed since it was stored", segment.Key)}
	}
	return nil
}

func (r *payloads) open(segment *openedSegment) (io.ReadCloser, error) {
	if segment.payload == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return r.store.Get(r.ctx, segment.Key, 0, segment.payload)
}

func (r *payloads) close() error {
	err := r.body.Close()
	r.body = nil
	return err
}

func (r *payloads) Close() error {
	if r.body == nil {
		return nil
	}
	return r.close()
}

// wholePayloads are payloads whose last segment is read to its end when they are closed, so that its checksum is compared:
// muxers leave out the audio that comes after the end of the film.
type wholePayloads struct {
	*payloads
	late *error // of that
}

// Close implements io.Closer.
func (r wholePayloads) Close() error {
	if len(r.rest) == 1 {
		_, err := io.Copy(io.Discard, r.payloads)
		*r.late = errors.Join(*r.late, err)
	}
	return r.payloads.Close()
}

// findUnfit reads segments of which one may be the cause of err, and returns an UnfitError that names every one that is not
// what was stored, or err when there is none.
func (c *Composer) findUnfit(ctx context.Context, segments []Segment, err error) error {
	var unfit *UnfitError
	for _, segment := range segments {
		found := c.readThrough(ctx, segment)
		var one *UnfitError
		switch {
		case errors.As(found, &one) && unfit == nil:
			unfit = one
		case errors.As(found, &one):
			unfit.Chunks = append(unfit.Chunks, one.Chunks...)
		case found != nil:
			return found
		}
	}
	if unfit != nil {
		return unfit
	}
	return err
}

// readThrough reads a whole segment.
func (c *Composer) readThrough(ctx context.Context, segment Segment) error {
	opened, err := openSegment(ctx, c.Store, segment)
	if err != nil {
		return err
	}
	payload := newPayloads(ctx, c.Store, opened)
	defer payload.Close()
	_, err = io.Copy(io.Discard, payload)
	return err
}
