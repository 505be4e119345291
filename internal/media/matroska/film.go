package matroska

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
)

const (
	maxFilmTable = 64 << 20 // bytes of an element that is read whole
	maxClusters  = 4 << 20  // a day of audio has 17,280
)

// ReadFilm reads back the WebM film that r holds in size bytes, once from front to back, and calls visit for each packet. It fails when elements
// do not fit into each other, when one is not where the seek head or the cues say, when a cluster that begins with a
// keyframe has no cue, or when a packet that is flagged as a keyframe is none. Memory is for the cues.
func ReadFilm(r io.ReaderAt, size int64, visit media.FilmVisitor) (media.Film, error) {
	f := &filmReader{
		r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), window), size: size, visit: visit, scale: time.Millisecond,
		tracks: map[uint64]*media.FilmTrack{}, av1: map[uint64]*bitstream.AV1{}, at: map[int64]uint32{}, clusters: map[int64]cluster{},
	}
	err := f.all()
	return f.film, err
}

type filmReader struct {
	r     *bufio.Reader
	pos   int64
	size  int64
	visit media.FilmVisitor
	film  media.Film

	scale    time.Duration // one tick
	duration float64       // ticks
	tracks   map[uint64]*media.FilmTrack
	av1      map[uint64]*bitstream.AV1 // of tracks of that codec
	body     int64                     // where the segment's children begin
	at       map[int64]uint32          // children but clusters, by their distance from body
	clusters map[int64]cluster         // those that players can begin at: their time and track
	seeks    []seek
	cues     []cuePoint
	count    int // clusters
}

type seek struct {
	id uint32
	at int64
}

type cuePoint struct {
	time, track uint64
	at          int64
}

// child reads the header of an element that lies within end, and returns where it ends.
func (f *filmReader) child(end int64) (id uint32, until int64, err error) {
	head, err := f.r.Peek(12)
	if err != nil && err != io.EOF {
		return 0, 0, fmt.Errorf("read film: %w", err)
	}
	id, n := parseID(head)
	size, m := int64(0), 0
	if n > 0 {
		size, m = parseSize(head[n:])
	}
	if n == 0 || m == 0 || size > end-f.pos-int64(n+m) {
		return 0, 0, media.Damaged("the element at byte %d does not fit into its parent", f.pos)
	}
	err = f.skip(int64(n + m))
	return id, f.pos + size, err
}

// skip steps over n bytes.
func (f *filmReader) skip(n int64) error {
	for n > 0 {
		d, err := f.r.Discard(int(min(n, 1<<30)))
		f.pos += int64(d)
		n -= int64(d)
		if err == io.EOF {
			return media.Damaged("it ends at byte %d", f.pos)
		}
		if err != nil {
			return fmt.Errorf("read film: %w", err)
		}
	}
	return nil
}

// load reads the rest of an element.
func (f *filmReader) load(until int64) ([]byte, error) {
	if until-f.pos > maxFilmTable {
		return nil, media.Damaged("an element of %d bytes at byte %d is too large", until-f.pos, f.pos)
	}
	b := make([]byte, until-f.pos)
	n, err := io.ReadFull(f.r, b)
	f.pos += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, media.Damaged("it ends at byte %d", f.pos)
	}
	if err != nil {
		return nil, fmt.Errorf("read film: %w", err)
	}
	return b, nil
}

func (f *filmReader) all() error {
	id, until, err := f.child(f.size)
	if err != nil {
		return err
	}
	if id != idEBML {
		return media.Damaged("it does not begin with an EBML header")
	}
	header, err := f.load(until)
	if err != nil {
		return err
	}
	webm := false
	children(header, func(id uint32, data []byte) { webm = webm || id == idDocType && string(data) == "webm" })
	if !webm {
		return media.Damaged("its header does not say that it is WebM")
	}
	if id, until, err = f.child(f.size); err != nil {
		return err
	}
	if id != idSegment || until != f.size {
		return media.Damaged("its segment does not reach to the end of the file")
	}
	f.body = f.pos
	for f.pos < f.size {
		if err := f.top(); err != nil {
			return err
		}
	}
	return f.finish()
}

// top reads one child of the segment.
func (f *filmReader) top() error {
	start := f.pos - f.body
	id, until, err := f.child(f.size)
	if err != nil {
		return err
	}
	if id == idCluster {
		return f.cluster(start, until)
	}
	if f.at[start] = id; len(f.at) > maxClusters {
		return media.Damaged("it has more than %d elements", maxClusters)
	}
	switch id {
	case idSeekHead, idInfo, idTracks, idCues:
	default:
		return f.skip(until - f.pos)
	}
	body, err := f.load(until)
	if err != nil {
		return err
	}
	switch id {
	case idSeekHead:
		f.seekHead(body)
	case idInfo:
		children(body, func(id uint32, data []byte) {
			switch id {
			case idTimestampScale:
				f.scale = time.Duration(min(uintOf(data), uint64(time.Second)))
			case idDuration:
				f.duration = floatOf(data)
			}
		})
		if f.scale < 1 || time.Second%f.scale != 0 {
			return media.Damaged("one tick lasts %d ns", f.scale)
		}
		if !(f.duration > 0 && f.duration*float64(f.scale) < 1<<62) {
			return media.Damaged("it has no duration")
		}
		f.film.Duration = time.Duration(f.duration*float64(f.scale) + 0.5)
	case idTracks:
		return f.trackList(body)
	case idCues:
		f.film.Front = f.count == 0
		f.readCues(body)
	}
	return nil
}

func (f *filmReader) seekHead(body []byte) {
	children(body, func(id uint32, data []byte) {
		if id != idSeek {
			return
		}
		s := seek{at: -1}
		children(data, func(id uint32, data []byte) {
			switch id {
			case idSeekID:
				s.id, _ = parseID(data)
			case idSeekPosition:
				s.at = int64(uintOf(data))
			}
		})
		f.seeks = append(f.seeks, s)
	})
}

func (f *filmReader) readCues(body []byte) {
	children(body, func(id uint32, data []byte) {
		if id != idCuePoint {
			return
		}
		c := cuePoint{at: -1}
		children(data, func(id uint32, data []byte) {
			switch id {
			case idCueTime:
				c.time = uintOf(data)
			case idCueTrackPositions:
				children(data, func(id uint32, data []byte) {
					switch id {
					case idCueTrack:
						c.track = uintOf(data)
					case idCueClusterPosition:
						c.at = int64(uintOf(data))
					}
				})
			}
		})
		f.cues = append(f.cues, c)
	})
}

func (f *filmReader) trackList(body []byte) error {
	if len(f.tracks) > 0 {
		return media.Damaged("it has two track lists")
	}
	for _, t := range parseTracks(body) {
		if t.Unreadable != "" {
			return media.Damaged("track %d: %s", t.number, t.Unreadable)
		}
		if f.tracks[t.number] != nil || t.Kind == "" {
			return media.Damaged("track %d is there twice, or neither audio nor video", t.number)
		}
		if !t.inWebM() {
			return media.Damaged("track %d is %s, which WebM does not have", t.number, t.Name)
		}
		video := t.Kind == roomreel.Video
		track := &media.FilmTrack{
			Video: video, Codec: t.Codec, Width: t.width, Height: t.height, Scale: int64(time.Second / f.scale),
		}
		if !video {
			track.Rate, track.Channels = t.rate, t.channels
			track.Delay = samplesOf(t.delay)
		}
		if t.Codec == "av1" {
			if f.av1[t.number] = bitstream.ParseAV1(t.private); !f.av1[t.number].Config() {
				return media.Damaged("track %d has no AV1 sequence header in its private data", t.number)
			}
		}
		f.tracks[t.number] = track
		f.film.Tracks = append(f.film.Tracks, track)
	}
	return nil
}

// samplesOf converts a time that is rounded to a nanosecond to samples at 48 kHz.
func samplesOf(d time.Duration) int64 {
	return media.Rescale(int64(d), int64(time.Second), bitstream.OpusRate)
}

// cluster reads a cluster that begins start bytes into the segment.
func (f *filmReader) cluster(start, end int64) error {
	if f.count++; f.count > maxClusters {
		return media.Damaged("it has more than %d clusters", maxClusters)
	}
	id, until, err := f.child(end)
	if err != nil {
		return err
	}
	if id != idTimestamp || until-f.pos > 8 {
		return media.Damaged("the cluster at byte %d does not begin with its time", f.body+start)
	}
	b, err := f.load(until)
	if err != nil {
		return err
	}
	at := int64(min(uintOf(b), 1<<60))
	for first := true; f.pos < end; first = false {
		id, until, err := f.child(end)
		if err != nil {
			return err
		}
		var number uint64
		var packet media.FilmPacket
		switch id {
		case idSimpleBlock:
			number, packet, err = f.block(at, until, true)
			if err == nil {
				err = f.tell(number, packet)
			}
		case idBlockGroup:
			number, packet, err = f.group(at, until)
		default:
			err = f.skip(until - f.pos)
		}
		if err != nil {
			return err
		}
		if t := f.tracks[number]; first && t != nil && packet.Key {
			f.clusters[start] = cluster{time: packet.Shown, cue: int(number)}
		}
	}
	return nil
}

// group reads a BlockGroup: a block, and how much of it is not heard.
func (f *filmReader) group(at, end int64) (number uint64, packet media.FilmPacket, err error) {
	for f.pos < end {
		id, until, err := f.child(end)
		if err != nil {
			return 0, packet, err
		}
		switch id {
		case idBlock:
			number, packet, err = f.block(at, until, false)
		case idDiscardPadding:
			var b []byte
			b, err = f.load(until)
			packet.Samples -= samplesOf(time.Duration(max(intOf(b), 0)))
		case idReferenceBlock:
			packet.Key = false
			err = f.skip(until - f.pos)
		default:
			err = f.skip(until - f.pos)
		}
		if err != nil {
			return 0, packet, err
		}
	}
	return number, packet, f.tell(number, packet)
}

func (f *filmReader) tell(number uint64, packet media.FilmPacket) error {
	t := f.tracks[number]
	if t == nil {
		return media.Damaged("the block at byte %d is of track %d, which is not in the track list", packet.Pos, number)
	}
	if f.visit == nil {
		return nil
	}
	return f.visit(t, packet)
}

// block reads the body of a SimpleBlock or Block.
func (f *filmReader) block(at, until int64, simple bool) (number uint64, packet media.FilmPacket, err error) {
	head, err := f.r.Peek(int(min(until-f.pos, 8+200))) // track, time and flags, and the front of a frame with its sequence header
	if err != nil {
		return 0, packet, media.Damaged("it ends at byte %d", f.pos)
	}
	number, n := parseVint(head)
	if n == 0 || len(head) < n+3 || head[n+2]&laceMask != 0 {
		return 0, packet, media.Damaged("the block at byte %d has no header, or laces", f.pos)
	}
	front := head[n+3:]
	packet = media.FilmPacket{
		Decode: at + int64(int16(binary.BigEndian.Uint16(head[n:]))), Pos: f.pos + int64(n+3), Size: until - f.pos - int64(n+3),
		Key: !simple || head[n+2]&blockKey != 0,
	}
	packet.Shown = packet.Decode
	if t := f.tracks[number]; t != nil {
		switch t.Codec {
		case "vp8":
			if packet.Key && !bitstream.ParseVP8(front).Key {
				return 0, packet, media.Damaged("the packet at byte %d is flagged as a keyframe and is none", packet.Pos)
			}
		case "av1":
			if packet.Key && !f.av1[number].Inspect(front).Key {
				return 0, packet, media.Damaged("the packet at byte %d is flagged as a keyframe and is none", packet.Pos)
			}
		case "opus":
			packet.Samples = samplesOf(bitstream.OpusDuration(front))
		}
	}
	return number, packet, f.skip(until - f.pos)
}

// finish compares what was found with what the film says of it.
func (f *filmReader) finish() error {
	found := map[uint32]bool{}
	for _, s := range f.seeks {
		if f.at[s.at] != s.id {
			return media.Damaged("its seek head names an element that is not there")
		}
		found[s.id] = true
	}
	if !found[idInfo] || !found[idTracks] || !found[idCues] {
		return media.Damaged("its seek head does not name its header, its tracks and its cues")
	}
	last := int64(-1)
	for _, c := range f.cues {
		at, ok := f.clusters[c.at]
		if !ok || uint64(at.time) != c.time || uint64(at.cue) != c.track {
			return media.Damaged("its cue of tick %d does not point at a cluster that begins with a keyframe then", c.time)
		}
		if c.at <= last {
			return media.Damaged("its cues are out of order")
		}
		last = c.at
	}
	needed := 0
	video := false
	for _, t := range f.film.Tracks {
		video = video || t.Video
	}
	for _, c := range f.clusters {
		if !video || f.tracks[uint64(c.cue)].Video {
			needed++
		}
	}
	if len(f.cues) != needed || needed == 0 {
		return media.Damaged("%d of its clusters begin with a keyframe, and %d have a cue", needed, len(f.cues))
	}
	return nil
}
