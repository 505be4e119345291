// Package audio is the child's side of a film's audio. It decodes every track's packets, places their samples where the
// plan says, adds the tracks up, and encodes the mix.
//
// A packet's place follows from its run and its number in it, never from adding up durations as packets come: a packet
// that cannot be decoded leaves silence of its own length and moves nothing. All audio is float at 48 kHz: stereo, or mono when the
// plan says so, which it does when no track has more.
//
// A film's audio can be rendered in segments. Each is written without loss (codec f32, see lossless.go), and a last child
// reads them as one track, limits the volume and encodes: the limiter and the encoder remember what came before, so they
// must run over the whole in one pass. The mix of the segments equals the mix of the whole, because every sample is
// computed from its position in its run.
//
// Start with [Run]. Samples flow from [track] through [resampler] to [mixer], then through [background], on a goroutine of its own, to
// [limiter] and [encoder], or to [losslessWriter].
package audio

import (
	"errors"
	"fmt"
	"io"
	"runtime"

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

// sink takes interleaved samples in order, and the largest absolute value among them or more. It must not keep the slice.
type sink interface {
	write(samples []float32, loudest float32) error
	end() error // after the last
}

// spareProcessors is how many processors the scheduler of Go is told to have at least. Two goroutines are in calls of C nearly all the
// time. When no processor of the scheduler is idle, it takes that of a call away after 20 µs and wakes up a thread to find
// other work, of which there is none.
const spareProcessors = 4

// Run carries out the plan: exactly plan.To - plan.From samples come out, whatever the tracks hold. An error means that the
// film would be wrong: the plan is impossible, the encoder failed or the connection broke. Damaged packets are no error;
// the stats count them.
func Run(plan protocol.AudioPlan, conn Conn) (protocol.Stats, error) {
	if plan.From < 0 || plan.To <= plan.From {
		return protocol.Stats{}, fmt.Errorf("audio plan: it asks for samples %d to %d", plan.From, plan.To)
	}
	if len(plan.Runs) != len(plan.Tracks) {
		return protocol.Stats{}, fmt.Errorf("audio plan: %d tracks, runs for %d", len(plan.Tracks), len(plan.Runs))
	}
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), spareProcessors))
	channels := plan.Encoder.AudioChannels()
	packets := &packetWriter{conn: conn}
	var out sink
	if plan.Encoder.Codec == protocol.Lossless {
		writer, err := newLosslessWriter(channels, packets)
		if err != nil {
			return protocol.Stats{}, err
		}
		out = writer
	} else {
		encoder, err := newEncoder(plan.Encoder, packets)
		if err != nil {
			return protocol.Stats{}, err
		}
		defer encoder.close()
		out = newLimiter(encoder, channels, ceilingOf(plan.Encoder.Codec))
	}
	behind := newBackground(out, channels)
	defer behind.stop()
	m := newMixer(channels, plan.From, plan.To, behind)
	tracks := make([]*track, len(plan.Tracks))
	for i, t := range plan.Tracks {
		var err error
		if tracks[i], err = newTrack(t, plan.Runs[i], m); err != nil {
			return protocol.Stats{}, fmt.Errorf("audio plan: track %d: %w", i, err)
		}
		defer tracks[i].close()
	}
	if err := mix(conn, m, tracks); err != nil {
		return protocol.Stats{}, err
	}
	stats := protocol.Stats{Samples: packets.done, Peak: m.peak}
	for _, t := range tracks {
		stats.Tracks = append(stats.Tracks, t.stats)
	}
	return stats, nil
}

// mix decodes packets as they come, and hands on every part of the mix to which no track can add any more.
func mix(conn Conn, m *mixer, tracks []*track) error {
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
			return fmt.Errorf("track %d: %w", p.Track, err)
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
	for i, t := range tracks {
		if err := t.end(); err != nil {
			return fmt.Errorf("track %d: %w", i, err)
		}
	}
	return m.close()
}

// packetWriter sends packets and progress to the parent.
type packetWriter struct {
	conn     Conn
	done     int64 // samples that are encoded
	reported int64 // of them, at the last progress
}

// packet sends one packet. pts and length are in samples.
func (w *packetWriter) packet(pts, length int64, data []byte) error {
	return w.conn.Packet(protocol.Packet{PTS: pts, Len: length, Key: true, Data: data})
}

// progress says that n more samples are encoded. The parent learns it once a second of audio, and at the end.
func (w *packetWriter) progress(n int64, end bool) error {
	w.done += n
	if w.done-w.reported < timeline.SampleRate && !end {
		return nil
	}
	w.reported = w.done
	return w.conn.Progress(w.done)
}

// encoder encodes samples with a codec.
type encoder struct {
	out      *packetWriter
	codec    codec.AudioEncoder
	channels int
	frame    []float32 // samples that wait for a full frame
	sent     int64     // packets
}

func newEncoder(e protocol.Encoder, out *packetWriter) (*encoder, error) {
	channels := e.AudioChannels()
	opened, err := codec.OpenAudioEncoder(codec.EncoderConfig{
		Codec: e.Codec, Options: e.Options, Bitrate: e.Bitrate, Threads: e.Threads,
	}, channels)
	if err != nil {
		return nil, err
	}
	w := &encoder{out: out, codec: opened, channels: channels, frame: make([]float32, 0, channels*opened.FrameSize())}
	if err := out.conn.Header(protocol.Header{Private: opened.Header(), Delay: opened.Delay()}); err != nil {
		opened.Close()
		return nil, err
	}
	return w, nil
}

func (w *encoder) write(samples []float32, _ float32) error {
	full := cap(w.frame)
	for len(samples) > 0 {
		if len(w.frame) == 0 && len(samples) >= full { // nothing to gather
			if err := w.encode(samples[:full]); err != nil {
				return err
			}
			samples = samples[full:]
			continue
		}
		n := min(full-len(w.frame), len(samples))
		w.frame = append(w.frame, samples[:n]...)
		samples = samples[n:]
		if len(w.frame) == full {
			if err := w.encode(w.frame); err != nil {
				return err
			}
			w.frame = w.frame[:0]
		}
	}
	return nil
}

func (w *encoder) encode(frame []float32) error {
	if err := w.codec.Send(frame, w.out.done); err != nil {
		return err
	}
	if err := w.receive(); err != nil {
		return err
	}
	return w.out.progress(int64(len(frame)/w.channels), false)
}

// end encodes the last, shorter frame and takes what the encoder still holds.
func (w *encoder) end() error {
	if len(w.frame) > 0 {
		if err := w.encode(w.frame); err != nil {
			return err
		}
	}
	if err := w.codec.End(); err != nil {
		return err
	}
	if err := w.receive(); err != nil {
		return err
	}
	want := w.out.done + int64(w.codec.Delay())
	if got := w.sent * int64(w.codec.FrameSize()); got < want {
		return fmt.Errorf("encode audio: packets of %d samples came out for %d", got, want)
	}
	return w.out.progress(0, true)
}

// receive sends on what the encoder has ready. Packets count from 0 at the beginning of the priming.
func (w *encoder) receive() error {
	length := int64(w.codec.FrameSize())
	for {
		e, ok, err := w.codec.Receive()
		if err != nil || !ok {
			return err
		}
		at := w.sent * length
		w.sent++
		if err := w.out.packet(at, length, e.Data); err != nil {
			return err
		}
	}
}

func (w *encoder) close() { w.codec.Close() }
