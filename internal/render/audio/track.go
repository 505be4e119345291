package audio

import (
	"errors"
	"fmt"
	"math"

	"roomreel/internal/codec"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// track lays one track's sound down, run by run.
type track struct {
	track   protocol.Track
	rate    int64 // of what its packets hold
	runs    []protocol.Run
	mixer   *mixer
	decoder *codec.AudioDecoder // nil before the first packet, and for good when it cannot be opened
	refused bool
	stats   protocol.TrackStats

	// The current run, runs[0].
	packets int   // received
	skip    int64 // decoded samples still to drop
	taken   int64 // input samples that were given to the resampler, of total
	total   int64
	laid    int64 // output samples laid down, of the run's Length
	sampler *resampler

	decoded, stretched []float32 // buffers
	usual              int64     // input samples of the last good packet
}

func newTrack(t protocol.Track, runs []protocol.Run, m *mixer) (*track, error) {
	rate := int64(t.Rate)
	if t.Codec == "opus" {
		rate = timeline.SampleRate
	} else if rate == 0 {
		rate = 8000 // G.711's own
	}
	for i, r := range runs {
		const most = 1 << 40 // samples: 265 days
		if r.Packets < 1 || r.Decoded < 0 || r.Length < 0 || r.Skip < 0 || r.Decoded > most || r.Length > most ||
			r.At > most || r.At < -most || (r.Length == 0) != (r.Decoded == 0) {
			return nil, fmt.Errorf("run %d: %+v", i, r)
		}
	}
	result := &track{track: t, rate: rate, runs: runs, mixer: m}
	result.begin()
	return result, nil
}

// begin prepares for the packets of runs[0].
func (t *track) begin() {
	t.packets, t.taken, t.laid, t.sampler = 0, 0, 0, nil
	if len(t.runs) == 0 {
		return
	}
	run := t.runs[0]
	t.skip = int64(run.Skip) * t.rate / timeline.SampleRate
	t.total = run.Decoded * t.rate / timeline.SampleRate
	if t.total > 0 {
		t.sampler = newResampler(t.rate*run.Decoded, timeline.SampleRate*run.Length)
	}
}

// next returns the first output sample that this track may still add to.
func (t *track) next() int64 {
	if len(t.runs) == 0 {
		return math.MaxInt64
	}
	return t.runs[0].At + t.laid
}

// packet decodes one packet and lays it down. A packet that cannot be decoded is silence of its own length. The error
// is the connection's.
func (t *track) packet(data []byte) error {
	t.stats.Packets++
	if len(t.runs) == 0 {
		t.stats.Errors++ // more than the plan knows of
		return nil
	}
	t.decoded = t.decode(t.decoded[:0], data)
	if err := t.lay(t.decoded); err != nil {
		return err
	}
	t.packets++
	if t.packets < t.runs[0].Packets {
		return nil
	}
	return t.finish()
}

// decode appends the packet's samples to dst: exactly as many as it stands for.
func (t *track) decode(dst []float32, data []byte) []float32 {
	length := t.length(data)
	decoded, err := t.try(dst, data)
	if err != nil {
		t.stats.Errors++
	} else {
		t.stats.Decoded++
		if length == 0 {
			length = int64(len(decoded)-len(dst)) / 2
		}
		t.usual = length
	}
	if length == 0 {
		length = t.usual
	}
	want := len(dst) + int(2*length)
	if len(decoded) > want {
		return decoded[:want]
	}
	return append(decoded, make([]float32, want-len(decoded))...)
}

func (t *track) try(dst []float32, data []byte) ([]float32, error) {
	if t.decoder == nil && !t.refused {
		decoder, err := codec.OpenAudioDecoder(t.track.Codec, t.track.Private, int(t.rate), t.channels())
		t.decoder, t.refused = decoder, err != nil
	}
	if t.refused {
		return dst, errors.New("no decoder")
	}
	return t.decoder.Decode(dst, data)
}

func (t *track) channels() int { return max(t.track.Channels, 1) }

// length returns how many samples a packet stands for, known without decoding it; 0 when it does not say.
func (t *track) length(data []byte) int64 {
	if t.track.Codec == "opus" {
		return opusLength(data)
	}
	return int64(len(data) / t.channels()) // G.711: one byte each
}

// opusLength reads a packet's duration at 48 kHz from its first bytes (RFC 6716 section 3.1); 0 when it is malformed.
func opusLength(data []byte) int64 {
	if len(data) == 0 {
		return 0
	}
	config := data[0] >> 3
	var frame int64
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		frame = [...]int64{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		frame = [...]int64{480, 960}[config&1]
	default: // CELT: 2.5, 5, 10, 20 ms
		frame = [...]int64{120, 240, 480, 960}[config&3]
	}
	count := int64(1)
	switch data[0] & 3 {
	case 1, 2:
		count = 2
	case 3:
		if len(data) < 2 {
			return 0
		}
		count = int64(data[1] & 63)
	}
	const most = 5760 // 120 ms
	if frame*count > most {
		return 0
	}
	return frame * count
}

// lay gives samples to the run's resampler and adds what comes out to the mix.
func (t *track) lay(stereo []float32) error {
	drop := min(t.skip, int64(len(stereo)/2))
	t.skip -= drop
	stereo = stereo[2*drop:]
	take := min(t.total-t.taken, int64(len(stereo)/2))
	if take <= 0 {
		return nil
	}
	t.taken += take
	t.stretched = t.sampler.push(t.stretched[:0], stereo[:2*take])
	return t.add(t.stretched)
}

// add adds output samples to the mix, never more than the run's Length.
func (t *track) add(stereo []float32) error {
	run := t.runs[0]
	n := min(run.Length-t.laid, int64(len(stereo)/2))
	mixed, err := t.mixer.add(run.At+t.laid, stereo[:2*n])
	t.stats.Samples += mixed
	t.laid += n
	return err
}

// finish ends the current run and begins the next.
func (t *track) finish() error {
	if t.sampler != nil {
		t.stretched = t.sampler.end(t.stretched[:0])
		if err := t.add(t.stretched); err != nil {
			return err
		}
	}
	t.runs = t.runs[1:]
	t.begin()
	return nil
}

// end ends the run that was under way when the packets ended.
func (t *track) end() error {
	if len(t.runs) == 0 || t.packets == 0 {
		return nil
	}
	return t.finish()
}

func (t *track) close() {
	if t.decoder != nil {
		t.decoder.Close()
	}
}
