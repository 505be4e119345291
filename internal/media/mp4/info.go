package mp4

import (
	"errors"
	"fmt"
	"io"
	"time"

	"roomreel/internal/media"
)

// Info is what a film says about itself, checked against its bytes as far as the tables go.
type Info struct {
	Duration  time.Duration // of the movie header
	FastStart bool          // moov comes before mdat
	Tracks    []TrackInfo
}

// TrackInfo is one track of a film.
type TrackInfo struct {
	Video          bool
	Codec          string // h264, aac, or the sample entry's four letters
	Width, Height  int
	Rate, Channels int
	Samples        int
	Keys           int           // samples that decoding may begin at
	Media          time.Duration // sum of all samples' durations
	Start          time.Duration // where in the media the edit list begins
	Length         time.Duration // how long the edit list plays
	End            int64         // file position after the last byte of any sample
}

// errFilm is wrapped by every error that is about the film and not about reading it.
var errFilm = errors.New("film is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFilm, fmt.Sprintf(format, args...))
}

// ReadInfo reads the headers of the film that r holds in size bytes. It fails when boxes do not fit into each other,
// when tables contradict each other, or when a sample lies outside the film's mdat. Payload is not looked at.
func ReadInfo(r io.ReaderAt, size int64) (Info, error) {
	s := source{r: r, size: size, strict: true}
	var info Info
	var moov box
	var payload []box
	for pos := int64(0); pos < size; {
		b, err := s.box(pos, size)
		if err != nil {
			return info, err
		}
		if b.kind == "" || b.end > size {
			return info, damaged("the box at byte %d does not fit into the file's %d bytes", pos, size)
		}
		switch b.kind {
		case "moov":
			if moov.kind != "" {
				return info, damaged("it has two movie headers")
			}
			moov, info.FastStart = b, len(payload) == 0
		case "mdat":
			payload = append(payload, b)
		}
		pos = b.end
	}
	if moov.kind == "" {
		return info, damaged("it has no movie header")
	}
	m, err := s.movie(moov)
	if err == errBox {
		return info, damaged("a box of its movie header does not fit or cannot be decoded")
	}
	if err != nil {
		return info, err
	}
	info.Duration = duration(m.duration, m.scale)
	for i, t := range m.tracks {
		track, err := s.info(m, t, payload)
		if err == errBox {
			err = damaged("a table cannot be decoded")
		}
		if err != nil {
			return info, fmt.Errorf("track %d: %w", i+1, err)
		}
		info.Tracks = append(info.Tracks, track)
	}
	return info, nil
}

// duration converts units of time, of which a film has less than 2^62.
func duration(units, scale uint64) time.Duration {
	return media.Samples(int64(min(units, 1<<62)), int64(scale))
}

// info reads the tables of a track and follows them through the file.
func (s *source) info(m *movie, t *track, payload []box) (TrackInfo, error) {
	info := TrackInfo{
		Video: t.index.Video, Codec: t.Codec, Width: t.index.Width, Height: t.index.Height, Rate: t.index.Rate, Channels: t.index.Channels,
		Start: media.Samples(t.shown, int64(t.scale)), Length: duration(t.length, m.scale),
	}
	switch {
	case t.Unreadable != "":
		return info, damaged("%s", t.Unreadable)
	case t.edits > 1 || t.edits == 1 && !t.edited:
		return info, damaged("its edit list has not exactly one entry")
	case info.Codec == "":
		info.Codec = t.Name
	}
	b, err := s.tables(t)
	if err != nil {
		return info, err
	}
	if err := b.check(); err != nil {
		return info, err
	}
	in, units := 0, uint64(0)
	whole := b.each(func(i int, p sample) bool {
		for in < len(payload) && p.pos+int64(p.size) > payload[in].end {
			in++
		}
		if in == len(payload) || p.pos < payload[in].body {
			err = damaged("sample %d lies outside the payload", i)
			return false
		}
		units += uint64(p.length)
		info.Samples++
		if p.key {
			info.Keys++
		}
		info.End = max(info.End, p.pos+int64(p.size))
		return true
	})
	if err == nil && !whole {
		err = damaged("%d samples have a size, %d a place", b.sizes.SampleNumber, info.Samples)
	}
	info.Media = duration(units, uint64(t.scale))
	return info, err
}

// check compares the tables with each other.
func (b *tables) check() error {
	count := uint64(b.sizes.SampleNumber)
	timed, placed := uint64(0), uint64(0)
	for _, n := range b.times.SampleCount {
		timed += uint64(n)
	}
	chunks := uint32(b.chunkCount() + 1)
	for i, e := range b.chunks.Entries {
		next := chunks
		if i+1 < len(b.chunks.Entries) {
			next = b.chunks.Entries[i+1].FirstChunk
		}
		if i == 0 && e.FirstChunk != 1 || next <= e.FirstChunk || next > chunks {
			return damaged("its chunks are out of order")
		}
		placed += uint64(next-e.FirstChunk) * uint64(e.SamplesPerChunk)
	}
	shifted := count
	if n := len(b.shifts.EndSampleNr); n > 1 {
		shifted = uint64(b.shifts.EndSampleNr[n-1])
	}
	if timed != count || placed != count || shifted != count {
		return damaged("%d samples have a size, %d a duration, %d a place and %d a time of presentation", count, timed, placed, shifted)
	}
	last := uint32(0)
	for _, key := range b.keys.SampleNumber {
		if key <= last || uint64(key) > count {
			return damaged("its keyframes are out of order")
		}
		last = key
	}
	return nil
}
