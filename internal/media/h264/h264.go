// Package h264 reads H.264 parameter sets and NAL units, and converts between the two ways in which containers hold them:
// start codes (Annex B) and lengths (avcC).
//
// Sequence parameter sets are parsed by mediacommon. mp4ff's parser was tried too: it allocates as many numbers as a
// hostile set claims.
package h264

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"roomreel/internal/media/bitstream"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// NAL unit types. Source: ITU-T H.264, table 7-1.
const (
	nalSlice          = 1
	nalSlicePartition = 2
	nalIDR            = 5
	nalSPS            = 7
	nalPPS            = 8
	nalAUD            = 9
)

const maxSide = 1 << 16 // pixels

// Framing is how a track's packets hold NAL units: behind lengths of so many bytes, or behind start codes.
type Framing struct {
	lengthSize    int  // 0 for start codes
	width, height int  // of the parameter sets outside of the packets
	config        bool // there are parameter sets outside of the packets
}

// ParsePrivate reads a track's private data: an avcC record, Annex B parameter sets, or nothing.
func ParsePrivate(private []byte) Framing {
	if len(private) >= 7 && private[0] == 1 {
		f := Framing{lengthSize: int(private[4]&3) + 1}
		if private[5]&0x1f > 0 && len(private) >= 8 {
			f.config = true
			n := int(binary.BigEndian.Uint16(private[6:]))
			f.width, f.height = sizeOf(private[8:min(8+n, len(private))])
		}
		return f
	}
	p := Framing{}.Inspect(private)
	return Framing{width: p.Width, height: p.Height, config: p.Config}
}

// Config reports whether there are parameter sets outside of the packets.
func (f Framing) Config() bool { return f.config }

// Inspect reads the NAL units at the front of a packet until a slice tells whether it is an IDR frame. The entry points of
// an open GOP are not keyframes by this rule: a decoder that starts there shows damaged frames first.
func (f Framing) Inspect(b []byte) bitstream.Frame {
	var frame bitstream.Frame
	size := bitstream.NALFraming(b, f.lengthSize)
	for len(b) > 0 {
		var nal []byte
		nal, b = bitstream.CutNAL(b, size)
		if len(nal) == 0 {
			continue
		}
		switch nal[0] & 0x1f {
		case nalSlice, nalSlicePartition:
			return bitstream.Frame{Known: true, Config: frame.Config}
		case nalIDR:
			frame.Known, frame.Key = true, true
			if frame.Width == 0 {
				frame.Width, frame.Height = f.width, f.height
			}
			return frame
		case nalSPS:
			frame.Config = true
			frame.Width, frame.Height = sizeOf(nal)
		}
	}
	return frame
}

// Sets returns the parameter sets outside of the packets, or those at the front of a packet before its first slice.
func (f Framing) Sets(b []byte) (sets [][]byte) {
	size := bitstream.NALFraming(b, f.lengthSize)
	for len(b) > 0 {
		var nal []byte
		nal, b = bitstream.CutNAL(b, size)
		if size == 0 {
			nal = bytes.TrimRight(nal, "\x00")
		}
		if len(nal) == 0 {
			continue
		}
		switch nal[0] & 0x1f {
		case nalSlice, nalSlicePartition, nalIDR:
			return sets
		case nalSPS, nalPPS:
			sets = append(sets, nal)
		}
	}
	return sets
}

// PrivateSets returns the parameter sets that a track's private data holds, which is an avcC record, or Annex B parameter sets.
func PrivateSets(private []byte) (sets [][]byte) {
	if len(private) < 7 || private[0] != 1 {
		return Framing{}.Sets(private)
	}
	rest := private[5:]
	for _, mask := range []byte{0x1f, 0xff} { // how many SPS there are, then PPS
		if len(rest) == 0 {
			return sets
		}
		count := int(rest[0] & mask)
		rest = rest[1:]
		for range count {
			nal, after := bitstream.CutNAL(rest, 2)
			if len(nal) == 0 {
				return sets
			}
			sets, rest = append(sets, nal), after
		}
	}
	return sets
}

// sizeOf returns the frame size that a sequence parameter set says, after cropping, or 0, 0.
func sizeOf(sps []byte) (width, height int) {
	var s h264.SPS
	if s.Unmarshal(sps) != nil {
		return 0, 0
	}
	w, h := s.Width(), s.Height()
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide {
		return 0, 0
	}
	return w, h
}

// lengthSize is how many bytes say a NAL unit's length in the packets that Convert makes.
const lengthSize = 4

// Config is a track's parameter sets.
type Config struct{ sps, pps [][]byte }

// ParseConfig reads parameter sets in Annex B form. The error says why they cannot describe a track.
func ParseConfig(private []byte) (Config, error) {
	var c Config
	err := nals(private, func(nal []byte) error {
		switch nal[0] & 0x1f {
		case nalSPS:
			c.sps = append(c.sps, nal)
		case nalPPS:
			c.pps = append(c.pps, nal)
		}
		return nil
	})
	if err == nil && (len(c.sps) == 0 || len(c.sps) > 31 || len(c.sps[0]) < 4 || len(c.pps) == 0 || len(c.pps) > 255) {
		err = errors.New("they hold no usable SPS and PPS")
	}
	if err != nil {
		return c, fmt.Errorf("h264 parameter sets: %w", err)
	}
	return c, nil
}

func (c Config) has(nal []byte) bool {
	for _, list := range [][][]byte{c.sps, c.pps} {
		for _, set := range list {
			if bytes.Equal(set, nal) {
				return true
			}
		}
	}
	return false
}

// Convert appends an Annex B packet to out as length-prefixed NAL units. Access unit delimiters and parameter sets that the
// Config has are left out. Other parameter sets are an error, because a track has one Config from beginning to end.
func (c Config) Convert(out, packet []byte) ([]byte, error) {
	err := nals(packet, func(nal []byte) error {
		switch nal[0] & 0x1f {
		case nalAUD:
			return nil
		case nalSPS, nalPPS:
			if !c.has(nal) {
				return errors.New("its parameter sets differ from the film's")
			}
			return nil
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(nal)))
		out = append(out, nal...)
		return nil
	})
	return out, err
}

// Record returns the AVCDecoderConfigurationRecord (avcC). Source: ISO/IEC 14496-15, 5.3.3.1.
func (c Config) Record() []byte {
	sps := c.sps[0]
	b := []byte{1, sps[1], sps[2], sps[3], 0xfc | (lengthSize - 1), 0xe0 | byte(len(c.sps))}
	for _, s := range c.sps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	b = append(b, byte(len(c.pps)))
	for _, s := range c.pps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	switch sps[1] {
	case baseline, main, extended: // 4:2:0 and 8 bits always
		return b
	}
	s := h264.SPS{ChromaFormatIdc: 1}
	_ = s.Unmarshal(sps) // the fields below come before anything that could fail in an encoder's set
	return append(b, 0xfc|byte(s.ChromaFormatIdc&3), 0xf8|byte(s.BitDepthLumaMinus8&7), 0xf8|byte(s.BitDepthChromaMinus8&7), 0)
}

// nals calls f for each NAL unit of an Annex B byte stream, without start codes and trailing zeros.
func nals(b []byte, f func(nal []byte) error) error {
	i := bytes.Index(b, bitstream.StartCode)
	if i < 0 || len(bytes.Trim(b[:i], "\x00")) > 0 {
		return errors.New("it is not an Annex B byte stream")
	}
	for b = b[i+3:]; ; {
		end := bytes.Index(b, bitstream.StartCode)
		nal := b
		if end >= 0 {
			nal = b[:end]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			if err := f(nal); err != nil {
				return err
			}
		}
		if end < 0 {
			return nil
		}
		b = b[end+3:]
	}
}
