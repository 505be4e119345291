package bitstream

import (
	"errors"
	"math/bits"
)

// OBU types. Source: AV1 Bitstream & Decoding Process Specification, 6.2.2.
const (
	obuSequenceHeader = 1
	obuDelimiter      = 2
	obuFrameHeader    = 3
	obuFrame          = 6
)

// AV1 follows the sequence headers of an AV1 track, which say how its frame headers are read. mediacommon's parser was tried: it
// refuses those of scalable video and those with a decoder model.
type AV1 struct{ sequence sequence }

// ParseAV1 reads a track's private data: an av1C record, or nothing. Source: AV1 Codec ISO Media File Format Binding, 2.3.
func ParseAV1(private []byte) *AV1 {
	a := &AV1{}
	const header = 4
	if len(private) > header && private[0] == 0x81 {
		a.Inspect(private[header:])
	}
	return a
}

// AV1Record returns the av1C record of an encoder's sequence header OBU, which is a track's private data in MP4 and Matroska. The header
// must be of 8 bits and the main profile, as those of films are. Source: AV1 Codec ISO Media File Format Binding, 2.3.
func AV1Record(header []byte) ([]byte, error) {
	const sized = obuSequenceHeader<<3 | 2 // an OBU with a size, which has one byte
	if len(header) < 2 || header[0] != sized || int(header[1]) != len(header)-2 {
		return nil, errors.New("it has no AV1 sequence header, or a damaged one")
	}
	s := parseSequence(header[2:])
	if !s.known || s.profile != 0 || s.deep || s.mono {
		return nil, errors.New("its AV1 sequence header is not one of 8 bits and the main profile")
	}
	const marker, halved = 0x81, 0b11 << 2 // version 1; chroma has half as many columns and rows
	return append([]byte{marker, s.level, s.tier<<7 | halved | s.position, 0}, header...), nil
}

// TrimDelimiter cuts the delimiter off the front of a temporal unit: containers say themselves where units begin.
func TrimDelimiter(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	if kind, _, rest := cutOBU(b); kind == obuDelimiter {
		return rest
	}
	return b
}

// Config reports whether a sequence header was seen.
func (a *AV1) Config() bool { return a.sequence.known }

// Size returns the largest size that frames of the current sequence may have, 0 when there is none.
func (a *AV1) Size() (width, height int) { return a.sequence.width, a.sequence.height }

// Inspect reads the OBUs at the front of a packet, which holds a temporal unit, until a frame header tells whether it is a
// keyframe. Those that are not shown at once, and repetitions of earlier ones, are none. Of scalable video, the size is that of the
// largest layer.
func (a *AV1) Inspect(b []byte) Frame {
	frame := Frame{Config: a.sequence.known}
	for len(b) > 0 {
		kind, body, rest := cutOBU(b)
		switch kind {
		case obuSequenceHeader:
			if s := parseSequence(body); s.known {
				a.sequence, frame.Config = s, true
			}
		case obuFrame, obuFrameHeader:
			return a.sequence.frame(body, frame)
		}
		b = rest
	}
	return frame
}

// SplitLayers cuts a packet before each spatial layer of scalable video. libavcodec gives dav1d a packet and takes one frame, so a second
// layer in it would come out with the next packet.
func SplitLayers(b []byte) [][]byte {
	const extension = 4
	var parts [][]byte
	layer, begin := byte(0), 0
	for at := 0; at < len(b); {
		_, _, rest := cutOBU(b[at:])
		if b[at]&extension != 0 && at+1 < len(b) {
			if spatial := b[at+1] >> 3 & 3; spatial > layer {
				if at > begin {
					parts = append(parts, b[begin:at])
				}
				layer, begin = spatial, at
			}
		}
		at = len(b) - len(rest)
	}
	return append(parts, b[begin:])
}

// cutOBU splits the first OBU off b. The last one may be cut short by the end of b. Source: 5.3.
func cutOBU(b []byte) (kind byte, body, rest []byte) {
	const extension, sized = 4, 2
	if b[0]&0x80 != 0 { // this is no OBU
		return 0, nil, nil
	}
	head := 1
	if b[0]&extension != 0 {
		head++
	}
	size := uint64(len(b))
	if b[0]&sized != 0 {
		size = 0
		for i := 0; ; i++ { // LEB128
			if i == 8 || head >= len(b) {
				return 0, nil, nil
			}
			c := b[head]
			head++
			size |= uint64(c&0x7f) << (7 * i)
			if c&0x80 == 0 {
				break
			}
		}
	}
	kind = b[0] >> 3 & 15
	if head >= len(b) {
		return kind, nil, nil
	}
	b = b[head:]
	size = min(size, uint64(len(b)))
	return kind, b[:size], b[size:]
}

// sequence is the part of a sequence header that says how frame headers are read.
type sequence struct {
	known         bool
	width, height int // largest
	layers        int // of different size

	still          bool // reduced headers: every frame is a keyframe that is shown
	model          bool // frame headers hold times for a decoder model
	widthBits      int
	heightBits     int
	idBits         int // 0 when frames have no number
	orderBits      int
	screenTools    uint32 // 0, 1 or choose
	integerVectors uint32

	profile     uint32
	level, tier byte // of the first operating point
	deep, mono  bool // more than 8 bits; no chroma
	position    byte // of chroma samples
}

// choose leaves a coding tool to the frame headers.
const choose = 2

// parseSequence reads a sequence header. Source: 5.5.
func parseSequence(b []byte) sequence {
	r := bitReader{b: b}
	s := sequence{layers: 1, screenTools: choose, integerVectors: choose}
	s.profile = r.bits(3)
	r.bits(1) // whether there is one frame only
	if s.still = r.bits(1) == 1; s.still {
		s.level = byte(r.bits(5))
	} else {
		s.operatingPoints(&r)
	}
	s.widthBits, s.heightBits = int(r.bits(4))+1, int(r.bits(4))+1
	s.width, s.height = int(r.bits(s.widthBits))+1, int(r.bits(s.heightBits))+1
	if !s.still && r.bits(1) == 1 { // frame_id_numbers_present_flag
		delta := int(r.bits(4)) + 2
		s.idBits = int(r.bits(3)) + 1 + delta
	}
	r.bits(3) // superblock size, filter_intra, intra_edge_filter
	if !s.still {
		r.bits(4)
		ordered := r.bits(1) == 1
		if ordered {
			r.bits(2)
		}
		if r.bits(1) == 0 { // seq_choose_screen_content_tools
			s.screenTools = r.bits(1)
		}
		if s.screenTools > 0 && r.bits(1) == 0 { // seq_choose_integer_mv
			s.integerVectors = r.bits(1)
		}
		if ordered {
			s.orderBits = int(r.bits(3)) + 1
		}
	}
	s.known = !r.short
	s.colour(&r)
	return s
}

// colour reads what follows the coding tools in a sequence header of the main profile. Source: 5.5.2.
func (s *sequence) colour(r *bitReader) {
	r.bits(3) // superres, cdef, restoration
	s.deep = r.bits(1) == 1
	if s.mono = r.bits(1) == 1; s.mono {
		return
	}
	if r.bits(1) == 1 {
		r.bits(24) // primaries, transfer, matrix
	}
	r.bits(1) // range
	s.position = byte(r.bits(2))
}

// operatingPoints reads a sequence header up to its frame size.
func (s *sequence) operatingPoints(r *bitReader) {
	delayBits := 0
	if r.bits(1) == 1 { // timing_info_present_flag
		r.bits(32)
		r.bits(32)
		if r.bits(1) == 1 { // the distance of frames is constant
			r.uvlc()
		}
		if s.model = r.bits(1) == 1; s.model {
			delayBits = int(r.bits(5)) + 1
			r.bits(32)
			r.bits(5 + 5)
		}
	}
	delays := r.bits(1) == 1
	points := int(r.bits(5)) + 1
	for i := range points {
		layers := r.bits(12)
		s.layers = max(s.layers, bits.OnesCount32(layers>>8))
		level, tier := byte(r.bits(5)), byte(0)
		if level > 7 {
			tier = byte(r.bits(1))
		}
		if i == 0 {
			s.level, s.tier = level, tier
		}
		if s.model && r.bits(1) == 1 {
			r.bits(delayBits)
			r.bits(delayBits)
			r.bits(1)
		}
		if delays && r.bits(1) == 1 {
			r.bits(4)
		}
	}
}

// frame reads a frame header as far as the frame's size. Source: 5.9.2.
func (s *sequence) frame(b []byte, f Frame) Frame {
	r := bitReader{b: b}
	if !s.still {
		const key = 0
		shown := r.bits(1) == 0 // show_existing_frame
		shown = r.bits(2) == key && shown
		shown = r.bits(1) == 1 && shown // show_frame
		if f.Known = !r.short; !shown || r.short {
			return f
		}
	}
	f.Known, f.Key, f.Width, f.Height = true, true, s.width, s.height
	if s.still || s.model || s.layers > 1 || !s.known {
		return f
	}
	r.bits(1) // disable_cdf_update
	tools := s.screenTools
	if tools == choose {
		tools = r.bits(1)
	}
	if tools == 1 && s.integerVectors == choose {
		r.bits(1)
	}
	r.bits(s.idBits)
	other := r.bits(1) == 1 // frame_size_override_flag
	r.bits(s.orderBits)
	if w, h := int(r.bits(s.widthBits))+1, int(r.bits(s.heightBits))+1; other && !r.short {
		f.Width, f.Height = w, h
	}
	return f
}

// uvlc reads a number of variable length. Source: 4.10.3.
func (r *bitReader) uvlc() {
	zeros := 0
	for zeros < 32 && !r.short && r.bits(1) == 0 {
		zeros++
	}
	if zeros < 32 {
		r.bits(zeros)
	}
}
