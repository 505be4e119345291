// Package bitstream reads what encoded packets say about themselves: keyframes and frame sizes of VP8, VP9 and AV1, durations
// and headers of Opus, AAC, Vorbis and PCM. Packages h264 and h265 do the same for H.264 and HEVC.
//
// Containers get these wrong: a media server may write the flag of the RTP marker, a browser changes the size in the middle
// of a track. So readers believe the bitstream wherever its first bytes tell.
package bitstream

import (
	"encoding/binary"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// Frame is what the front of an encoded video frame tells.
type Frame struct {
	Known         bool // the front tells whether it is a keyframe
	Key           bool
	Width, Height int  // of keyframes, in pixels; 0 when the front does not tell
	Config        bool // H.264 and HEVC: a sequence parameter set comes before the frame; AV1: a sequence header is known
}

// ParseVP8 reads a VP8 frame header. Source: RFC 6386, 9.1.
func ParseVP8(b []byte) Frame {
	if len(b) < 3 {
		return Frame{}
	}
	if b[0]&1 != 0 {
		return Frame{Known: true}
	}
	if len(b) < 10 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return Frame{}
	}
	return Frame{
		Known: true, Key: true,
		Width:  int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff),
		Height: int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff),
	}
}

// ParseVP9 reads a VP9 uncompressed header. Of a superframe it reads the first frame, which is the smallest layer.
// Source: VP9 Bitstream & Decoding Process Specification, 6.2.
func ParseVP9(b []byte) Frame {
	r := bitReader{b: b}
	if r.bits(2) != 2 {
		return Frame{}
	}
	profile := r.bits(1) | r.bits(1)<<1
	if profile == 3 {
		r.bits(1)
	}
	if r.bits(1) == 1 { // show_existing_frame
		return Frame{Known: !r.short}
	}
	inter := r.bits(1) == 1
	r.bits(2) // show_frame, error_resilient_mode
	if inter {
		return Frame{Known: !r.short}
	}
	if r.bits(24) != 0x498342 {
		return Frame{}
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
		return Frame{}
	}
	return Frame{Known: true, Key: true, Width: w, Height: h}
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

// OpusRate is the rate at which Opus counts samples, whatever was recorded.
const OpusRate = 48000

// OpusHead is the part of an Opus identification header that we use. Source: RFC 7845, 5.1.
type OpusHead struct {
	Channels int
	PreSkip  int  // samples at OpusRate that are decoded and not heard
	Gain     int  // in 1/256 dB
	Family   byte // channel mapping family
	Mapped   bool // a table says how several streams become channels
}

// ParseOpusHead reads an identification header, and reports whether b is one.
func ParseOpusHead(b []byte) (OpusHead, bool) {
	if len(b) < 19 || string(b[:8]) != "OpusHead" || b[8]>>4 != 0 || b[9] == 0 {
		return OpusHead{}, false
	}
	h := OpusHead{
		Channels: int(b[9]), PreSkip: int(binary.LittleEndian.Uint16(b[10:])), Gain: int(int16(binary.LittleEndian.Uint16(b[16:]))), Family: b[18],
	}
	h.Mapped = h.Family != 0 && len(b) >= 19+2+h.Channels
	return h, true
}

// Append appends the identification header of a stream of one or two channels.
func (h OpusHead) Append(b []byte) []byte {
	b = append(b, "OpusHead\x01"...)
	b = binary.LittleEndian.AppendUint16(append(b, byte(h.Channels)), uint16(h.PreSkip))
	b = binary.LittleEndian.AppendUint32(b, OpusRate)
	return append(binary.LittleEndian.AppendUint16(b, uint16(h.Gain)), h.Family)
}

// MaxChannels is how many channels a track may have to be mixed down.
const MaxChannels = 8

// Decodable reports whether the decoder takes tracks with this header: mono and stereo, and up to 8 channels of mapping
// family 1 or 255. Others are ambisonics and what is not defined yet.
func (h OpusHead) Decodable() bool {
	switch h.Family {
	case 0:
		return h.Channels <= 2
	case 1, 255:
		return h.Channels <= 2 || h.Channels <= MaxChannels && h.Mapped
	}
	return false
}

// OpusDuration returns how much audio an Opus packet holds by its first two bytes, 0 when it is malformed.
// Source: RFC 6716, 3.1 and 3.2.
func OpusDuration(b []byte) time.Duration {
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

// OpusMono reports whether an Opus packet, by its first byte, codes one channel. Source: RFC 6716, 3.1.
func OpusMono(b []byte) bool { return len(b) > 0 && b[0]&4 == 0 }

// Silence returns a packet of Opus or AAC-LC, of one or two channels, that decodes to silence, and how many samples at OpusRate that is; AAC's
// are of that rate.
func Silence(codec string, channels int) (packet []byte, samples int64) {
	if codec == "aac" {
		if channels == 1 {
			return []byte{0x00, 0xc8, 0x00, 0x80, 0x23, 0x80}, 1024
		}
		return []byte{0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80}, 1024
	}
	toc := byte(0xf8) // CELT, the full band, 20 ms, one frame
	if channels == 2 {
		toc |= 4
	}
	return []byte{toc, 0xff, 0xfe}, 960
}

// AAC is what an AudioSpecificConfig says.
type AAC struct {
	Rate     int // samples per second of the decoded core; SBR may double it
	Channels int
	Samples  int // that a packet holds, at Rate
}

// ParseAAC reads an AudioSpecificConfig, and reports whether b is one of AAC-LC, HE-AAC or HE-AAC v2.
// Source: ISO/IEC 14496-3, 1.6.2.1.
func ParseAAC(b []byte) (AAC, bool) {
	var c mpeg4audio.AudioSpecificConfig
	if c.Unmarshal(b) != nil || c.SampleRate < 1 {
		return AAC{}, false
	}
	a := AAC{Rate: c.SampleRate, Channels: c.ChannelCount, Samples: mpeg4audio.SamplesPerAccessUnit}
	if c.FrameLengthFlag {
		a.Samples = 960
	}
	return a, true
}

// AACType returns the audio object type of an AudioSpecificConfig, and whether the decoder knows it: Main, LC, SSR, LTP, SBR,
// error resilient LC, low delay, PS and enhanced low delay. xHE-AAC (42) is the one in use that it does not know.
// Source: ISO/IEC 14496-3, table 1.17.
func AACType(b []byte) (kind int, known bool) {
	r := bitReader{b: b}
	kind = int(r.bits(5))
	if kind == 31 {
		kind = 32 + int(r.bits(6))
	}
	switch kind {
	case 1, 2, 3, 4, 5, 17, 23, 29, 39:
		return kind, !r.short
	}
	return kind, false
}
