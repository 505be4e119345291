package audio

import (
	"errors"
	"fmt"
	"math"
	"time"

	"roomreel/internal/codec"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Bounds of a track's own sample rate.
const (
	minRate     = 8000
	maxRate     = 192000
	longestRun  = 1 << 40 // output samples: 265 days
	maxChannels = 8
)

// track places one track's samples, run by run.
type track struct {
	all     protocol.Track // with all its parts
	part    int            // of the current run:
	track   protocol.Track
	rate    int64 // samples per second that its packets decode to
	width   int   // channels that its packets are decoded to: one, or those of the mix
	grid    int64 // samples of every packet, where all have the same; else 1
	vorbis  *bitstream.Vorbis
	runs    []protocol.Run
	mixer   *mixer
	decoder *codec.AudioDecoder // nil before the first packet, and for good when it cannot be opened
	refused error               // why it cannot be opened
	stats   protocol.TrackStats

	// The current run, runs[0]. Samples before the output of the resampler are at the track's own rate.
	packets  int   // received
	skip     int64 // samples still to drop
	position int64 // of the next sample in the run, of total
	total    int64
	placed   int64 // output samples that are placed or lie before the first that can be, of the run's Length
	sampler  *resampler

	decoded []float32 // a buffer
	usual   int64     // samples of the last good packet
}

func newTrack(t protocol.Track, runs []protocol.Run, m *mixer) (*track, error) {
	for i, r := range runs {
		_, described := t.Part(r.Part)
		if r.Packets < 1 || r.Decoded < 0 || r.Length < 0 || r.Skip < 0 || r.Start < 0 || r.Start > longestRun ||
			r.Decoded > longestRun || r.Length > longestRun || r.At > longestRun || r.At < -longestRun ||
			(r.Length == 0) != (r.Decoded == 0) || r.Length > 2*r.Decoded+timeline.SampleRate || !described {
			return nil, fmt.Errorf("run %d: %+v", i, r)
		}
	}
	result := &track{all: t, runs: runs, mixer: m, width: m.channels}
	if t.Mono {
		result.width = 1
	}
	result.describe(0)
	result.begin()
	return result, nil
}

// describe makes the track ready for the packets of a part.
func (t *track) describe(part int) {
	t.close()
	t.decoder, t.refused, t.part, t.vorbis = nil, nil, part, nil
	t.track, _ = t.all.Part(part)
	t.rate, t.grid, t.usual = int64(t.track.Rate), 1, 0
	switch t.track.Codec {
	case "opus", protocol.Lossless:
		t.rate = timeline.SampleRate
	case "aac":
		if config, ok := bitstream.ParseAAC(t.track.Private); ok {
			t.rate, t.grid, t.usual = int64(config.Rate), int64(config.Samples), int64(config.Samples)
		}
	case "vorbis":
		if headers, ok := bitstream.ParseVorbis(t.track.Private); ok {
			t.vorbis, t.rate = headers, int64(headers.Rate)
		}
	default:
		if t.rate == 0 {
			t.rate = 8000 // G.711's own
		}
	}
	if channels := t.track.Channels; t.rate < minRate || t.rate > maxRate || channels < 0 || channels > maxChannels {
		// Nothing is heard of it, but its packets are counted.
		t.refused = fmt.Errorf("%d channels at %d Hz are not supported", channels, t.rate)
		t.rate = min(max(t.rate, minRate), maxRate)
		t.track.Channels = min(max(channels, 0), maxChannels)
	}
}

// begin prepares for the packets of runs[0].
func (t *track) begin() {
	t.packets, t.placed, t.sampler = 0, 0, nil
	t.skip, t.position, t.total = 0, 0, 0
	if len(t.runs) == 0 {
		return
	}
	run := t.runs[0]
	if run.Part != t.part {
		t.describe(run.Part)
	}
	skip, start := t.atOwnRate(int64(run.Skip)), t.atOwnRate(run.Start)
	start = (start + t.grid/2) / t.grid * t.grid // times in nanoseconds do not tell the sample
	t.total = run.Decoded * t.rate / timeline.SampleRate
	t.skip = max(skip-start, 0)
	t.position = min(max(start-skip, 0), t.total)
	t.resample()
}

// resample makes a resampler for the rest of the current run.
func (t *track) resample() {
	run := t.runs[0]
	if t.total == 0 {
		return
	}
	t.sampler = newResampler(t.rate*run.Decoded, timeline.SampleRate*run.Length, t.position, t.width)
	t.placed = t.sampler.next
}

// atOwnRate converts a number of samples at 48 kHz, to the nearest.
func (t *track) atOwnRate(samples int64) int64 {
	return (samples*t.rate + timeline.SampleRate/2) / timeline.SampleRate
}

// doubleRate notes that packets decode to twice the rate that the container says. Of SBR in AAC, that is known only once a
// packet was decoded.
func (t *track) doubleRate() {
	t.rate *= 2
	t.grid *= 2
	t.usual *= 2
	t.skip *= 2
	t.position *= 2
	t.total = t.runs[0].Decoded * t.rate / timeline.SampleRate
	t.resample()
}

// next returns the first output sample that this track may still add to.
func (t *track) next() int64 {
	if len(t.runs) == 0 {
		return math.MaxInt64
	}
	return t.runs[0].At + t.placed
}

// packet decodes one packet and places its samples. A packet that cannot be decoded is silence of its own length. The
// error is the mixer's, or says that the parent broke its word.
func (t *track) packet(data []byte) error {
	if len(t.runs) == 0 {
		t.stats.Packets++
		t.stats.Refuse(errors.New("more packets came than the plan has"))
		return nil
	}
	counted := t.counted()
	samples, decoded, err := t.decode(t.decoded[:0], data)
	t.decoded = samples
	if t.track.Codec == protocol.Lossless && err != nil {
		return err
	}
	if counted {
		t.stats.Packets++
		if err != nil {
			t.stats.Refuse(err)
			t.stats.Concealed += time.Duration(int64(len(samples)/t.width)-decoded) * time.Second / time.Duration(t.rate)
		} else {
			t.stats.Decoded++
		}
	}
	if err := t.place(samples, decoded); err != nil {
		return err
	}
	t.packets++
	if t.packets < t.runs[0].Packets {
		return nil
	}
	return t.finish()
}

// counted reports whether the next packet belongs into the stats: it begins in the output, or before the film. Others are
// there for the decoder and the resampler only, and another segment counts them.
func (t *track) counted() bool {
	at := t.runs[0].At
	if t.sampler != nil {
		at += t.sampler.outputAt(t.position)
	}
	return at < t.mixer.end && (at >= t.mixer.from || t.mixer.from == 0)
}

// decode appends the packet's samples to dst: exactly as many as it stands for. It returns how many of them the decoder made;
// the rest are silent. When the packet cannot be decoded, all are silent and the error says why.
func (t *track) decode(dst []float32, data []byte) ([]float32, int64, error) {
	length, known := t.length(data)
	all, err := t.try(dst, data)
	decoded := int64((len(all) - len(dst)) / t.width)
	if err == nil {
		if !known {
			length = decoded
		}
		t.usual = length
	} else if !known {
		length = t.usual
	}
	want := len(dst) + t.width*int(length)
	if len(all) > want {
		return all[:want], length, err
	}
	return append(all, make([]float32, want-len(all))...), decoded, err
}

func (t *track) try(dst []float32, data []byte) ([]float32, error) {
	if t.track.Codec == protocol.Lossless {
		return readLossless(dst, data, t.width)
	}
	if t.decoder == nil && t.refused == nil {
		t.decoder, t.refused = codec.OpenAudioDecoder(t.track.Codec, t.track.Private, int(t.rate), t.channels(), t.width)
	}
	if t.refused != nil {
		return dst, t.refused
	}
	decoded, err := t.decoder.Decode(dst, data)
	if err == nil && t.track.Codec == "aac" && int64(t.decoder.Rate()) == 2*t.rate {
		t.doubleRate()
	}
	return decoded, err
}

func (t *track) channels() int { return max(t.track.Channels, 1) }

// length returns how many samples a packet stands for, as far as that is known without decoding it.
func (t *track) length(data []byte) (samples int64, known bool) {
	switch t.track.Codec {
	case "opus":
		samples = timeline.Samples(bitstream.OpusDuration(data))
	case "vorbis":
		if t.vorbis == nil {
			return 0, false
		}
		return int64(t.vorbis.Samples(data)), true
	case protocol.Lossless:
		samples = int64(len(data) / (t.width * floatSize))
	default:
		samples, _ = bitstream.PCMSamples(t.track.Codec, int64(len(data)), t.channels())
	}
	return samples, samples > 0
}

// place gives samples to the run's resampler and adds what comes out to the mix. The first `decoded` of them are a decoder's.
func (t *track) place(samples []float32, decoded int64) error {
	width := int64(t.width)
	drop := min(t.skip, int64(len(samples))/width)
	t.skip -= drop
	samples = samples[width*drop:]
	take := min(t.total-t.position, int64(len(samples))/width)
	if take <= 0 {
		return nil
	}
	t.count(t.position, t.position+min(take, max(decoded-drop, 0)))
	t.position += take
	return t.add(t.sampler.push(samples[:width*take]))
}

// count adds the output samples at the samples [from, to) of the run to the stats, as far as the output reaches.
func (t *track) count(from, to int64) {
	run := t.runs[0]
	at := func(i int64) int64 { return run.At + min(t.sampler.outputAt(i), run.Length) }
	t.stats.Samples += max(min(at(to), t.mixer.end)-max(at(from), t.mixer.from), 0)
}

// add adds output samples to the mix, never more than the run's Length.
func (t *track) add(samples []float32) error {
	run := t.runs[0]
	n := min(max(run.Length-t.placed, 0), int64(len(samples)/t.width))
	err := t.mixer.add(run.At+t.placed, samples[:int64(t.width)*n], t.width)
	t.placed += n
	return err
}

// finish ends the current run and begins the next.
func (t *track) finish() error {
	if t.track.Codec == protocol.Lossless && t.position < t.total {
		return fmt.Errorf("lossless audio ends at sample %d of %d", t.position, t.total)
	}
	if t.sampler != nil {
		if err := t.add(t.sampler.end()); err != nil {
			return err
		}
	}
	t.runs = t.runs[1:]
	t.begin()
	return nil
}

// end ends the run that was under way when the packets ended.
func (t *track) end() error {
	if len(t.runs) > 0 && t.track.Codec == protocol.Lossless {
		return fmt.Errorf("lossless audio has %d of %d packets", t.packets, t.runs[0].Packets)
	}
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
