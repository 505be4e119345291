package render

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A frame is one byte of kind, four bytes of length (little endian) and that many bytes of body. Both ends refuse a
// length above the kind's limit before they allocate for it, so that a child gone wrong cannot exhaust its parent.
const (
	framePlan     = 'P' // parent to child, first: JSON
	framePacket   = 'D' // both ways
	frameEnd      = 'E' // parent to child, last: no more packets
	frameHeader   = 'H' // child to parent, before its first packet
	frameChunk    = 'C' // child to parent: a chunk's packets are all sent
	frameProgress = 'G' // child to parent: pictures or samples done so far
	frameFacts    = 'F' // child to parent, last: JSON
)

const (
	// MaxData bounds one packet's data in bytes. The largest real one is a keyframe of a 4096x2304 picture; a raw I420
	// picture of that size has 14.2 MB.
	MaxData = 16 << 20

	maxPlan    = 64 << 20 // hours of a busy room make some megabytes of runs and scenes
	maxFacts   = 4 << 20
	maxHeader  = 64 << 10
	maxPacket  = MaxData + 64 // six varints at most before the data
	frameFront = 5            // kind and length
)

// frameLimit returns the most bytes that a frame's body may have; ok is false for a kind that does not exist.
func frameLimit(kind byte) (limit int, ok bool) {
	switch kind {
	case framePlan:
		return maxPlan, true
	case framePacket:
		return maxPacket, true
	case frameHeader:
		return maxHeader, true
	case frameFacts:
		return maxFacts, true
	case frameChunk, frameProgress:
		return binary.MaxVarintLen64, true
	case frameEnd:
		return 0, true
	}
	return 0, false
}

// readFrame reads one frame. It returns io.EOF only when r ends between frames; inside one it is io.ErrUnexpectedEOF.
func readFrame(r *bufio.Reader) (kind byte, body []byte, err error) {
	var front [frameFront]byte
	if _, err := io.ReadFull(r, front[:]); err != nil {
		return 0, nil, err
	}
	kind = front[0]
	limit, ok := frameLimit(kind)
	if !ok {
		return 0, nil, fmt.Errorf("protocol: unknown frame kind %#x", kind)
	}
	size := binary.LittleEndian.Uint32(front[1:])
	if uint64(size) > uint64(limit) {
		return 0, nil, fmt.Errorf("protocol: frame %q of %d bytes, at most %d are allowed", kind, size, limit)
	}
	body, err = readBody(r, int(size))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return kind, body, err
}

// readBody reads size bytes. A large body is grown as its bytes arrive: a length alone costs no memory.
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

// writeFrame writes one frame whose body is given in two parts, so that packet data is not copied first.
func writeFrame(w *bufio.Writer, kind byte, head, data []byte) error {
	size := len(head) + len(data)
	if limit, _ := frameLimit(kind); size > limit {
		return fmt.Errorf("protocol: frame %q of %d bytes, at most %d are allowed", kind, size, limit)
	}
	var front [frameFront]byte
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
	return writeFrame(w, kind, body, nil)
}

func writeNumber(w *bufio.Writer, kind byte, n int64) error {
	var b [binary.MaxVarintLen64]byte
	return writeFrame(w, kind, b[:binary.PutVarint(b[:], n)], nil)
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
	for _, n := range [...]int64{int64(p.Track), int64(p.Time), int64(p.Need), p.PTS, p.DTS, p.Len} {
		head = binary.AppendVarint(head, n)
	}
	key := byte(0)
	if p.Key {
		key = 1
	}
	return writeFrame(w, framePacket, append(head, key), p.Data)
}

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
	if len(body) == 0 || body[0] > 1 {
		return Packet{}, errors.New("protocol: malformed packet")
	}
	if n[0] < 0 || n[0] > maxTracks {
		return Packet{}, fmt.Errorf("protocol: packet of track %d", n[0])
	}
	if len(body)-1 > MaxData {
		return Packet{}, fmt.Errorf("protocol: packet of %d bytes, at most %d are allowed", len(body)-1, MaxData)
	}
	return Packet{
		Track: int(n[0]), Time: time.Duration(n[1]), Need: time.Duration(n[2]), PTS: n[3], DTS: n[4], Len: n[5], Key: body[0] == 1,
		Data: body[1:],
	}, nil
}

// maxTracks bounds track numbers. It is far above any room and keeps them in 32 bits.
const maxTracks = 1 << 20

func writeHeader(w *bufio.Writer, h Header) error {
	return writeFrame(w, frameHeader, binary.AppendVarint(nil, int64(h.Delay)), h.Private)
}

func parseHeader(body []byte) (Header, error) {
	delay, used := binary.Varint(body)
	if used <= 0 || delay < 0 || delay > 1<<20 {
		return Header{}, errors.New("protocol: malformed header")
	}
	return Header{Delay: int(delay), Private: body[used:]}, nil
}
