package matroska

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"roomreel"
	"roomreel/internal/media"
)

// The reader treats a file as a flat sequence of elements: it steps into segments, clusters and block groups, whose
// sizes it ignores, and over everything else. So files whose sizes are unknown, were never filled in, or are wrong,
// read like those whose sizes are right. What is no element is garbage: reading goes on at the next cluster.

const (
	maxTracks = 1 << 20   // bytes of a track list
	maxSkip   = 64 << 20  // bytes of an element to step over; past it, clusters are looked for inside
	maxAlien  = 32 << 10  // bytes of an element with an unknown ID, which must be followed by a known one
	window    = 512 << 10 // bytes buffered

	// maxLook bounds every look ahead. The buffer moves at most once for so many bytes read, which keeps the reader's
	// time linear whatever the bytes say.
	maxLook = window / 2
)

// Is says whether a file that begins with these bytes is Matroska or WebM.
func Is(head []byte) bool {
	id, _ := parseID(head)
	return id == idEBML
}

// ReadIndex makes the index of a Matroska or WebM file. See demux.ReadIndex.
func ReadIndex(r io.ReaderAt, size int64, kind roomreel.TrackKind) (*media.Index, media.Container, error) {
	return ReadTrack(r, size, kind, 0)
}

// ReadTrack makes the index of the track with a number. See demux.ReadTrack.
func ReadTrack(r io.ReaderAt, size int64, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error) {
	return read(io.NewSectionReader(r, 0, size), kind, number)
}

func read(r io.Reader, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error) {
	s := &scanner{
		r: bufio.NewReaderSize(r, window), kind: kind, number: number, scale: time.Millisecond,
		end: unknownSize, segment: unknownSize, starts: map[uint64]time.Duration{},
	}
	container, err := s.docType()
	if err != nil {
		return nil, "", err
	}
	x, err := s.all()
	if s.onlyWebM {
		container = media.WebM
	}
	return x, container, err
}

// docType looks at the header of the file without reading past it.
func (s *scanner) docType() (media.Container, error) {
	head, err := s.peek(maxLook)
	if err != nil {
		return "", err
	}
	container := media.Matroska
	children(head, func(id uint32, data []byte) {
		if id != idEBML {
			return
		}
		children(data, func(id uint32, data []byte) {
			if id == idDocType && string(bytes.TrimRight(data, "\x00")) == "webm" {
				container = media.WebM
			}
		})
	})
	return container, nil
}

// all reads the file to its end.
func (s *scanner) all() (*media.Index, error) {
	for {
		err := s.element()
		if err == errGarbage {
			err = s.resync()
		}
		if err == io.EOF {
			break
		}
		if err == io.ErrUnexpectedEOF {
			s.truncated = true
			err = s.discard(unknownSize) // the bytes of the truncated element count
			if err == io.ErrUnexpectedEOF {
				break
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return s.finish()
}

// errGarbage means that what lies at the reading position is no element.
var errGarbage = errors.New("garbage")

// scanner reads a file from front to back. Its methods return io.EOF at the file's end, io.ErrUnexpectedEOF when the
// file ends inside an element.
type scanner struct {
	r    *bufio.Reader
	pos  int64
	kind roomreel.TrackKind

	number   int    // of the wanted track, from 1; 0 for the first
	indexed  uint64 // number of the track in the first track list that holds it
	chosen   int    // its place in that list:
	first    []media.Candidate
	scale    time.Duration // one tick
	track    *track        // the one that is indexed; nil until it is known
	build    *media.Builder
	skip     bool                     // the current segment does not hold that track
	onlyWebM bool                     // the track list holds nothing that WebM does not have
	refusal  error                    // why no track was usable in the track lists so far
	starts   map[uint64]time.Duration // timestamp of the first block of each audio and video track, by track number
	early    map[uint64]time.Duration // of each such track of the current list, how much earlier than its stamps it is heard
	joiner   media.Joiner
	last     uint64 // number of the track of the last block

	cluster int64 // timestamp of the current cluster, in ticks
	end     int64 // position where the current cluster claims to end
	segment int64 // position where the current segment claims to end
	group   int   // packets[group:] came from the last block, which following elements may say more about

	truncated bool
}

// peek returns the next n bytes without reading past them, or fewer at the end of the file.
func (s *scanner) peek(n int) ([]byte, error) {
	b, err := s.r.Peek(n)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	return b, nil
}

// discard steps over n bytes.
func (s *scanner) discard(n int64) error {
	for n > 0 {
		d, err := s.r.Discard(int(min(n, 1<<30)))
		s.pos += int64(d)
		n -= int64(d)
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("read recording: %w", err)
		}
	}
	return nil
}

// known says whether elements with this ID occur where the scanner looks: at the top, in segments, clusters and groups.
func known(id uint32) bool {
	switch id {
	case idEBML, idSegment, idSeekHead, idInfo, idTracks, idCluster, idCues, idChapters, idTags, idAttachments, idVoid, idCRC32,
		idTimestamp, idSilentTracks, idPosition, idPrevSize, idSimpleBlock, idBlockGroup, idEncryptedBlock,
		idBlock, idBlockAdditions, idBlockDuration, idReferencePriority, idReferenceBlock, idReferenceVirtual,
		idCodecState, idDiscardPadding, idSlices:
		return true
	}
	return false
}

// element reads the element at the reading position, or steps into it.
func (s *scanner) element() error {
	head, err := s.peek(12)
	if err != nil {
		return err
	}
	if len(head) == 0 {
		return io.EOF
	}
	id, n := parseID(head)
	if n == 0 {
		return s.short(head, 4)
	}
	size, m := parseSize(head[n:])
	if m == 0 {
		return s.short(head[n:], 8)
	}
	header := int64(n + m)
	switch id {
	case idSegment:
		s.scale = time.Millisecond
		s.segment = s.ending(header, size)
		s.end = unknownSize
		if s.build != nil {
			s.build.Restart()
			s.joiner.Border()
		}
		return s.discard(header)
	case idCluster:
		s.cluster = 0
		s.end = s.ending(header, size)
		return s.discard(header)
	case idBlockGroup:
		return s.discard(header)
	}
	if size > maxSkip {
		return errGarbage
	}
	if cut, err := s.truncatedHere(header, size); err != nil || cut {
		return cmp.Or(err, errGarbage)
	}
	if !known(id) {
		ok, err := s.followed(header+size, maxAlien)
		if err != nil {
			return err
		}
		if !ok {
			return errGarbage
		}
		return s.discard(header + size)
	}
	switch id {
	case idInfo, idTracks:
		if size > maxTracks {
			return errGarbage
		}
		if err := s.discard(header); err != nil {
			return err
		}
		// Grows with what the file holds, not with what it claims.
		var body bytes.Buffer
		got, err := io.CopyN(&body, s.r, size)
		s.pos += got
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("read recording: %w", err)
		}
		if id == idInfo {
			s.info(body.Bytes())
			return nil
		}
		return s.tracks(body.Bytes())
	case idTimestamp, idBlockDuration, idReferenceBlock, idDiscardPadding:
		return s.property(id, header, size)
	case idSimpleBlock, idBlock:
		if size > media.MaxPacketSize {
			return errGarbage
		}
		if s.pos+header+size > s.end {
			ok, err := s.followed(header+size, maxLook)
			if err != nil {
				return err
			}
			if !ok {
				return errGarbage
			}
		}
		if err := s.discard(header); err != nil {
			return err
		}
		return s.block(size, id == idSimpleBlock)
	}
	return s.discard(header + size)
}

// short explains a header that does not parse: the file may end within it.
func (s *scanner) short(b []byte, longest int) error {
	if len(b) > 0 && b[0] == 0 || len(b) >= longest {
		return errGarbage
	}
	return io.ErrUnexpectedEOF
}

// ending returns the position where an element that begins here claims to end.
func (s *scanner) ending(header, size int64) int64 {
	if size > unknownSize-s.pos-header {
		return unknownSize
	}
	return s.pos + header + size
}

// followed says whether n bytes further on, at most limit, there is a known element or the end of the file.
func (s *scanner) followed(n int64, limit int64) (bool, error) {
	if n > limit {
		return false, nil
	}
	b, err := s.peek(int(n) + 4)
	if err != nil || int64(len(b)) < n {
		return false, err
	}
	id, _ := parseID(b[n:])
	return int64(len(b)) == n || known(id), nil
}

// truncatedHere reports whether the element at the reading position was cut short and another file appended: the header of a file lies in
// it.
func (s *scanner) truncatedHere(header, size int64) (bool, error) {
	const longest = 200 // bytes of such a header
	size = min(size, maxLook-longest)
	b, err := s.peek(int(header + size + longest))
	if err != nil {
		return false, err
	}
	for from := int(header); ; {
		at := bytes.Index(b[min(from, len(b)):], []byte{0x1A, 0x45, 0xDF, 0xA3})
		if at < 0 || from+at >= int(header+size) {
			return false, nil
		}
		from += at
		found := false
		children(b[from:min(from+longest, len(b))], func(id uint32, data []byte) {
			if id == idEBML {
				children(data, func(id uint32, data []byte) { found = found || id == idDocType })
			}
		})
		if found {
			return true, nil
		}
		from += 4
	}
}

// resync goes on to the next cluster, or to the next file in this file.
func (s *scanner) resync() error {
	s.end = unknownSize
	skip := 1 // what lies here was tried
	for {
		b, err := s.peek(max(s.r.Buffered(), 8))
		if err != nil {
			return err
		}
		if len(b) < 8 { // too few for a cluster
			s.truncated = true
			if err := s.discard(int64(len(b))); err != nil {
				return err
			}
			return io.EOF
		}
		rest := b[skip:]
		at := -1
		for _, id := range [][]byte{{0x1F, 0x43, 0xB6, 0x75}, {0x1A, 0x45, 0xDF, 0xA3}} {
			if i := bytes.Index(rest, id); i >= 0 && (at < 0 || i < at) {
				at = i
				rest = rest[:min(len(rest), i+3)]
			}
		}
		if at >= 0 {
			return s.discard(int64(skip + at))
		}
		// The last three bytes may begin an ID.
		if err := s.discard(int64(len(b) - 3)); err != nil {
			return err
		}
		skip = 0
	}
}

func (s *scanner) info(b []byte) {
	children(b, func(id uint32, data []byte) {
		if id != idTimestampScale {
			return
		}
		if scale := uintOf(data); scale > 0 && scale <= uint64(time.Second) {
			s.scale = time.Duration(scale)
		}
	})
}

// tracks reads a track list. The first that holds a usable track decides; media.GoesOn says how the track goes on in later ones.
func (s *scanner) tracks(b []byte) error {
	list := parseTracks(b)
	candidates := make([]media.Candidate, len(list))
	s.early = map[uint64]time.Duration{}
	for i, t := range list {
		candidates[i] = t.Candidate
		if t.Kind != "" {
			s.early[t.number] = t.delay
		}
	}
	if s.track == nil {
		for number := range s.early {
			s.starts[number] = unknownStart
		}
		i, err := media.Choose(candidates, s.kind, s.number)
		if err != nil {
			if s.refusal == nil {
				s.refusal = err
			}
			return nil
		}
		s.track, s.indexed = &list[i], list[i].number
		s.first, s.chosen = candidates, i
		s.onlyWebM = !slices.ContainsFunc(list, func(t track) bool { return !t.inWebM() })
		x := s.track.headers()
		x.Tracks, x.Track = media.ListTracks(candidates, i)
		s.build = media.NewBuilder(x)
		return nil
	}
	for number, start := range s.starts { // the clock of later segments is another
		if start == unknownStart {
			delete(s.starts, number)
		}
	}
	s.onlyWebM = s.onlyWebM && !slices.ContainsFunc(list, func(t track) bool { return !t.inWebM() })
	i, what := media.GoesOn(s.first, s.chosen, candidates)
	if s.skip = i < 0; s.skip {
		s.build.Omit(what)
		return nil
	}
	s.track = &list[i]
	s.build.Describe(s.track.headers())
	return nil
}

// property reads an element that says something about the current cluster or the last block.
func (s *scanner) property(id uint32, header, size int64) error {
	if size > 8 {
		return errGarbage
	}
	b, err := s.peek(int(header + size))
	if err != nil {
		return err
	}
	if int64(len(b)) < header+size {
		return io.ErrUnexpectedEOF
	}
	b = b[header:]
	var last []media.Packet
	video := false
	if s.build != nil {
		last, video = s.build.Index.Packets[s.group:], s.build.Index.Video
	}
	switch id {
	case idTimestamp:
		s.cluster = int64(min(uintOf(b), 1<<62))
		s.group += len(last)
	case idBlockDuration:
		if len(last) == 1 && !video && last[0].Duration == 0 {
			last[0].Duration = min(s.ticks(intOf(b)), time.Second)
		}
	case idReferenceBlock:
		for i := range last {
			if video && last[i].Width == 0 {
				last[i].Key = false
			}
		}
	case idDiscardPadding:
		s.joiner.Trim(s.last, time.Duration(intOf(b)))
		if n := len(last); n > 0 && !video {
			p := &last[n-1]
			p.Duration = max(0, p.Duration-time.Duration(max(0, intOf(b))))
		}
	}
	return s.discard(header + size)
}

// ticks converts ticks to time, as far as time reaches.
func (s *scanner) ticks(n int64) time.Duration {
	limit := int64(1<<61) / int64(s.scale)
	return time.Duration(min(max(n, -limit), limit)) * s.scale
}

// unknownStart is the start of a track that had no block yet.
const unknownStart = time.Duration(math.MaxInt64)

// finish concludes at the end of the file.
func (s *scanner) finish() (*media.Index, error) {
	switch {
	case s.track == nil && s.refusal != nil:
		return nil, s.refusal
	case s.track == nil:
		return nil, media.Invalid("the file ends before its track list: only its first %d bytes arrived", s.pos)
	}
	truncated := s.truncated || s.pos < s.end && s.end != unknownSize || s.pos < s.segment && s.segment != unknownSize
	x, err := s.build.Finish(s.pos, truncated)
	if err != nil {
		return nil, err
	}
	own, known := s.starts[s.indexed]
	if !known { // its first packet is in a later segment
		return x, nil
	}
	earliest := own
	for _, start := range s.starts {
		earliest = min(earliest, start)
	}
	if x.Start = own - earliest; x.Start > media.MaxStart {
		x.Start = 0
	}
	return x, nil
}
