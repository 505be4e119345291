package compose

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"roomreel/internal/blob"
	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
)

// A packets object holds what one child encoded for one chunk, or for the whole sound: all payloads back to back, then a
// table of them, then eight bytes that say how long the table is. Payloads come first so that they can be written as
// they are made and copied into a film as they lie.
//
//	table   = version, delay, private, count, count x sample
//	private = length, bytes
//	sample  = size, len, shift (zigzag), key (0 or 1)
//
// Every number is an unsigned varint of encoding/binary.
const packetsVersion = 1

// maxTable bounds what is read into memory of a damaged object: a day of sound is 40 MB.
const maxTable = 256 << 20

// packetsWriter stores one packets object while it is being made.
type packetsWriter struct {
	header  protocol.Header
	table   []byte
	samples int
	size    int64
	pipe    *io.PipeWriter
	stored  chan error
}

// newPacketsWriter begins the object under key. Either commit or abort must be called.
func newPacketsWriter(ctx context.Context, store blob.Store, key string, header protocol.Header) *packetsWriter {
	r, w := io.Pipe()
	pw := &packetsWriter{header: header, pipe: w, stored: make(chan error, 1)}
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
func (w *packetsWriter) add(packet protocol.Packet) error {
	if _, err := w.pipe.Write(packet.Data); err != nil {
		return fmt.Errorf("store packets: %w", err)
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

// commit writes the table and waits until the object is stored.
func (w *packetsWriter) commit() error {
	head := binary.AppendUvarint(nil, packetsVersion)
	head = binary.AppendUvarint(head, uint64(w.header.Delay))
	head = binary.AppendUvarint(head, uint64(len(w.header.Private)))
	head = append(head, w.header.Private...)
	head = binary.AppendUvarint(head, uint64(w.samples))
	tail := binary.BigEndian.AppendUint64(nil, uint64(len(head)+len(w.table)))
	for _, part := range [][]byte{head, w.table, tail} {
		if _, err := w.pipe.Write(part); err != nil {
			<-w.stored
			return fmt.Errorf("store packets: %w", err)
		}
	}
	w.pipe.Close()
	return <-w.stored
}

// abort ends the object without storing it.
func (w *packetsWriter) abort() {
	w.pipe.CloseWithError(errors.New("abandoned"))
	<-w.stored
}

// packets is a stored packets object, its table read.
type packets struct {
	key     string
	private []byte
	delay   int64
	samples []media.OutputSample
	order   []int32 // PTS less the place in decoding order
	payload int64   // bytes of all payloads
}

// openPackets reads the table of the packets object under key.
func openPackets(ctx context.Context, store blob.Store, key string) (*packets, error) {
	info, err := store.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	fail := func(what string) (*packets, error) { return nil, fmt.Errorf("packets object %s: %s", key, what) }
	if info.Size < 8 {
		return fail("too short")
	}
	tail, err := readRange(ctx, store, key, info.Size-8, 8)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(tail)
	if length > maxTable || int64(length) > info.Size-8 {
		return fail("its table does not fit")
	}
	p := &packets{key: key, payload: info.Size - 8 - int64(length)}
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
	if number() != packetsVersion {
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

func readRange(ctx context.Context, store blob.Store, key string, offset, length int64) ([]byte, error) {
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

// payloads reads the payloads of several packets objects one after the other.
type payloads struct {
	ctx   context.Context
	store blob.Store
	rest  []*packets
	body  io.ReadCloser
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
