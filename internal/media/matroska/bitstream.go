package matroska

import (
	"encoding/binary"
	"time"
)

// What packets say about themselves. Muxers get keyframe flags and sizes wrong (an SFU may write the flag of the RTP
// marker, a browser changes the size in mid-track), so the bitstream decides whenever its first bytes tell.

// pictureHead is how many bytes of a picture are looked at. H.264 parameter sets and the usual SEI fit.
const pictureHead = 4096

// picture is what the front of an encoded picture tells.
type picture struct {
	known         bool // key is the bitstream's word
	key           bool
	width, height int // at keyframes; 0 when it does not say
}

// parseVP8 reads a VP8 frame header. Source: RFC 6386, 9.1.
func parseVP8(b []byte) picture {
	if len(b) < 3 {
		return picture{}
	}
	if b[0]&1 != 0 {
		return picture{known: true}
	}
	if len(b) < 10 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return picture{}
	}
	return picture{
		known: true, key: true,
		width:  int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff),
		height: int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff),
	}
}

// parseVP9 reads a VP9 uncompressed header. Of a superframe it sees the first frame, which is the smallest layer.
// Source: VP9 Bitstream & Decoding Process Specification, 6.2.
func parseVP9(b []byte) picture {
	r := bitReader{b: b}
	if r.bits(2) != 2 {
		return picture{}
	}
	profile := r.bits(1) | r.bits(1)<<1
	if profile == 3 {
		r.bits(1)
	}
	if r.bits(1) == 1 { // show_existing_frame
		return picture{known: !r.short}
	}
	inter := r.bits(1) == 1
	r.bits(2) // show_frame, error_resilient_mode
	if inter {
		return picture{known: !r.short}
	}
	if r.bits(24) != 0x498342 {
		return picture{}
	}
	if profile >= 2 {
		r.bits(1) // bit depth
	}
	const srgb = 7
	if r.bits(3) != srgb {
		r.bits(1) // color_range
		if profile == 1 || profile == 3 {
			r.bits(3)
		}
	} else if profile == 1 || profile == 3 {
		r.bits(1)
	}
	w, h := int(r.bits(16))+1, int(r.bits(16))+1
	if r.short {
		return picture{}
	}
	return picture{known: true, key: true, width: w, height: h}
}

// opusHead is the part of an Opus identification header that we use. Source: RFC 7845, 5.1.
type opusHead struct{ channels, preSkip int }

func parseOpusHead(b []byte) (opusHead, bool) {
	if len(b) < 19 || string(b[:8]) != "OpusHead" || b[9] == 0 {
		return opusHead{}, false
	}
	return opusHead{channels: int(b[9]), preSkip: int(binary.LittleEndian.Uint16(b[10:]))}, true
}

// opusDuration returns how much sound an Opus packet holds, 0 when it is malformed. Source: RFC 6716, 3.1 and 3.2.
func opusDuration(b []byte) time.Duration {
	if len(b) == 0 {
		return 0
	}
	config := b[0] >> 3
	var frame time.Duration
	switch {
	case config < 12: // SILK
		frame = [4]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid
		frame = [2]time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT
		frame = 2500 * time.Microsecond << (config & 3)
	}
	n := time.Duration(2)
	switch b[0] & 3 {
	case 0:
		n = 1
	case 3:
		if len(b) < 2 {
			return 0
		}
		n = time.Duration(b[1] & 0x3f)
	}
	if d := n * frame; d <= 120*time.Millisecond {
		return d
	}
	return 0
}

// bitReader reads bits from the most significant one on. Past the end it yields zeros and is short.
type bitReader struct {
	b     []byte
	at    int // in bits
	short bool
}

func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		v <<= 1
		if r.at>>3 < len(r.b) {
			v |= uint32(r.b[r.at>>3]>>(7-r.at&7)) & 1
		} else {
			r.short = true
		}
		r.at++
	}
	return v
}

// ue reads an unsigned Exp-Golomb code.
func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.bits(1) == 0 {
		zeros++
		if r.short || zeros > 31 {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// se reads a signed Exp-Golomb code.
func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}
