// Package sound is the child's side of a film's sound: it decodes every track's packets, lays them down where the plan
// says, adds them up, keeps the sum in range, and encodes the whole once.
//
// Nothing is placed by adding up durations as they come: a packet's place follows from its run and its number in it, so
// a refused packet leaves silence of its own length and moves nothing. All sound is stereo at 48 kHz in float.
// Start with [Run]; [mixer] is the sum, [limiter] keeps it in range, [resampler] stretches.
package audio

import (
	"errors"
	"fmt"
	"io"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Conn is the connection with the parent, as *protocol.Conn is.
type Conn interface {
	Next() (protocol.Packet, error) // io.EOF after the last
	WorkingOn(track int)            // -1 for none
	Header(protocol.Header) error
	Packet(protocol.Packet) error
	Progress(done int64) error
}

// Run carries out the plan: exactly plan.Samples samples are encoded, whatever the tracks hold. An error means that
// the film would be wrong: the plan is impossible, the encoder failed or the connection broke.
func Run(plan protocol.AudioPlan, conn Conn) (protocol.Stats, error) {
	if plan.From < 0 || plan.To <= plan.From || len(plan.Runs) != len(plan.Tracks) {
		return protocol.Stats{}, fmt.Errorf("audio plan: samples %d to %d, %d tracks, runs for %d", plan.From, plan.To, len(plan.Tracks), len(plan.Runs))
	}
	w, err := newWriter(plan, conn)
	if err != nil {
		return protocol.Stats{}, err
	}
	defer w.close()
	m := newMixer(plan.From, plan.To, newLimiter(w.write))
	tracks := make([]*track, len(plan.Tracks))
	for i, t := range plan.Tracks {
		if tracks[i], err = newTrack(t, plan.Runs[i], m); err != nil {
			return protocol.Stats{}, fmt.Errorf("audio plan: track %d: %w", i, err)
		}
		defer tracks[i].close()
	}
	if err := feed(conn, m, tracks); err != nil {
		return protocol.Stats{}, err
	}
	if err := w.end(); err != nil {
		return protocol.Stats{}, err
	}
	stats := protocol.Stats{Samples: w.in, Peak: m.peak}
	for _, t := range tracks {
		stats.Tracks = append(stats.Tracks, t.stats)
	}
	return stats, nil
}

// feed decodes packets as they come and hands on whatever part of the mix nothing can be added to any more.
func feed(conn Conn, m *mixer, tracks []*track) error {
	for {
		p, err := conn.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("next packet: %w", err)
		}
		if p.Track < 0 || p.Track >= len(tracks) {
			return fmt.Errorf("packet of track %d of %d", p.Track, len(tracks))
		}
		conn.WorkingOn(p.Track)
		err = tracks[p.Track].packet(p.Data)
		conn.WorkingOn(-1)
		if err != nil {
			return err
		}
		settled := m.end
		for _, t := range tracks {
			settled = min(settled, t.next())
		}
		if settled-m.first < blockSize && settled < m.end {
			continue
		}
		if err := m.settle(settled); err != nil {
			return err
		}
	}
	for _, t := range tracks {
		if err := t.end(); err != nil {
			return err
		}
	}
	return m.close()
}

// writer encodes the finished sound and sends it.
type writer struct {
	conn    Conn
	encoder *codec.AudioEncoder
	frame   []float32 // samples that wait for a full frame
	size    int       // values of a full frame
	in      int64     // samples encoded
	sent    int64     // packets
	told    int64     // samples at the last progress
	delay   int64
}

func newWriter(plan protocol.AudioPlan, conn Conn) (*writer, error) {
	e := plan.Encoder
	encoder, err := codec.OpenAudioEncoder(codec.EncoderConfig{
		Codec: e.Codec, Options: e.Options, Bitrate: e.Bitrate, Threads: e.Threads,
	})
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, encoder: encoder, size: 2 * encoder.FrameSize(), delay: int64(encoder.Delay())}
	w.frame = make([]float32, 0, w.size)
	if err := conn.Header(protocol.Header{Private: encoder.Header(), Delay: encoder.Delay()}); err != nil {
		encoder.Close()
		return nil, err
	}
	return w, nil
}

// write encodes interleaved stereo samples.
func (w *writer) write(stereo []float32) error {
	for len(stereo) > 0 {
		n := min(w.size-len(w.frame), len(stereo))
		w.frame = append(w.frame, stereo[:n]...)
		stereo = stereo[n:]
		if len(w.frame) == w.size {
			if err := w.encode(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) encode() error {
	if err := w.encoder.Send(w.frame, w.in); err != nil {
		return err
	}
	w.in += int64(len(w.frame) / 2)
	w.frame = w.frame[:0]
	if err := w.receive(); err != nil {
		return err
	}
	if w.in-w.told < timeline.SampleRate {
		return nil
	}
	w.told = w.in
	return w.conn.Progress(w.in)
}

// end encodes the last, shorter frame and takes what the encoder still holds.
func (w *writer) end() error {
	if len(w.frame) > 0 {
		if err := w.encode(); err != nil {
			return err
		}
	}
	if err := w.encoder.End(); err != nil {
		return err
	}
	if err := w.receive(); err != nil {
		return err
	}
	if held := w.sent * int64(w.size/2); held < w.delay+w.in {
		return fmt.Errorf("encode audio: packets of %d samples came out for %d", held, w.delay+w.in)
	}
	return w.conn.Progress(w.in)
}

// receive sends on what the encoder has ready. Packets count from 0 at the beginning of the priming.
func (w *writer) receive() error {
	length := int64(w.size / 2)
	for {
		e, ok, err := w.encoder.Receive()
		if err != nil || !ok {
			return err
		}
		at := w.sent * length
		w.sent++
		if err := w.conn.Packet(protocol.Packet{PTS: at, Len: length, Key: true, Data: e.Data}); err != nil {
			return err
		}
	}
}

func (w *writer) close() { w.encoder.Close() }
