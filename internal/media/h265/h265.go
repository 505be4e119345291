// Package h265 reads HEVC parameter sets and NAL units, behind start codes (Annex B) or lengths (hvcC).
//
// Sequence parameter sets are parsed by mediacommon. It refuses those of several temporal layers with profiles of their own: then the
// size in the container's header holds.
package h265

import (
	"bytes"
	"encoding/binary"

	"roomreel/internal/media/bitstream"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// NAL unit types. Source: ITU-T H.265, table 7-1. Types up to 15 are slices of frames that need others, 16 to 23 slices of
// random access points: IDR, BLA and CRA.
const (
	nalFirstIRAP = 16
	nalLastSlice = 23
	nalSPS       = 33
)

const maxSide = 1 << 16 // pixels

// Framing is how a track's packets hold NAL units: behind lengths of so many bytes, or behind start codes.
type Framing struct {
	lengthSize    int  // 0 for start codes
	width, height int  // of the parameter sets outside of the packets
	config        bool // there are parameter sets outside of the packets
	sets          []byte
}

// ParsePrivate reads a track's private data: an hvcC record, Annex B parameter sets, or nothing. Source: ISO/IEC 14496-15, 8.3.3.1.
func ParsePrivate(private []byte) Framing {
	const header = 23
	if len(private) < header || bytes.HasPrefix(private, bitstream.StartCode) || bytes.HasPrefix(private, []byte{0, 0, 0, 1}) {
		p := Framing{}.Inspect(private)
		return Framing{width: p.Width, height: p.Height, config: p.Config}
	}
	f := Framing{lengthSize: int(private[21]&3) + 1}
	arrays, b := int(private[22]), private[header:]
	for ; arrays > 0 && len(b) >= 3; arrays-- {
		count := int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		for ; count > 0 && len(b) > 2; count-- {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			f.sets = append(append(f.sets, 0, 0, 0, 1), b[2:2+n]...)
			b = b[2+n:]
		}
	}
	p := Framing{}.Inspect(f.sets)
	f.width, f.height, f.config = p.Width, p.Height, p.Config
	return f
}

// Config reports whether there are parameter sets outside of the packets.
func (f Framing) Config() bool { return f.config }

// AnnexB returns the parameter sets of an hvcC record behind start codes, and whether packet is an Annex B byte stream although the
// track has such a record. The decoder goes by the private data alone.
func (f Framing) AnnexB(packet []byte) (private []byte, ok bool) {
	return f.sets, f.lengthSize > 0 && bitstream.NALFraming(packet, f.lengthSize) == 0
}

// Inspect reads the NAL units at the front of a packet until a slice tells whether it is a random access point. The entry points of
// an open GOP are keyframes, because decoders leave out the frames that need more (RASL) where they start. Layers above
// the first, which hold depth or the other eye, are not looked at.
func (f Framing) Inspect(b []byte) bitstream.Frame {
	var frame bitstream.Frame
	size := bitstream.NALFraming(b, f.lengthSize)
	for len(b) > 0 {
		var nal []byte
		nal, b = bitstream.CutNAL(b, size)
		if len(nal) < 2 || nal[0]&1 != 0 || nal[1]>>3 != 0 {
			continue
		}
		switch kind := nal[0] >> 1 & 0x3f; {
		case kind == nalSPS:
			frame.Config = true
			frame.Width, frame.Height = sizeOf(nal)
		case kind < nalFirstIRAP:
			return bitstream.Frame{Known: true, Config: frame.Config}
		case kind <= nalLastSlice:
			frame.Known, frame.Key = true, true
			if frame.Width == 0 {
				frame.Width, frame.Height = f.width, f.height
			}
			return frame
		}
	}
	return frame
}

// sizeOf returns the frame size that a sequence parameter set says, after cropping, or 0, 0.
func sizeOf(sps []byte) (width, height int) {
	var s h265.SPS
	if s.Unmarshal(sps) != nil {
		return 0, 0
	}
	w, h := s.Width(), s.Height()
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide {
		return 0, 0
	}
	return w, h
}
