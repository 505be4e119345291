// Package ogg reads Ogg recordings of Opus and Vorbis, as LiveKit's egress, GStreamer and ffmpeg write them.
//
// Reading is tolerant and bounded, as in package matroska: pages whose checksum is wrong are stepped over, lost pages are
// gaps in time, and a chained stream goes on where the one before it ended. Pion's oggreader was tried: it gives pages without
// their segment tables, so that the packets of a page cannot be told apart, and stops at the first damaged page.
//
// Source: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg), and the Vorbis I specification, A.
package ogg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"roomreel"
	"roomreel/internal/media"
	"roomreel/internal/media/bitstream"
)

const (
	headerSize = 27
	maxPage    = headerSize + 255 + 255*255

	// maxSpans bounds the pages that a packet may span. Opus packets have at most 61 kB for each pair of channels.
	maxSpans = 256

	// maxHeader bounds a Vorbis header that is kept. Longer comments are not needed.
	maxHeader = media.MaxPrivate

	continued   = 1 // flags of a page: it begins with the rest of a packet
	streamStart = 2
	streamEnd   = 4
)

var (
	magic = []byte("OggS")
	head  = []byte("OpusHead")
	tags  = []byte("OpusTags")
)

// Is says whether a file that begins with these bytes is Ogg.
func Is(head []byte) bool { return bytes.HasPrefix(head, magic) }

// ReadIndex makes the index of an Ogg file. See demux.ReadIndex.
func ReadIndex(r io.ReaderAt, size int64, kind roomreel.TrackKind) (*media.Index, media.Container, error) {
	return ReadTrack(r, size, kind, 0)
}

// ReadTrack makes the index of the stream with a number. See demux.ReadTrack.
func ReadTrack(r io.ReaderAt, size int64, kind roomreel.TrackKind, number int) (*media.Index, media.Container, error) {
	x, err := read(io.NewSectionReader(r, 0, size), kind, number)
	return x, media.Ogg, err
}

func read(r io.Reader, kind roomreel.TrackKind, number int) (*media.Index, error) {
	pages := pageReader{r: bufio.NewReaderSize(r, 2*maxPage)}
	s := stream{kind: kind, number: max(number, 1)}
	for {
		p, err := pages.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := s.page(p); err != nil {
			return nil, err
		}
	}
	if s.build == nil {
		if i, err := media.Choose(s.all, kind, number); err != nil {
			return nil, err
		} else if s.codec != "" {
			return nil, media.Invalid("the %s track cannot be read: the file ends before its Vorbis headers do", s.all[i].Kind)
		}
	}
	s.build.Index.Tracks, s.build.Index.Track = media.ListTracks(s.all, s.chosen)
	return s.build.Finish(pages.pos, pages.truncated || len(s.spans) > 0)
}

// page is one page of the file.
type page struct {
	flags    byte
	granule  int64 // samples to the end of the last packet that ends here; -1 when none does
	serial   uint32
	sequence uint32
	segments []byte
	pos      int64  // where the body begins in the file
	body     []byte // valid until the next page is read; shorter than the segments say when the file ends in it
}

// pageReader finds the pages of a file.
type pageReader struct {
	r         *bufio.Reader
	pos       int64
	checked   int64 // bytes of pages whose checksum was wrong and that were not followed by a page
	truncated bool
}

// next returns the next page, io.EOF after the last. The last page may be cut short.
func (f *pageReader) next() (page, error) {
	for {
		b, err := f.r.Peek(headerSize)
		if err != nil && err != io.EOF {
			return page{}, fmt.Errorf("read recording: %w", err)
		}
		if len(b) == 0 {
			return page{}, io.EOF
		}
		if !bytes.HasPrefix(b, magic) {
			if err := f.seek(); err != nil {
				return page{}, err
			}
			continue
		}
		if len(b) < headerSize {
			f.truncated = true
			f.skip(len(b))
			continue
		}
		p, size, err := f.parse()
		if err != nil {
			return page{}, err
		}
		if size > 0 {
			f.skip(size)
			return p, nil
		}
	}
}

// parse reads the page at the reading position. Its size is 0 when there is none: then the position has moved on.
func (f *pageReader) parse() (page, int, error) {
	b, err := f.r.Peek(maxPage + len(magic))
	if err != nil && err != io.EOF {
		return page{}, 0, fmt.Errorf("read recording: %w", err)
	}
	begin := headerSize + int(b[26])
	size := begin
	for _, n := range b[headerSize:min(begin, len(b))] {
		size += int(n)
	}
	if len(b) >= size {
		if step := f.verify(b, size); step > 0 {
			f.skip(step)
			return page{}, 0, nil
		}
	} else {
		// The file ends in this page, or this is not a page.
		if i := bytes.Index(b[1:], magic); i >= 0 {
			f.skip(1 + i)
			return page{}, 0, nil
		}
		f.truncated = true
		if size = len(b); size < begin {
			f.skip(size)
			return page{}, 0, nil
		}
	}
	return page{
		flags:    b[5],
		granule:  int64(binary.LittleEndian.Uint64(b[6:])),
		serial:   binary.LittleEndian.Uint32(b[14:]),
		sequence: binary.LittleEndian.Uint32(b[18:]),
		segments: b[headerSize:begin],
		pos:      f.pos + int64(begin),
		body:     b[begin:size],
	}, size, nil
}

// verify returns how far to move on when the checksum of the page of the given size at the front of b is wrong, and 0 when it is
// right.
func (f *pageReader) verify(b []byte, size int) int {
	followed := len(b) == size || bytes.HasPrefix(b[size:], magic)
	if !followed && f.checked > f.pos/2+maxPage {
		return 1 // keeps time linear when the file is full of false pages
	}
	switch {
	case binary.LittleEndian.Uint32(b[22:]) == checksum(b[:size]):
		return 0
	case followed: // a damaged page
		return size
	}
	f.checked += int64(size)
	return 1
}

// seek moves to where the next page may begin.
func (f *pageReader) seek() error {
	b, err := f.r.Peek(maxPage)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read recording: %w", err)
	}
	switch i := bytes.Index(b, magic); {
	case i >= 0:
		f.skip(i)
	case len(b) < maxPage:
		f.skip(len(b))
	default:
		f.skip(len(b) - len(magic) + 1)
	}
	return nil
}

// skip moves on by n bytes that were peeked at.
func (f *pageReader) skip(n int) {
	n, _ = f.r.Discard(n)
	f.pos += int64(n)
}

// checksum returns the checksum of a page, whose own field counts as 0. Source: RFC 3533, 6.
func checksum(page []byte) uint32 {
	var sum uint32
	for i, c := range page {
		if i >= 22 && i < 26 {
			c = 0
		}
		sum = sum<<8 ^ crcTable[byte(sum>>24)^c]
	}
	return sum
}

var crcTable = func() (table [256]uint32) {
	for i := range table {
		v := uint32(i) << 24
		for range 8 {
			if v&(1<<31) != 0 {
				v = v<<1 ^ 0x04c11db7
			} else {
				v <<= 1
			}
		}
		table[i] = v
	}
	return table
}()

// stream follows the pages of the stream that is indexed.
type stream struct {
	kind   roomreel.TrackKind
	build  *media.Builder
	number int               // of the stream among the readable streams that begin together, from 1
	all    []media.Candidate // the streams that begin the file
	chosen int               // which of them is indexed

	heads    bool // streams begin: no other page came since
	later    bool // streams of another group began before
	readable int  // streams of Opus and Vorbis that begin together so far

	codec  string // of the indexed stream; "" before it begins
	rate   int64  // at which its granule positions count
	head   []byte // Vorbis: its first header
	headed bool   // Vorbis: its last header came, with which its index begins
	vorbis *bitstream.Vorbis

	without string // what the file goes on with since the streams that began last
	skipped int64  // samples of the stream that are decoded and not heard

	serial   uint32
	sequence uint32 // of the last page
	placed   bool   // a page of the stream was placed
	end      int64  // samples to the end of the last packet, by the stream's granule positions
	base     int64  // samples from the stream's granule positions to the file's time

	spans []media.Span // of a packet that did not end yet
	front []byte       // its first bytes
	skip  bool         // its beginning is lost
}

// packet is a whole packet of a page.
type packet struct {
	spans []media.Span
	front []byte
	count int64 // samples
}

func (s *stream) page(p page) error {
	if p.flags&streamStart != 0 {
		s.start(p)
		return nil
	}
	if s.heads && s.without != "" {
		s.build.Omit(s.without)
	}
	s.heads = false
	if s.codec == "" || s.without != "" || p.serial != s.serial {
		return nil
	}
	if p.sequence != s.sequence+1 || p.flags&continued == 0 {
		s.spans, s.front = nil, nil // the rest of the packet is lost
	}
	s.sequence = p.sequence
	s.skip = p.flags&continued != 0 && s.spans == nil
	return s.add(p, s.packets(p))
}

// start reads the first page of a stream. Streams that begin together are tracks; the readable one with the wanted number is
// indexed. Those that begin later are chained to them, in the same order.
func (s *stream) start(p page) {
	if !s.heads {
		s.heads, s.readable, s.later = true, 0, s.build != nil
		if s.later {
			s.without = "without audio tracks that can be read"
		} else {
			s.codec = ""
		}
	}
	c := candidate(p.body)
	if !s.later {
		s.all = append(s.all, c)
	} else if c.Codec == "" && c.Kind == roomreel.Audio {
		s.without = fmt.Sprintf("with codec %q, which is left out: it is not supported", c.Name)
	}
	if c.Codec == "" {
		return
	}
	if s.readable++; s.readable != s.number || s.kind == roomreel.Video {
		return
	}
	if s.later {
		s.without = ""
		s.base += s.end - s.skipped // what is heard of this stream begins where what is heard of the last one ends
		s.end = 0
	} else {
		s.chosen = len(s.all) - 1
	}
	s.codec, s.head, s.headed, s.vorbis = c.Codec, bytes.Clone(p.body), false, nil
	s.serial, s.sequence, s.placed, s.spans, s.skipped = p.serial, p.sequence, false, nil, 0
	if opus, ok := bitstream.ParseOpusHead(p.body); ok {
		s.skipped = int64(opus.PreSkip)
		s.count(bitstream.OpusRate)
		s.describe(media.Index{
			Codec: c.Codec, Private: s.head, CodecDelay: media.Samples(s.skipped, bitstream.OpusRate), Rate: bitstream.OpusRate, Channels: opus.Channels,
		})
	}
}

// count says at which rate the samples of the stream are counted.
func (s *stream) count(rate int64) {
	if s.rate > 0 && s.rate != rate {
		base := media.Samples(s.base, s.rate)
		s.base = int64(base/time.Second)*rate + int64(base%time.Second)*rate/int64(time.Second)
	}
	s.rate = rate
}

// describe begins the index, or the part of it that the stream makes.
func (s *stream) describe(x media.Index) {
	if s.build == nil {
		s.build = media.NewBuilder(x)
		return
	}
	s.build.Restart()
	s.build.Describe(x)
}

// candidate names a stream by its first packet.
func candidate(body []byte) media.Candidate {
	if _, ok := bitstream.ParseOpusHead(body); ok {
		return media.Candidate{Kind: roomreel.Audio, Codec: "opus"}
	}
	if bitstream.IsVorbisHeader(body, 1) {
		return media.Candidate{Kind: roomreel.Audio, Codec: "vorbis"}
	}
	for _, known := range []struct {
		magic string
		media.Candidate
	}{
		{"\x7fFLAC", media.Candidate{Kind: roomreel.Audio, Name: "FLAC"}},
		{"Speex   ", media.Candidate{Kind: roomreel.Audio, Name: "Speex"}},
		{"\x80theora", media.Candidate{Kind: roomreel.Video, Name: "Theora"}},
		{"OVP80", media.Candidate{Kind: roomreel.Video, Name: "VP8 in Ogg"}},
	} {
		if bytes.HasPrefix(body, []byte(known.magic)) {
			return known.Candidate
		}
	}
	return media.Candidate{}
}

// samples returns how many samples a packet with the given front holds, and whether it is one of audio. The last header of
// Vorbis begins the index.
func (s *stream) samples(front []byte) (count int64, ok bool) {
	switch {
	case s.codec == "opus":
		ok = !bytes.Equal(front, head) && !bytes.Equal(front, tags)
		return int64(bitstream.OpusDuration(front) * bitstream.OpusRate / time.Second), ok
	case front[0]&1 == 0:
		if s.vorbis == nil { // before the headers
			return 0, false
		}
		return int64(s.vorbis.Samples(front)), true
	case !s.headed && bitstream.IsVorbisHeader(front, 5):
		s.headed = true
		private := bitstream.LaceVorbis(s.head, nil, front)
		s.describe(media.Index{Codec: s.codec, Private: private})
		if v, ok := bitstream.ParseVorbis(private); ok {
			s.vorbis = v
			s.count(int64(v.Rate))
		}
	}
	return 0, false
}

// packets returns the packets that end in the page.
func (s *stream) packets(p page) []packet {
	var list []packet
	at, size := 0, 0
	for i, n := range p.segments {
		size += int(n)
		last := n < 255
		if !last && i < len(p.segments)-1 {
			continue
		}
		if at+size > len(p.body) { // the file ends here
			return list
		}
		if size > 0 && !s.skip {
			s.spans = append(s.spans, media.Span{Pos: p.pos + int64(at), Size: size})
			keep := len(tags)
			if s.codec == "vorbis" && !s.headed {
				keep = maxHeader
			}
			if missing := keep - len(s.front); missing > 0 {
				s.front = append(s.front, p.body[at:at+min(size, missing)]...)
			}
			if len(s.spans) > maxSpans {
				s.spans, s.front, s.skip = nil, nil, true
			}
		}
		if last {
			if len(s.spans) > 0 {
				if count, ok := s.samples(s.front); ok {
					list = append(list, packet{s.spans, s.front, count})
				}
			}
			s.spans, s.front, s.skip = nil, nil, false
		}
		at, size = at+size, 0
	}
	return list
}

// add places the packets of a page by its granule position, which is the end of the last of them.
func (s *stream) add(p page, list []packet) error {
	if len(list) == 0 {
		return nil
	}
	total := int64(0)
	for _, k := range list {
		total += k.count
	}
	whole := s.base + s.end // samples of the streams before this one
	begin, over := s.end, int64(0)
	const limit = 1 << 60 // far from overflow
	if p.granule >= 0 && p.granule < limit {
		begin = p.granule - total
		before := s.end
		if !s.placed {
			before = 0
		}
		// The last page may end before its last packet does: what is beyond is not heard.
		if p.flags&streamEnd != 0 && begin < before {
			begin, over = before, before-begin
		}
	}
	if !s.placed {
		s.placed, s.base = true, whole-begin
	}
	s.end = begin + total - over
	for _, k := range list {
		p := media.Packet{Time: media.Samples(s.base+begin, s.rate), Pos: k.spans[0].Pos, Size: k.spans[0].Size}
		if len(k.spans) > 1 {
			p.Rest = k.spans[1:]
		}
		if err := s.build.Add(p, k.front); err != nil {
			return err
		}
		begin += k.count
	}
	for all := s.build.Index.Packets; over > 0 && len(list) > 0 && len(all) > 0; list = list[:len(list)-1] {
		last, count := &all[len(all)-1], list[len(list)-1].count
		last.Duration = media.Samples(max(0, count-over), s.rate)
		over -= count
		all = all[:len(all)-1]
	}
	return nil
}
