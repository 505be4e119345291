package mp4

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
)

const (
	// commonScale is the timescale that video shares with audio where it divides evenly: then one movie timescale expresses
	// every duration.
	commonScale = 48000

	// fineScale is the least timescale of video at other rates.
	fineScale = 10000

	// maxMovieScale bounds the least common multiple of the tracks' timescales.
	maxMovieScale = 1_000_000_000

	// maxSample bounds what is held in memory of a frame while it is converted.
	maxSample = 64 << 20
)

// writer is a file before it is written.
type writer struct {
	tracks []writerTrack
	scale  int64 // movie timescale
	chunks []chunk
	bytes  int64 // of all payload
	wide   bool  // chunk offsets need 64 bits

	fragmented bool // the samples come in fragments
}

type writerTrack struct {
	media.OutputTrack
	scale int64 // timescale
	tick  int64 // units of scale in a tick
	avc   h264.Config
	av1C  []byte
	sizes []uint32 // bytes of each sample in the file
	start int64    // ticks of media that are decoded and not seen or heard
	total int64    // ticks of all samples
}

// chunk is a run of one track's samples that lie together in the file.
type chunk struct {
	track, first, count int
	offset              int64
}

func plan(tracks []media.OutputTrack) (*writer, error) {
	if len(tracks) == 0 {
		return nil, errors.New("a film has at least one track")
	}
	f := &writer{scale: 1}
	for i, t := range tracks {
		p, err := planTrack(t)
		if err == nil {
			err = p.measure()
		}
		if err != nil {
			return nil, fmt.Errorf("track %d: %w", i+1, err)
		}
		f.tracks = append(f.tracks, p)
		f.scale = f.scale / gcd(f.scale, p.scale) * p.scale
		if f.scale > maxMovieScale {
			return nil, fmt.Errorf("track %d: its tick of %d/%d s does not go with the other tracks' ticks", i+1, t.TickNum, t.TickDen)
		}
		for _, n := range p.sizes {
			f.bytes += int64(n)
		}
	}
	f.planChunks()
	return f, nil
}

func planTrack(t media.OutputTrack) (writerTrack, error) {
	p := writerTrack{OutputTrack: t}
	switch {
	case t.Codec != "h264" && t.Codec != "av1" && t.Codec != "aac":
		return p, fmt.Errorf("mp4 films hold h264, av1 and aac, not %q", t.Codec)
	case len(t.Samples) == 0:
		return p, errors.New("it has no samples")
	case len(t.Samples) > math.MaxInt32:
		return p, errors.New("it has too many samples")
	case t.TickNum <= 0 || t.TickDen <= 0 || t.TickNum > maxMovieScale || t.TickDen > maxMovieScale:
		return p, fmt.Errorf("its tick is %d/%d seconds", t.TickNum, t.TickDen)
	case t.Length <= 0 || t.Delay < 0 || t.Start < 0:
		return p, fmt.Errorf("it lasts %d ticks from tick %d on after a delay of %d", t.Length, t.Start, t.Delay)
	}
	p.planScale()
	p.start = t.Delay
	if t.Video() {
		p.start = math.MaxInt64
	}
	for _, s := range t.Samples {
		if s.Shift < 0 {
			return p, errors.New("a sample is presented before it is decoded")
		}
		if t.Video() {
			p.start = min(p.start, p.total+int64(s.Shift))
		}
		if most := max(int64(s.Len), int64(s.Shift)) * p.tick; most > math.MaxUint32 {
			return p, fmt.Errorf("a sample lasts or waits for more than 32 bits can say at %d units a second", p.scale)
		}
		p.total += int64(s.Len)
	}
	if t.Codec == "aac" {
		if len(t.Private) < 2 {
			return p, errors.New("it has no AudioSpecificConfig")
		}
		return p, p.trim()
	}
	var err error
	if t.Codec == "av1" {
		p.av1C, err = bitstream.AV1Record(t.Private)
	} else {
		p.avc, err = h264.ParseConfig(t.Private)
	}
	return p, err
}

// converted reports whether the payload differs in the file: start codes of H.264 become lengths.
func (t *writerTrack) converted() bool { return t.Codec == "h264" }

// measure notes the sizes of all samples in the file.
func (t *writerTrack) measure() (err error) {
	if t.converted() {
		t.sizes, err = t.convertedSizes()
		return err
	}
	t.sizes = make([]uint32, len(t.Samples))
	for i, s := range t.Samples {
		t.sizes[i] = s.Size
	}
	return nil
}

// trim lets the last sample of audio last no longer than what is heard of it, and drops samples of which nothing is heard:
// some players end with the media and not with the edit list.
func (t *writerTrack) trim() error {
	over := t.total - t.start - t.Length
	if over < 0 {
		return fmt.Errorf("its samples last %d ticks, less than delay %d and length %d", t.total, t.Delay, t.Length)
	}
	t.Samples = slices.Clone(t.Samples)
	t.total -= over
	for n := len(t.Samples) - 1; over > 0; n-- {
		last := &t.Samples[n]
		if over < int64(last.Len) {
			last.Len -= uint32(over)
			break
		}
		over -= int64(last.Len)
		t.Samples = t.Samples[:n]
	}
	return nil
}

// planScale chooses the timescale: a multiple of TickDen.
func (t *writerTrack) planScale() {
	g := gcd(t.TickNum, t.TickDen)
	num, den := t.TickNum/g, t.TickDen/g
	k := int64(1)
	switch {
	case commonScale%den == 0 && t.Video():
		k = commonScale / den
	case t.Video() && den < fineScale:
		k = (fineScale + den - 1) / den
	}
	t.scale, t.tick = den*k, num*k
}

// convertedSizes reads all frames once to learn how large they are with lengths in place of start codes.
func (t *writerTrack) convertedSizes() ([]uint32, error) {
	r, err := t.Open()
	if err != nil {
		return nil, fmt.Errorf("open payload: %w", err)
	}
	defer r.Close()
	p := frameReader{t: t, r: bufio.NewReaderSize(r, 64<<10)}
	sizes := make([]uint32, len(t.Samples))
	for i := range t.Samples {
		b, err := p.next()
		if err != nil {
			return nil, err
		}
		sizes[i] = uint32(len(b))
	}
	return sizes, nil
}

// frameReader reads Annex B frames one by one and converts them. Its buffers are reused.
type frameReader struct {
	t       *writerTrack
	r       *bufio.Reader
	i       int
	in, out []byte
}

func (p *frameReader) next() ([]byte, error) {
	size := int(p.t.Samples[p.i].Size)
	if size > maxSample {
		return nil, fmt.Errorf("frame %d has %d bytes, more than %d", p.i, size, maxSample)
	}
	if cap(p.in) < size {
		p.in = make([]byte, size)
	}
	p.in = p.in[:size]
	if _, err := io.ReadFull(p.r, p.in); err != nil {
		return nil, fmt.Errorf("frame %d: read payload: %w", p.i, unexpected(err))
	}
	out, err := p.t.avc.Convert(p.out[:0], p.in)
	if err == nil && len(out) == 0 {
		err = errors.New("it holds no slice")
	}
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", p.i, err)
	}
	p.out = out
	p.i++
	return out, nil
}

// unexpected turns an end of payload into an error that says so.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// planChunks groups each track's samples by the second of film time in which they are decoded, one track after the other.
func (w *writer) planChunks() {
	next := make([]int, len(w.tracks))
	ticks := make([]int64, len(w.tracks))
	for second := int64(1); ; second++ {
		left := false
		for i := range w.tracks {
			t := &w.tracks[i]
			c := chunk{track: i, first: next[i]}
			for next[i] < len(t.Samples) && (ticks[i]-t.start+t.Start)*t.TickNum < second*t.TickDen {
				ticks[i] += int64(t.Samples[next[i]].Len)
				next[i]++
				c.count++
			}
			if c.count > 0 {
				w.chunks = append(w.chunks, c)
			}
			left = left || next[i] < len(t.Samples)
		}
		if !left {
			return
		}
	}
}

// place sets the offsets of all chunks, payload beginning at byte at.
func (w *writer) place(at int64) {
	for i := range w.chunks {
		c := &w.chunks[i]
		c.offset = at
		for _, n := range w.tracks[c.track].sizes[c.first : c.first+c.count] {
			at += int64(n)
		}
	}
}

// inMovie converts ticks of t to the movie timescale; the scale was chosen so that nothing is lost.
func (w *writer) inMovie(t *writerTrack, ticks int64) uint64 {
	return uint64(ticks * t.tick * (w.scale / t.scale))
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
