package h264

import (
	"bytes"
	"errors"
	"slices"

	"roomreel/internal/media/bitstream"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Repeater adds frames to an encoder's stream that look like the frame before, without the encoder: a P-slice that skips every
// macroblock has 15 bytes and costs no work. No other frame refers to such a frame, so the encoder need not know of it. Only the picture order
// counts of the frames after it become larger, and they are of a fixed length in the slice headers. Sources: ITU-T H.264, 7.3.3 and 8.2.1.
//
// A repeated frame has a PPS of its own, of CAVLC, with which the skipped macroblocks are one number.
type Repeater struct {
	// Most is how many repeated frames may follow each other. More of them would make the picture order count ambiguous.
	Most int

	numBits, pocBits int // of frame_num and pic_order_cnt_lsb
	macroblocks      uint32
	added            uint32 // frames since the last IDR frame
	last             uint32 // frame_num of the newest reference frame
	shown            slice  // of the newest frame that is not a B-frame: its numbers as they are in the stream
}

// slice is the front of a slice header.
type slice struct {
	kind, num, poc uint32
	pocAt          int // bits after the NAL unit's first byte
}

const (
	sliceP, sliceB = 0, 1 // slice_type modulo 5
	repeatPPS      = 1    // pic_parameter_set_id of repeated frames
)

// NewRepeater returns a repeater for a stream with the given parameter sets, in Annex B form, and the parameter sets that the stream
// has with repeated frames in it. It returns nil where the stream allows no such frames: where order counts are not in slice headers, or
// where B-frames weigh several references of one side by the distances between frames. With one on each side, the distances stay as they
// are when the frame that follows repeated ones is no B-frame.
func NewRepeater(private []byte) (*Repeater, []byte) {
	config, err := ParseConfig(private)
	var sps h264.SPS
	if err != nil || len(config.sps) != 1 || len(config.pps) != 1 || sps.Unmarshal(config.sps[0]) != nil {
		return nil, nil
	}
	r := &Repeater{
		numBits: int(sps.Log2MaxFrameNumMinus4) + 4, pocBits: int(sps.Log2MaxPicOrderCntLsbMinus4) + 4,
		macroblocks: (sps.PicWidthInMbsMinus1 + 1) * (sps.PicHeightInMapUnitsMinus1 + 1),
	}
	// x264's order counts fill at most half of half of the range between two reference frames.
	r.Most = 1 << (r.pocBits - 3)
	if sps.PicOrderCntType != 0 || !sps.FrameMbsOnlyFlag || sps.SeparateColourPlaneFlag || !plain(config.pps[0]) {
		return nil, nil
	}
	var w bitWriter
	w.ue(repeatPPS)
	w.ue(sps.ID)
	w.bits(0, 2) // CAVLC; no order count of the bottom field
	for range 3 {
		w.ue(0) // one slice group, one reference frame in each list
	}
	w.bits(0, 3) // no weights
	for range 3 {
		w.ue(0) // quantizers
	}
	w.bits(0, 3) // the deblocking filter as usual, intra prediction as usual, nothing sent twice
	return r, slices.Concat(private, w.nal(3<<5|nalPPS))
}

// plain reports whether a PPS has the id 0, and no explicit weights, slice groups or order counts of bottom fields.
func plain(pps []byte) bool {
	pps = h264.EmulationPreventionRemove(pps[1:])
	position := 0
	var v [5]uint32 // id, SPS, slice groups, references
	for i := range v {
		var err error
		if v[i], err = bits.ReadGolombUnsigned(pps, &position); err != nil {
			return false
		}
		if i == 1 { // entropy coding, order count of the bottom field
			flags, err := bits.ReadBits(pps, &position, 2)
			if err != nil || flags&1 != 0 {
				return false
			}
		}
	}
	weights, err := bits.ReadBits(pps, &position, 3)
	const implicit = 2 // weights of B-frames
	return err == nil && v[0] == 0 && v[2] == 0 && (weights == 0 || weights == implicit && v[3] == 0 && v[4] == 0)
}

var errSlice = errors.New("h264: damaged slice header")

// read reads the front of a slice header. nal has no emulation prevention bytes.
func (r *Repeater) read(nal []byte) (s slice, err error) {
	position := 8
	for _, v := range []*uint32{nil, &s.kind, nil} { // first macroblock, type, PPS
		n, err := bits.ReadGolombUnsigned(nal, &position)
		if err != nil {
			return s, errSlice
		}
		if v != nil {
			*v = n % 5
		}
	}
	num, err := bits.ReadBits(nal, &position, r.numBits)
	if err == nil && nal[0]&0x1f == nalIDR {
		_, err = bits.ReadGolombUnsigned(nal, &position)
	}
	s.pocAt = position
	poc, after := bits.ReadBits(nal, &position, r.pocBits)
	if err != nil || after != nil {
		return s, errSlice
	}
	s.num, s.poc = uint32(num), uint32(poc)
	return s, nil
}

// Pass returns the encoder's next packet, in decoding order, as it is after the frames that were repeated. Packets are Annex B.
func (r *Repeater) Pass(packet []byte) ([]byte, error) {
	var out []byte
	err := nals(packet, func(nal []byte) error {
		kind := nal[0] & 0x1f
		if kind != nalSlice && kind != nalIDR {
			out = appendNAL(out, nal)
			return nil
		}
		raw := h264.EmulationPreventionRemove(nal)
		s, err := r.read(raw)
		if err != nil {
			return err
		}
		if kind == nalIDR {
			r.added = 0
		}
		if r.added > 0 {
			s.poc = (s.poc + 2*r.added) & (1<<r.pocBits - 1)
			for i := range r.pocBits {
				at, bit := s.pocAt+i, byte(s.poc>>(r.pocBits-1-i)&1)
				raw[at/8] = raw[at/8]&^(0x80>>(at%8)) | bit<<(7-at%8)
			}
			nal = prevent(raw)
		}
		if nal[0]&0x60 != 0 {
			r.last = s.num
		}
		if s.kind != sliceB {
			r.shown = s
		}
		out = appendNAL(out, nal)
		return nil
	})
	return out, err
}

// Repeat returns a packet that shows the newest frame again that is not a B-frame. All frames that are shown before it must have passed.
func (r *Repeater) Repeat() []byte {
	r.added++
	r.shown.poc = (r.shown.poc + 2) & (1<<r.pocBits - 1)
	num := (r.last + 1) & (1<<r.numBits - 1)
	var w bitWriter
	w.ue(0)
	w.ue(sliceP)
	w.ue(repeatPPS)
	w.bits(num, r.numBits)
	w.bits(r.shown.poc, r.pocBits)
	w.bits(0, 1) // as many references as the PPS says
	w.bits(1, 1) // the reference is not the newest one where a B-frame is referred to
	w.ue(0)
	w.ue((num-r.shown.num)&(1<<r.numBits-1) - 1)
	w.ue(3)
	w.ue(0) // quantizer
	w.ue(r.macroblocks)
	return w.nal(nalSlice)
}

func appendNAL(out, nal []byte) []byte {
	return append(append(append(out, 0), bitstream.StartCode...), nal...)
}

// prevent puts emulation prevention bytes into a NAL unit. Source: ITU-T H.264, 7.3.1.
func prevent(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+len(raw)/64)
	zeros := 0
	for _, b := range raw {
		if zeros == 2 && b <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		if out = append(out, b); b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

// bitWriter writes numbers bit by bit.
type bitWriter struct {
	b    bytes.Buffer
	rest uint64 // bits that make no byte yet
	n    int
}

func (w *bitWriter) bits(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		w.rest = w.rest<<1 | uint64(v>>i&1)
		if w.n++; w.n == 8 {
			w.b.WriteByte(byte(w.rest))
			w.rest, w.n = 0, 0
		}
	}
}

// ue writes an Exp-Golomb number. A signed 0 is written as an unsigned 0.
func (w *bitWriter) ue(v uint32) {
	n := 0
	for (v+1)>>n > 1 {
		n++
	}
	w.bits(0, n)
	w.bits(v+1, n+1)
}

// nal ends the NAL unit and returns it behind a start code.
func (w *bitWriter) nal(first byte) []byte {
	w.bits(1, 1)
	for w.n != 0 {
		w.bits(0, 1)
	}
	return appendNAL(nil, prevent(append([]byte{first}, w.b.Bytes()...)))
}
