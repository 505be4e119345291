package protocol

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A message is one byte of kind, four bytes of length (little endian) and that many bytes of body. Both ends refuse a
// length above the kind's limit before they allocate memory for it, so a faulty child cannot exhaust its parent.
const (
	kindPlan     = 'P' // parent to child, first: JSON
	kindPacket   = 'D' // both ways
	kindEnd      = 'E' // parent to child, last: no more packets
	kindHeader   = 'H' // child to parent, before its first packet
	kindChunk    = 'C' // child to parent: all packets of a chunk are sent; JSON
	kindProgress = 'G' // child to parent: frames or samples done so far
	kindStats    = 'F' // child to parent, last: JSON
)

const (
	// MaxData bounds one packet's data in bytes. The largest real packet is a keyframe of 4096x2304; an unencoded I420
	// frame of that size has 14.2 MB.
	MaxData = 16 << 20

	// BufferSize is how many bytes each end gathers before it writes to a pipe: many small Opus packets per system call.
	BufferSize = 64 << 10

	maxPlan   = 64 << 20 // hours of a busy room make some megabytes of runs and scenes
	maxStats  = 4 << 20
	maxHeader = 64 << 10
	maxPacket = MaxData + 80 // at most seven varints before the data
	frontSize = 5            // kind and length

	// maxTracks bounds track numbers. It is far above any room and keeps them in 32 bits.
	maxTracks = 1 << 20
)

// limitOf returns the most bytes that the body of a message may have; ok is false for a kind that does not exist.
func limitOf(kind byte) (limit int, ok bool) {
	switch kind {
	case kindPlan:
		return maxPlan, true
	case kindPacket:
		return maxPacket, true
	case kindHeader:
		return maxHeader, true
	case kindStats, kindChunk:
		return maxStats, true
	case kindProgress:
		return binary.MaxVarintLen64, true
	case kindEnd:
		return 0, true
	}
	return 0, false
}

// readMessage reads one message. It returns io.EOF only when r ends between messages; inside one it is
// io.ErrUnexpectedEOF.
func readMessage(r *bufio.Reader) (kind byte, body []byte, err error) {
	var front [frontSize]byte
	if _, err := io.ReadFull(r, front[:]); err != nil {
		return 0, nil, err
	}
	kind = front[0]
	limit, ok := limitOf(kind)
	if !ok {
		return 0, nil, fmt.Errorf("protocol: unknown message kind %#x", kind)
	}
	size := binary.LittleEndian.Uint32(front[1:])
	if uint64(size) > uint64(limit) {
		return 0, nil, fmt.Errorf("protocol: message %q of %d bytes, at most %d are allowed", kind, size, limit)
	}
	body, err = readBody(r, int(size))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return kind, body, err
}

// readBody reads size bytes. A large body is grown as its bytes arrive, so a length alone costs no memory.
func readBody(r *bufio.Reader, size int) ([]byte, error) {
	const step = 1 << 20
	body := make([]byte, min(size, step))
	for done := 0; ; {
		n, err := io.ReadFull(r, body[done:])
		if err != nil {
			return nil, err
		}
		if done += n; done == size {
			return body, nil
		}
		body = append(body, make([]byte, min(size-done, max(step, done)))...)
	}
}

// writeMessage writes one message. Its body comes in two parts so that packet data is not copied first.
func writeMessage(w *bufio.Writer, kind byte, head, data []byte) error {
	size := len(head) + len(data)
	if limit, _ := limitOf(kind); size > limit {
		return fmt.Errorf("protocol: message %q of %d bytes, at most %d are allowed", kind, size, limit)
	}
	var front [frontSize]byte
	front[0] = kind
	binary.LittleEndian.PutUint32(front[1:], uint32(size))
	w.Write(front[:]) // a bufio.Writer keeps its first error and returns it below
	w.Write(head)
	_, err := w.Write(data)
	return err
}

func writeJSON(w *bufio.Writer, kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeMessage(w, kind, body, nil)
}

func writeNumber(w *bufio.Writer, kind byte, n int64) error {
	var b [binary.MaxVarintLen64]byte
	return writeMessage(w, kind, b[:binary.PutVarint(b[:], n)], nil)
}

func parseNumber(body []byte) (int64, error) {
	n, used := binary.Varint(body)
	if used <= 0 || used != len(body) {
		return 0, errors.New("protocol: malformed number")
	}
	return n, nil
}

func writePacket(w *bufio.Writer, p Packet) error {
	var b [7 * binary.MaxVarintLen64]byte
	head := b[:0]
	for _, n := range [...]int64{int64(p.Track), int64(p.Part), int64(p.Time), int64(p.Need), p.PTS, p.Len} {
		head = binary.AppendVarint(head, n)
	}
	flags := byte(0)
	if p.Key {
		flags |= flagKey
	}
	if p.Last {
		flags |= flagLast
	}
	return writeMessage(w, kindPacket, append(head, flags), p.Data)
}

const (
	flagKey = 1 << iota
	flagLast
)

// parsePacket takes body over: the packet's data is a part of it.
func parsePacket(body []byte) (Packet, error) {
	var n [6]int64
	for i := range n {
		v, used := binary.Varint(body)
		if used <= 0 {
			return Packet{}, errors.New("protocol: malformed packet")
		}
		n[i], body = v, body[used:]
	}
	if len(body) == 0 || body[0] > flagKey|flagLast {
		return Packet{}, errors.New("protocol: malformed packet")
	}
	if n[0] < 0 || n[0] > maxTracks || n[1] < 0 || n[1] > maxTracks {
		return Packet{}, fmt.Errorf("protocol: packet of track %d, part %d", n[0], n[1])
	}
	if len(body)-1 > MaxData {
		return Packet{}, fmt.Errorf("protocol: packet of %d bytes, at most %d are allowed", len(body)-1, MaxData)
	}
	return Packet{
		Track: int(n[0]), Part: int(n[1]), Time: time.Duration(n[2]), Need: time.Duration(n[3]), PTS: n[4], Len: n[5],
		Key: body[0]&flagKey != 0, Last: body[0]&flagLast != 0, Data: body[1:],
	}, nil
}

func writeHeader(w *bufio.Writer, h Header) error {
	return writeMessage(w, kindHeader, binary.AppendVarint(nil, int64(h.Delay)), h.Private)
}

func parseHeader(body []byte) (Header, error) {
	delay, used := binary.Varint(body)
	if used <= 0 || delay < 0 || delay > 1<<20 {
		return Header{}, errors.New("protocol: malformed header")
	}
	return Header{Delay: int(delay), Private: body[used:]}, nil
}
