package mp4

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"time"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"roomreel"
	"roomreel/internal/media"
)

// Is says whether a file that begins with these bytes is MP4 or QuickTime.
func Is(head []byte) bool {
	return len(head) >= 8 && known(string(head[4:8]))
}

// known says whether a file may have boxes of a kind beside its movie.
func known(kind string) bool {
	switch kind {
	case "ftyp", "styp", "moov", "moof", "mdat", "free", "skip", "wide", "sidx", "uuid", "emsg", "prft", "pnot":
		return true
	}
	return false
}

// ReadIndex makes the index of an MP4 file: with its tables before or after the media, in fragments, or both. See
// demux.ReadIndex.
func ReadIndex(r io.ReaderAt, size int64, kind roomreel.TrackKind) (*media.Index, media.Container, error) {
	return ReadTrack(r, size, kind, 0)
}

// ReadTrack makes the index of the track with a number. See demux.ReadTrack.
func ReadTrack(r io.ReaderAt, size int64, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error) {
	f := reader{source: source{r: r, size: size}, kind: kind, number: number}
	if err := f.all(); err != nil {
		return nil, "", err
	}
	x, err := f.finish()
	return x, media.MP4, err
}

// reader makes the index of one track of a file.
type reader struct {
	source
	kind       roomreel.TrackKind
	number     int   // of the wanted track, from 1; 0 for the first
	refusal    error // why no track was usable in the movies so far
	build      *media.Builder
	movie      *movie // the last
	first      *movie
	track      *track            // of movie; nil when that does not hold the track
	chosen     int               // which track of first is indexed
	candidates []media.Candidate // the tracks of first
	joiner     media.Joiner
	omitted    string        // what the movie goes on with instead of the track
	started    bool          // a sample of track was seen
	described  *track        // the description of the last packet; nil when that was left out
	delay      time.Duration // the CodecDelay of that description
	origin     int64         // position from which tables count: where the file began that was appended
	begun      bool          // the file's content begins before

	payload   int64         // bytes of the packets so far
	end       int64         // of the last packet in the file
	floor     int64         // packets before it are known already
	last      time.Duration // how long the last packet of audio lasts by the container's word
	truncated bool
}

// all reads the boxes of the file.
func (f *reader) all() error {
	var last box
	found := int64(0) // where the search for a fragment led last
	for pos := int64(0); pos < f.size; {
		b, err := f.box(pos, f.size)
		if err != nil {
			return err
		}
		fits := printable(b.kind) && b.end <= f.size
		if fits {
			last = b
			if err := f.top(b); err != nil {
				return err
			}
		}
		if pos = b.end; fits && !b.open {
			continue
		}
		// What is here is garbage, reaches beyond the end of the file, or does not say where it ends. Fragments may follow, also
		// within the last good box when its size is wrong.
		from := max(last.body, found)
		if known(b.kind) {
			from = b.body
		}
		next, err := f.find(from)
		if err != nil {
			return err
		}
		if next < 0 {
			f.truncated = f.truncated || !fits
			return nil
		}
		pos, found = next, next+8
	}
	return nil
}

// printable says whether a box's type is one that a file may have.
func printable(kind string) bool {
	for i := range len(kind) {
		if c := kind[i]; (c < ' ' || c > '~') && c != 0xA9 {
			return false
		}
	}
	return kind != ""
}

// find returns where the next fragment, movie or file begins, from a position on; -1 when there is none.
func (f *reader) find(from int64) (int64, error) {
	for pos := from; ; {
		b, err := f.bytes(pos, window)
		if err != nil {
			return 0, err
		}
		if at := beginning(b); at >= 0 {
			return pos + int64(at), nil
		}
		if pos += int64(len(b)) - 16; len(b) < window {
			return -1, nil
		}
	}
}

// beginning returns where in b the first box lies that looks like the beginning of a fragment, movie or file; -1 when none does.
func beginning(b []byte) int {
	found := -1
	for _, begins := range []struct {
		kind string
		is   func(box []byte) bool
	}{
		{"moo", func(box []byte) bool {
			kinds := string(box[4:8]) + string(box[12:16])
			return kinds == "moofmfhd" || kinds == "moovmvhd"
		}},
		{"ftyp", func(box []byte) bool {
			const longest = 1024 // bytes of a list of brands
			return binary.BigEndian.Uint32(box) <= longest && printable(string(box[8:12]))
		}},
	} {
		for i := 4; ; i++ {
			n := bytes.Index(b[min(i, len(b)):], []byte(begins.kind))
			if n < 0 {
				break
			}
			if i += n; i+12 > len(b) {
				break
			}
			if begins.is(b[i-4:]) {
				found, b = i-4, b[:i-4]
				break
			}
		}
	}
	return found
}

// top reads one of the boxes that a file consists of.
func (f *reader) top(b box) error {
	switch b.kind {
	case "ftyp":
		if f.begun {
			f.origin = b.pos
			f.cut(b.pos)
		}
	case "moov":
		f.cut(b.pos)
		if err := f.readMovie(b); err != nil {
			return err
		}
	case "moof":
		if f.movie != nil {
			return f.fragment(b)
		}
	case "mdat":
	default:
		return nil
	}
	f.begun = true
	return nil
}

// cut removes packets that reach beyond the position where a movie or a file begins: the file before it was truncated.
func (f *reader) cut(pos int64) {
	if f.build == nil || f.end <= pos {
		return
	}
	all := f.build.Index.Packets
	n := len(all)
	for n > 0 && all[n-1].Pos+int64(all[n-1].Size) > pos {
		n--
		f.payload -= int64(all[n].Size)
	}
	f.build.Unadd(n)
	f.end, f.truncated = pos, true
}

// readMovie reads a moov box. The first that holds a usable track decides; media.GoesOn says how the track goes on in later
// ones, as when files were appended to each other.
func (f *reader) readMovie(b box) error {
	m, err := f.source.movie(b)
	if err != nil {
		return err
	}
	f.movie, f.track, f.described, f.started, f.floor = m, nil, nil, false, f.end
	candidates := make([]media.Candidate, len(m.tracks))
	for i, t := range m.tracks {
		candidates[i] = t.Candidate
	}
	if f.build == nil {
		i, err := media.Choose(candidates, f.kind, f.number)
		if err != nil {
			if f.refusal == nil {
				f.refusal = err
			}
			return nil
		}
		f.track, f.first = m.tracks[i], m
		f.candidates, f.chosen = candidates, i
		x := f.track.index
		x.Tracks, x.Track = media.ListTracks(candidates, i)
		f.build = media.NewBuilder(x)
	} else {
		f.build.Restart()
		f.joiner.Border()
		if i, what := media.GoesOn(f.candidates, f.chosen, candidates); i >= 0 {
			f.track = m.tracks[i]
		} else {
			f.omitted = what
		}
	}
	for _, t := range m.tracks {
		if t.edited && m.fragmented && t.shown > 10*int64(t.scale) {
			t.edited = false // priming and reordering are shorter
		}
	}
	return f.readTables()
}

// readTables adds the packets of the track that are not in fragments, and notes when the other tracks begin.
func (f *reader) readTables() error {
	for _, t := range f.movie.tracks {
		if count, err := f.bytes(t.boxes["stts"].body+4, 4); err != nil {
			return err
		} else if t.Kind == "" || t.boxes["stts"].kind == "" || len(count) < 4 || binary.BigEndian.Uint32(count) == 0 {
			continue
		}
		if t.begun = true; t == f.track {
			continue
		}
		if ctts := t.boxes["ctts"]; ctts.kind != "" {
			row, err := f.bytes(ctts.body+8, 8)
			if err != nil {
				return err
			}
			if len(row) == 8 {
				t.start = int64(int32(binary.BigEndian.Uint32(row[4:])))
			}
		}
	}
	if slices.ContainsFunc(f.movie.tracks, func(t *track) bool { return t.begun }) {
		f.joiner.Begin(0)
		f.joiner.Extend(min(duration(f.movie.duration, f.movie.scale), media.MaxStart))
		f.leaveOut()
	}
	if f.track == nil {
		return nil
	}
	b, err := f.tables(f.track)
	if err == errBox {
		f.truncated = true
		return nil
	}
	if err != nil {
		return err
	}
	b.origin = f.origin
	first := 0
	if f.track.edited && b.sizes.SampleNumber > 0 {
		first = b.first(f.track)
	}
	whole := b.each(func(i int, s sample) bool {
		f.track.next = s.decode + int64(s.length)
		if i >= first {
			if f.movie.duration == 0 { // else the header says how long the movie lasts
				f.joiner.At(uint64(f.track.id), f.movie.time(f.track, s), 0)
			}
			err = f.add(s)
		}
		return err == nil
	})
	if err == errBox || !whole {
		f.truncated = true
		return nil
	}
	return err
}

// leaveOut says, once a movie holds packets, that the track does not go on in it.
func (f *reader) leaveOut() {
	if f.omitted != "" {
		f.build.Omit(f.omitted)
		f.omitted = ""
	}
}

// describe says with which of its descriptions the track goes on.
func (f *reader) describe(d *track) {
	f.described = d
	x := d.index
	t := f.track
	if d == t && t.edited && !x.Video {
		x.CodecDelay = min(max(media.Samples(t.shown-t.start, int64(t.scale)), x.CodecDelay), media.MaxDelay)
	}
	one := []media.Candidate{d.Candidate}
	if i, what := media.GoesOn([]media.Candidate{{Kind: t.Kind, Codec: t.Codec}}, 0, one); i < 0 {
		f.build.Omit(what)
		f.described = nil
		return
	}
	f.delay = x.CodecDelay
	f.build.Describe(x)
}

// add adds a packet of the track. The error is errBox when packets lie over each other.
func (f *reader) add(s sample) error {
	t := f.track
	if !f.started {
		f.started, t.begun, t.start = true, true, s.shown()
	}
	if d := t.description(s.description); d != f.described {
		f.describe(d)
	}
	const row = 4 // bytes of a table that a packet takes at least
	f.payload += row
	switch {
	case f.payload > f.size+row*16:
		return errBox
	case s.size > media.MaxPacketSize || s.pos < f.floor || f.described == nil:
		return nil
	case s.pos+int64(s.size) > f.size:
		f.truncated = true
		return nil
	case f.payload+int64(s.size) > f.size+row*16:
		return errBox
	}
	f.payload += int64(s.size)
	front, err := f.bytes(s.pos, min(int(s.size), f.build.Front()))
	if err != nil {
		return err
	}
	f.end, f.last = max(f.end, s.pos+int64(s.size)), media.Samples(int64(s.length), int64(t.scale))
	p := media.Packet{Time: f.joiner.Join(f.movie.time(t, s)) + f.delay, Pos: s.pos, Size: int(s.size), Key: s.key}
	if !t.index.Video {
		p.Duration = f.last
	}
	return f.build.Add(p, front)
}

// fragment reads a moof box.
func (f *reader) fragment(moof box) error {
	end := moof.pos // of the data of the track fragment before
	return f.each(moof, func(b box) error {
		if b.kind != "traf" {
			return nil
		}
		var (
			head *mp4ff.TfhdBox
			t    *track
			base int64
		)
		err := f.each(b, func(b box) error {
			switch {
			case b.kind == "tfhd":
				h, err := decode[mp4ff.TfhdBox](&f.source, b, mp4ff.DecodeTfhdSR)
				if err != nil {
					return f.tolerate(err)
				}
				head, base = h, end
				if i := slices.IndexFunc(f.movie.tracks, func(t *track) bool { return t.id == h.TrackID && t.Kind != "" }); i >= 0 {
					t = f.movie.tracks[i]
				}
				switch {
				case h.HasBaseDataOffset():
					base = int64(min(h.BaseDataOffset, uint64(maxUnits))) + f.origin
				case h.Flags&mp4ff.TfhdDefaultBaseIsMoofFlag != 0:
					base = moof.pos
				}
				end = base
			case b.kind == "tfdt" && t != nil:
				d, err := decode[mp4ff.TfdtBox](&f.source, b, mp4ff.DecodeTfdtSR)
				if err == nil {
					t.next = int64(min(d.BaseMediaDecodeTime(), uint64(maxUnits)))
				}
				return f.tolerate(err)
			case b.kind == "trun" && head != nil:
				run, err := decode[mp4ff.TrunBox](&f.source, b, mp4ff.DecodeTrunSR)
				if err != nil {
					return f.tolerate(err)
				}
				if end, err = f.run(t, head, run, base, end); err == errBox {
					f.truncated = true
				}
				return f.tolerate(err)
			}
			return nil
		})
		return err
	})
}

// run reads a run of samples, and returns where their data ends.
func (f *reader) run(t *track, head *mp4ff.TfhdBox, run *mp4ff.TrunBox, base, pos int64) (int64, error) {
	if run.HasDataOffset() {
		pos = base + int64(run.DataOffset)
	}
	var defaults *mp4ff.TrexBox
	if t != nil {
		defaults = &t.defaults
	}
	run.AddSampleDefaultValues(head, defaults)
	for _, r := range run.Samples {
		if t != nil {
			s := sample{
				decode: t.next, shift: int64(r.CompositionTimeOffset), length: r.Dur, pos: pos, size: r.Size,
				key: r.Flags&nonSync == 0, description: t.defaults.DefaultSampleDescriptionIndex,
			}
			if head.HasSampleDescriptionIndex() {
				s.description = head.SampleDescriptionIndex
			}
			t.next = min(t.next+int64(r.Dur), maxUnits)
			f.joiner.At(uint64(t.id), f.movie.time(t, s), 0)
			f.leaveOut()
			if t == f.track {
				if err := f.add(s); err != nil {
					return pos, err
				}
			} else if !t.begun {
				t.begun, t.start = true, s.shown()
			}
		}
		pos += int64(r.Size)
	}
	return pos, nil
}

// nonSync is the flag of a sample that is no keyframe.
const nonSync = 0x10000

// finish concludes at the end of the file.
func (f *reader) finish() (*media.Index, error) {
	switch {
	case f.build == nil && f.refusal != nil:
		return nil, f.refusal
	case f.build == nil:
		return nil, media.Invalid("the file has no track list (moov): it is only the first part of a file, or its recorder did not finish it")
	}
	// The container may end the last packet of audio early.
	if all := f.build.Index.Packets; len(all) > 0 && !f.build.Index.Video && f.last > 0 {
		last := &all[len(all)-1]
		last.Duration = min(last.Duration, f.last)
	}
	x, err := f.build.Finish(f.size, f.truncated)
	if err != nil {
		return nil, err
	}
	start := f.first.begins(f.first.tracks[f.chosen])
	earliest := start
	for _, t := range f.first.tracks {
		if t.begun {
			earliest = min(earliest, f.first.begins(t))
		}
	}
	if x.Start = start - earliest; x.Start > media.MaxStart {
		x.Start = 0
	}
	return x, nil
}

// time returns when a sample of a track is presented, by the movie's clock. Audio that is decoded and not heard comes before the
// track begins.
func (m *movie) time(t *track, s sample) time.Duration {
	at := s.shown()
	if t.edited {
		if at -= t.shown; t.index.Video {
			at = max(at, 0)
		}
	}
	return media.Samples(t.delayed, int64(m.scale)) + media.Samples(at, int64(t.scale))
}

// begins returns when a track is first seen or heard, by the movie's clock.
func (m *movie) begins(t *track) time.Duration {
	at := t.start
	if t.edited {
		at = max(at-t.shown, 0)
	}
	return media.Samples(t.delayed, int64(m.scale)) + media.Samples(at, int64(t.scale))
}
