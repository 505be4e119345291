package mp4

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"roomreel/internal/media"
)

// Fragmented is the muxer of fragmented films of H.264 or AV1 video and AAC audio (CMAF). Memory is for one fragment.
//
// [Fragmented.Open] gives the same in pieces: an initialization segment and fragments that begin with a keyframe each, which
// are the segments of an HLS playlist. Edit lists move reordered video and the priming of audio to before film time 0, as in
// Faststart: with negative composition offsets instead, ffmpeg 5.1 shows video late.
type Fragmented struct {
	Length time.Duration // a fragment ends before the first keyframe after so long; 0 means 6 s
}

var _ media.Muxer = Fragmented{}

// Write implements media.Muxer.
func (m Fragmented) Write(w io.Writer, tracks []media.OutputTrack) error {
	f, err := m.Open(tracks)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := w.Write(f.Init()); err != nil {
		return fmt.Errorf("write mp4: %w", err)
	}
	for {
		if _, err := f.Next(w); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Fragments is a film that is handed out in pieces.
type Fragments struct {
	w        writer // its tracks and scale
	length   time.Duration
	readers  []io.Closer
	payload  []*bufio.Reader
	frames   []frameReader
	next     []int   // sample of each track
	decoded  []int64 // ticks until then
	sequence uint32
}

// Fragment is a piece of a film.
type Fragment struct {
	Start, Length time.Duration // in film time
	Size          int64         // bytes
}

// Open begins a film. The caller closes it.
func (m Fragmented) Open(tracks []media.OutputTrack) (*Fragments, error) {
	f := &Fragments{w: writer{scale: 1000}, length: m.Length}
	if f.length <= 0 {
		f.length = 6 * time.Second
	}
	if len(tracks) == 0 {
		return nil, errors.New("write mp4: a film has at least one track")
	}
	for i, track := range tracks {
		t, err := planTrack(track)
		if err != nil {
			return nil, fmt.Errorf("write mp4: track %d: %w", i+1, err)
		}
		if track.Start > 0 {
			return nil, fmt.Errorf("write mp4: track %d: it begins late, which fragments cannot say", i+1)
		}
		f.w.tracks = append(f.w.tracks, t)
	}
	f.frames = make([]frameReader, len(tracks))
	f.next, f.decoded = make([]int, len(tracks)), make([]int64, len(tracks))
	for i := range f.w.tracks {
		t := &f.w.tracks[i]
		r, err := t.Open()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("write mp4: track %d: open payload: %w", i+1, err)
		}
		f.readers, f.payload = append(f.readers, r), append(f.payload, bufio.NewReaderSize(r, 64<<10))
		f.frames[i] = frameReader{t: t, r: f.payload[i]}
	}
	return f, nil
}

// Close releases the payloads. They were only read, so a failure to close loses nothing.
func (f *Fragments) Close() {
	for _, r := range f.readers {
		_ = r.Close()
	}
	f.readers = nil
}

// Init returns the initialization segment.
func (f *Fragments) Init() []byte {
	w := writer{fragmented: true, scale: f.w.scale, tracks: slices.Clone(f.w.tracks)}
	for i := range w.tracks {
		t := &w.tracks[i]
		t.Samples, t.Length, t.total = nil, 0, 0
	}
	return append(newBox("ftyp", []byte("iso6"), u32(0), []byte("iso6cmfcmp41")), w.moov()...)
}

// Next writes the next fragment to w. The error is io.EOF when there is none.
func (f *Fragments) Next(w io.Writer) (Fragment, error) {
	lead := f.lead()
	if lead < 0 {
		return Fragment{}, io.EOF
	}
	start := max(f.at(lead, f.next[lead], f.decoded[lead]), 0)
	end := f.end(lead, start)
	f.sequence++
	runs := make([]sampleRun, len(f.w.tracks))
	var payload bytes.Buffer
	for i := range runs {
		if err := f.collect(i, end, &runs[i], &payload); err != nil {
			return Fragment{}, fmt.Errorf("write mp4: track %d: %w", i+1, err)
		}
	}
	size := len(f.moof(runs, 0))
	head := append(f.moof(runs, size+8), u32(uint32(payload.Len()+8))...)
	head = append(head, "mdat"...)
	if _, err := w.Write(head); err != nil {
		return Fragment{}, fmt.Errorf("write mp4: %w", err)
	}
	if _, err := payload.WriteTo(w); err != nil {
		return Fragment{}, fmt.Errorf("write mp4: %w", err)
	}
	if end == math.MaxInt64 {
		end = 0
		for i := range f.w.tracks {
			t := &f.w.tracks[i]
			end = max(end, t.nanos(t.Length))
		}
	}
	return Fragment{Start: time.Duration(start), Length: time.Duration(end - start), Size: int64(len(head)) + int64(runs[len(runs)-1].end)}, nil
}

// sampleRun is what a fragment holds of one track.
type sampleRun struct {
	decoded    int64 // ticks until the first sample
	first, end int   // end is where its payload ends in the fragment's
	begin      int
	sizes      []uint32
}

// lead returns the track whose keyframes decide where fragments end: video, when some is left. It is -1 at the end.
func (f *Fragments) lead() int {
	lead := -1
	for i := range f.w.tracks {
		t := &f.w.tracks[i]
		if f.next[i] < len(t.Samples) && (lead < 0 || t.Video() && !f.w.tracks[lead].Video()) {
			lead = i
		}
	}
	return lead
}

// at returns when a sample is seen or heard, in nanoseconds of film time.
func (f *Fragments) at(track, sample int, decoded int64) int64 {
	t := &f.w.tracks[track]
	return t.nanos(decoded + int64(t.Samples[sample].Shift) - t.start)
}

// end returns when the fragment that starts at the given time ends: where the next keyframe is, at least length later.
func (f *Fragments) end(lead int, start int64) int64 {
	samples := f.w.tracks[lead].Samples
	decoded := f.decoded[lead]
	for i := f.next[lead]; i < len(samples); i++ {
		if at := f.at(lead, i, decoded); i > f.next[lead] && samples[i].Key && at-start >= int64(f.length) {
			return at
		}
		decoded += int64(samples[i].Len)
	}
	return math.MaxInt64
}

// collect takes a track's samples up to the end of the fragment and appends their payload.
func (f *Fragments) collect(track int, end int64, r *sampleRun, payload *bytes.Buffer) error {
	t := &f.w.tracks[track]
	r.decoded, r.first, r.begin = f.decoded[track], f.next[track], payload.Len()
	for ; f.next[track] < len(t.Samples); f.next[track]++ {
		i := f.next[track]
		s := t.Samples[i]
		// Frames before the next keyframe in decoding order belong to this fragment, whenever they are shown.
		if f.at(track, i, f.decoded[track]) >= end && (!t.Video() || s.Key) {
			break
		}
		before := payload.Len()
		if t.converted() {
			b, err := f.frames[track].next()
			if err != nil {
				return err
			}
			payload.Write(b)
		} else if _, err := io.CopyN(payload, f.payload[track], int64(s.Size)); err != nil {
			return fmt.Errorf("sample %d: %w", i, unexpected(err))
		}
		r.sizes = append(r.sizes, uint32(payload.Len()-before))
		f.decoded[track] += int64(s.Len)
	}
	if r.end = payload.Len(); r.end > math.MaxInt32 {
		return errors.New("a fragment has more than 2 GiB")
	}
	return nil
}

// moof describes the fragment, whose payload begins so many bytes after the moof does.
func (f *Fragments) moof(runs []sampleRun, payload int) []byte {
	const (
		baseIsMoof                                   = 0x020000
		offset, lengths, sizes, flags, shifts        = 0x1, 0x100, 0x200, 0x400, 0x800
		keyframe, otherFrame                  uint32 = 0x02000000, 0x01010000 // depends on no other sample; does, and is no keyframe
	)
	parts := [][]byte{newFullBox("mfhd", 0, 0, u32(f.sequence))}
	for i, r := range runs {
		if len(r.sizes) == 0 {
			continue
		}
		t := &f.w.tracks[i]
		columns := uint32(offset | lengths | sizes | flags)
		if t.Video() {
			columns |= shifts
		}
		var rows table
		for n, size := range r.sizes {
			s := t.Samples[r.first+n]
			kind := otherFrame
			if s.Key {
				kind = keyframe
			}
			row := []uint32{s.Len * uint32(t.tick), size, kind}
			if t.Video() {
				row = append(row, uint32(s.Shift)*uint32(t.tick))
			}
			rows.add(row...)
		}
		parts = append(parts, newBox("traf",
			newFullBox("tfhd", 0, baseIsMoof, u32(uint32(i+1))),
			newFullBox("tfdt", 1, 0, u64(uint64(r.decoded*t.tick))),
			newFullBox("trun", 0, columns, u32(rows.n, uint32(payload+r.begin)), rows.rows)))
	}
	return newBox("moof", parts...)
}

// nanos converts ticks to nanoseconds.
func (t *writerTrack) nanos(ticks int64) int64 {
	return int64(media.Samples(ticks*t.TickNum, t.TickDen))
}
