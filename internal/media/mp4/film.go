package mp4

import (
	"fmt"
	"io"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
)

// ReadFilm reads back the film that r holds in size bytes and calls visit for each packet, track by track. It fails when boxes do not
// fit into each other, when tables or durations contradict each other, when packets do not fill the film's mdat, or when
// one that is flagged as a keyframe is none. Other payload is not looked at.
func ReadFilm(r io.ReaderAt, size int64, visit media.FilmVisitor) (media.Film, error) {
	s := source{r: r, size: size, strict: true}
	var film media.Film
	var moov box
	var payload []box
	room := int64(0) // bytes of all payload
	for pos := int64(0); pos < size; {
		b, err := s.box(pos, size)
		if err != nil {
			return film, err
		}
		if b.kind == "" || b.end > size {
			return film, media.Damaged("the box at byte %d does not fit into the file's %d bytes", pos, size)
		}
		switch b.kind {
		case "moov":
			if moov.kind != "" {
				return film, media.Damaged("it has two movie headers")
			}
			moov, film.Front = b, len(payload) == 0
		case "mdat":
			payload = append(payload, b)
			room += b.end - b.body
		}
		pos = b.end
	}
	if moov.kind == "" {
		return film, media.Damaged("it has no movie header")
	}
	m, err := s.movie(moov)
	if err == errBox {
		return film, media.Damaged("a box of its movie header does not fit or cannot be decoded")
	}
	if err != nil {
		return film, err
	}
	film.Duration = duration(m.duration, m.scale)
	var longest time.Duration
	for i, t := range m.tracks {
		f := filmTrack{source: &s, movie: m, track: t, payload: payload, visit: visit}
		err := f.read()
		if err == errBox {
			err = media.Damaged("a table cannot be decoded")
		}
		if err != nil {
			return film, fmt.Errorf("track %d: %w", i+1, err)
		}
		film.Tracks = append(film.Tracks, &f.film)
		longest = max(longest, duration(uint64(t.delayed)+t.length, m.scale))
		room -= f.bytes
	}
	if film.Duration != longest {
		return film, media.Damaged("its header says that it lasts %v, and its longest track lasts %v", film.Duration, longest)
	}
	if room != 0 {
		return film, media.Damaged("packets and payload differ by %d bytes", room)
	}
	return film, nil
}

// duration converts units of time, of which a film has less than 2^62.
func duration(units, scale uint64) time.Duration {
	return media.Samples(int64(min(units, 1<<62)), int64(scale))
}

// filmTrack reads back one track.
type filmTrack struct {
	*source
	movie   *movie
	track   *track
	payload []box
	visit   media.FilmVisitor
	film    media.FilmTrack
	bytes   int64 // of its packets
}

func (f *filmTrack) read() error {
	t := f.track
	x := &t.index
	f.film = media.FilmTrack{
		Video: x.Video, Codec: t.Codec, Width: x.Width, Height: x.Height, Rate: x.Rate, Channels: x.Channels, Scale: int64(t.scale),
	}
	switch {
	case t.Unreadable != "":
		return media.Damaged("%s", t.Unreadable)
	case t.edits > 2 || t.edits == 2 && t.delayed == 0 || t.edits > 0 && !t.edited:
		return media.Damaged("its edit list has not exactly one entry that shows something, and one before it at most")
	case t.Codec == "":
		f.film.Codec = t.Name
	}
	// Nothing is lost here: writers choose the movie's scale as a multiple of each track's.
	f.film.Length, f.film.Start = f.units(t.length), f.units(uint64(t.delayed))
	if !x.Video {
		f.film.Delay = f.samples(t.shown)
	}
	b, err := f.tables(t)
	if err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	var inspect func([]byte) bitstream.Frame // of the front of a packet
	switch t.Codec {
	case "h264":
		inspect = h264.ParsePrivate(x.Private).Inspect
	case "av1":
		av1 := bitstream.ParseAV1(x.Private)
		if !av1.Config() {
			return media.Damaged("its av1C has no sequence header")
		}
		inspect = av1.Inspect
	}
	in, count, units := 0, 0, int64(0)
	whole := b.each(func(i int, p sample) bool {
		for in < len(f.payload) && p.pos+int64(p.size) > f.payload[in].end {
			in++
		}
		if in == len(f.payload) || p.pos < f.payload[in].body {
			err = media.Damaged("packet %d lies outside the payload", i)
			return false
		}
		if inspect != nil && p.key {
			var front []byte
			if front, err = f.front(p); err != nil {
				return false
			}
			if !inspect(front).Key {
				err = media.Damaged("packet %d is flagged as a keyframe and is none", i)
				return false
			}
		}
		units += int64(p.length)
		count++
		f.bytes += int64(p.size)
		packet := media.FilmPacket{
			Decode: p.decode + f.film.Start, Shown: p.shown() - t.shown + f.film.Start, Length: int64(p.length), Key: p.key, Pos: p.pos, Size: int64(p.size),
		}
		if !x.Video {
			packet.Samples = f.samples(int64(p.length))
		}
		if f.visit != nil {
			err = f.visit(&f.film, packet)
		}
		return err == nil
	})
	switch {
	case err != nil:
		return err
	case !whole:
		return media.Damaged("%d packets have a size, %d a place", b.sizes.SampleNumber, count)
	case uint64(units) != t.media:
		return media.Damaged("its media header says that it lasts %d units, and its packets last %d", t.media, units)
	case t.header != uint64(t.delayed)+t.length:
		return media.Damaged("its track header says that it lasts %d units, and its edit list %d", t.header, uint64(t.delayed)+t.length)
	}
	return nil
}

// units converts units of the movie to those of the track. Nothing is lost: writers choose the movie's scale as a multiple of each track's.
func (f *filmTrack) units(n uint64) int64 {
	return media.Rescale(int64(min(n, uint64(maxUnits))), int64(f.movie.scale), int64(f.track.scale))
}

// front reads the first bytes of a packet, as far as they may be needed to tell what frame it is.
func (f *filmTrack) front(p sample) ([]byte, error) {
	const enough = 4096 // parameter sets and the encoder's SEI fit, and a sequence header
	return f.source.bytes(p.pos, int(min(p.size, enough)))
}

// samples converts units of an audio track.
func (f *filmTrack) samples(units int64) int64 {
	if f.film.Rate == 0 {
		return units
	}
	return media.Rescale(units, f.film.Scale, int64(f.film.Rate))
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
			return media.Damaged("its chunks are out of order")
		}
		placed += uint64(next-e.FirstChunk) * uint64(e.SamplesPerChunk)
	}
	shifted := count
	if n := len(b.shifts.EndSampleNr); n > 1 {
		shifted = uint64(b.shifts.EndSampleNr[n-1])
	}
	if timed != count || placed != count || shifted != count {
		return media.Damaged("%d samples have a size, %d a duration, %d a place and %d a time of presentation", count, timed, placed, shifted)
	}
	last := uint32(0)
	for _, key := range b.keys.SampleNumber {
		if key <= last || uint64(key) > count {
			return media.Damaged("its keyframes are out of order")
		}
		last = key
	}
	return nil
}
