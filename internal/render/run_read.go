package render

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// read hands the child's answers to the handler until the child closes its end. It returns nil when facts came last.
func (r *run) read() error {
	in := bufio.NewReaderSize(r.child.out, bufferSize)
	for {
		kind, body, err := readFrame(in)
		if errors.Is(err, io.EOF) && r.finish {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errNoFacts
		}
		if err != nil {
			return err
		}
		r.received.Add(1)
		if r.finish {
			return fmt.Errorf("protocol: frame %q after the facts", kind)
		}
		if err := r.answer(kind, body); err != nil {
			return err
		}
	}
}

// answer takes one frame of the child.
func (r *run) answer(kind byte, body []byte) error {
	switch kind {
	case frameHeader:
		h, err := parseHeader(body)
		if err == nil {
			err = r.tally.header()
		}
		if err != nil {
			return err
		}
		return call(r, r.handler.Header, h)
	case framePacket:
		p, err := parsePacket(body)
		if err == nil {
			err = r.tally.packet(p)
		}
		if err != nil {
			return err
		}
		return call(r, r.handler.Packet, p)
	case frameChunk:
		n, err := parseNumber(body)
		if err == nil {
			err = r.tally.chunk(n)
		}
		if err != nil {
			return err
		}
		return call(r, r.handler.ChunkDone, int(n))
	case frameProgress:
		n, err := parseNumber(body)
		if err != nil {
			return err
		}
		return call(r, r.handler.Progress, n)
	case frameFacts:
		if err := json.Unmarshal(body, &r.facts); err != nil {
			return fmt.Errorf("protocol: facts: %w", err)
		}
		r.finish = true
		return nil
	}
	return fmt.Errorf("protocol: frame %q does not come from a child", kind)
}

// call runs one of the caller's functions, during which the watchdog waits.
func call[T any](r *run, f func(T) error, v T) error {
	r.waiting.Add(1)
	defer r.waiting.Add(-1)
	if err := f(v); err != nil {
		return callerError{err}
	}
	return nil
}

// tally counts what a child sends, so that its facts can be held against it.
type tally struct {
	chunks  []Chunk // of the plan
	headers int
	packets int
	length  int64 // sum of the packets' Len
	inChunk int64 // the same since the last finished chunk
	done    int   // chunks
}

func (t *tally) header() error {
	if t.headers++; t.headers > 1 || t.packets > 0 {
		return errors.New("protocol: a header that is not the first answer")
	}
	return nil
}

func (t *tally) packet(p Packet) error {
	if t.headers == 0 {
		return errors.New("protocol: a packet before the header")
	}
	if p.Len < 0 || p.Len > 1<<40 {
		return fmt.Errorf("protocol: a packet of length %d", p.Len)
	}
	t.packets++
	t.length += p.Len
	t.inChunk += p.Len
	return nil
}

func (t *tally) chunk(n int64) error {
	if n != int64(t.done) || t.done >= len(t.chunks) {
		return fmt.Errorf("protocol: chunk %d done after %d of %d", n, t.done, len(t.chunks))
	}
	if c := t.chunks[n]; t.inChunk != int64(c.To-c.From) {
		return fmt.Errorf("chunk %d has %d pictures, %d were asked for", n, t.inChunk, c.To-c.From)
	}
	t.done++
	t.inChunk = 0
	return nil
}

// check holds facts against the plan, the answers and the packets sent. An exit code of 0 proves nothing.
func (r *run) check() error {
	f, t := r.facts, &r.tally
	switch {
	case r.plan.Picture != nil:
		want := 0
		for _, c := range t.chunks {
			want += c.To - c.From
		}
		if f.Pictures != want || t.length != int64(want) || t.done != len(t.chunks) {
			return fmt.Errorf("facts: %d pictures in %d chunks said, %d sent, %d in %d asked for",
				f.Pictures, t.done, t.length, want, len(t.chunks))
		}
	case r.plan.Sound != nil:
		if want := r.plan.Sound.Samples; f.Samples != want || t.length < want {
			return fmt.Errorf("facts: %d samples said, %d sent, %d asked for", f.Samples, t.length, want)
		}
	}
	if len(f.Tracks) != len(r.sent) {
		return fmt.Errorf("facts: %d tracks, the plan has %d", len(f.Tracks), len(r.sent))
	}
	for i, track := range f.Tracks {
		if sent := r.sent[i].Load(); int64(track.Packets) > sent || track.Packets < 0 {
			return fmt.Errorf("facts: %d packets of track %d, %d were sent", track.Packets, i, sent)
		}
	}
	return nil
}
