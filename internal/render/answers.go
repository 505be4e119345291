package render

import (
	"errors"
	"fmt"
	"io"

	"roomreel/internal/render/protocol"
)

// receive hands the child's answers to the handler until the child closes its end. It returns nil when stats came last.
func (r *run) receive() error {
	in := protocol.NewReceiver(r.child.out)
	for {
		m, err := in.Next()
		if errors.Is(err, io.EOF) && r.done {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errNoStats
		}
		if err != nil {
			return err
		}
		r.received.Add(1)
		if r.done {
			return fmt.Errorf("protocol: a %T after the stats", m)
		}
		if err := r.take(m); err != nil {
			return err
		}
	}
}

// take checks one message of the child and hands it to the handler.
func (r *run) take(m protocol.Message) error {
	switch m := m.(type) {
	case protocol.Header:
		if err := r.answers.header(); err != nil {
			return err
		}
		return call(r, r.handler.Header, m)
	case protocol.Packet:
		if err := r.answers.packet(m); err != nil {
			return err
		}
		return call(r, r.handler.Packet, m)
	case protocol.ChunkDone:
		if err := r.answers.chunk(m.Chunk); err != nil {
			return err
		}
		if err := r.checkTracks(m.Tracks); err != nil {
			return err
		}
		return call(r, r.handler.ChunkDone, m)
	case protocol.Progress:
		return call(r, r.handler.Progress, int64(m))
	case protocol.Stats:
		r.stats, r.done = m, true
	}
	return nil
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

// answers counts what a child sends, so that its stats can be compared with it.
type answers struct {
	plan    []protocol.Chunk
	headers int
	packets int
	length  int64 // sum of the packets' Len
	inChunk int64 // the same since the last chunk ended
	chunks  int   // that ended
}

func (a *answers) header() error {
	if a.headers++; a.headers > 1 || a.packets > 0 {
		return errors.New("protocol: a header that is not the first answer")
	}
	return nil
}

func (a *answers) packet(p protocol.Packet) error {
	if a.headers == 0 {
		return errors.New("protocol: a packet before the header")
	}
	if p.Len < 0 || p.Len > 1<<40 {
		return fmt.Errorf("protocol: a packet of length %d", p.Len)
	}
	a.packets++
	a.length += p.Len
	a.inChunk += p.Len
	return nil
}

func (a *answers) chunk(n int) error {
	if n != a.chunks || n >= len(a.plan) {
		return fmt.Errorf("protocol: chunk %d ended after %d of %d", n, a.chunks, len(a.plan))
	}
	if c := a.plan[n]; a.inChunk != int64(c.To-c.From) {
		return fmt.Errorf("chunk %d has %d frames, %d were asked for", n, a.inChunk, c.To-c.From)
	}
	a.chunks++
	a.inChunk = 0
	return nil
}

// checkStats compares the stats with the plan, the answers and the packets sent. An exit code of 0 proves nothing.
func (r *run) checkStats() error {
	s, a := r.stats, &r.answers
	switch {
	case r.plan.Video != nil:
		want := 0
		for _, c := range a.plan {
			want += c.To - c.From
		}
		if s.Frames != want || a.length != int64(want) || a.chunks != len(a.plan) {
			return fmt.Errorf("stats: %d frames in %d chunks, %d sent, %d in %d asked for", s.Frames, a.chunks, a.length, want, len(a.plan))
		}
	case r.plan.Audio != nil:
		if want := r.plan.Audio.To - r.plan.Audio.From; s.Samples != want || a.length < want {
			return fmt.Errorf("stats: %d samples, %d sent, %d asked for", s.Samples, a.length, want)
		}
	}
	return r.checkTracks(s.Tracks)
}

func (r *run) checkTracks(tracks []protocol.TrackStats) error {
	if len(tracks) != len(r.sent) {
		return fmt.Errorf("stats: %d tracks, the plan has %d", len(tracks), len(r.sent))
	}
	for i, track := range tracks {
		if sent := r.sent[i].Load(); int64(track.Packets) > sent || track.Packets < 0 {
			return fmt.Errorf("stats: %d packets of track %d, %d were sent", track.Packets, i, sent)
		}
	}
	return nil
}
