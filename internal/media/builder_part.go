package media

import (
	"fmt"
	"time"

	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
	"roomreel/internal/media/h265"
)

// partBuilder is what a Builder knows of the current part: one sequence of packets with the same headers.
type partBuilder struct {
	headers Index // as a reader gave them, and
	stored  Index // as they are stored

	h264   h264.Framing
	h265   h265.Framing
	av1    *bitstream.AV1
	vorbis *bitstream.Vorbis
	aac    time.Duration // how much audio an AAC packet holds

	stream Stream

	config   bool // H.264 and HEVC: parameter sets were found; AV1: a sequence header
	bare     bool // a packet has none before its frame
	unsure   bool // the first bytes of a packet do not tell
	fits     bool // a keyframe has a size that the decoder takes
	tooLarge bool // a keyframe is too large for it:
	width    int
	height   int
}

func newPart(x Index) partBuilder {
	p := partBuilder{headers: x, stored: x}
	switch x.Codec {
	case "h264":
		p.h264 = h264.ParsePrivate(x.Private)
		p.config = p.h264.Config()
		p.stream.Why = p.stream.addSets(h264.PrivateSets(x.Private))
	case "hevc":
		p.h265 = h265.ParsePrivate(x.Private)
		p.config = p.h265.Config()
	case "av1":
		p.av1 = bitstream.ParseAV1(x.Private)
		p.config = p.av1.Config()
	case "vorbis":
		if vorbis, ok := bitstream.ParseVorbis(x.Private); ok {
			p.vorbis = vorbis
			p.stored.Private, p.stored.Rate, p.stored.Channels = vorbis.Private, vorbis.Rate, min(vorbis.Channels, MaxChannels)
		}
	case "aac":
		if config, ok := bitstream.ParseAAC(x.Private); ok {
			p.aac = Samples(int64(config.Samples), int64(config.Rate))
		} else {
			p.aac = Samples(1024, int64(max(x.Rate, 1)))
		}
	}
	return p
}

// size is how many bytes the headers take.
func (b *partBuilder) size() int { return len(b.stored.Private) + len(b.stored.Prefix) }

// video corrects what a container says of a packet of video of size bytes.
func (b *partBuilder) video(p Packet, front []byte, size int64) Packet {
	frame := b.frame(front)
	b.stream.add(&b.stored, b.h264, frame, front, size)
	if frame.Known {
		p.Key = frame.Key
	}
	if frame.Key {
		p.Width, p.Height = frame.Width, frame.Height
	}
	if p.Width > 0 {
		fits := p.Width <= MaxFrameSide && p.Height <= MaxFrameSide && p.Width*p.Height <= MaxFramePixels
		if b.fits = b.fits || fits; !fits && !b.tooLarge {
			b.tooLarge, b.width, b.height = true, p.Width, p.Height
		}
	}
	b.config, b.bare, b.unsure = b.config || frame.Config, b.bare || frame.Known && !frame.Config, b.unsure || !frame.Known
	return p
}

func (b *partBuilder) frame(front []byte) bitstream.Frame {
	switch b.stored.Codec {
	case "vp8":
		return bitstream.ParseVP8(front)
	case "vp9":
		return bitstream.ParseVP9(front)
	case "h264":
		return b.h264.Inspect(front)
	case "hevc":
		return b.h265.Inspect(front)
	case "av1":
		return b.av1.Inspect(front)
	}
	return bitstream.Frame{}
}

// duration is Builder.Duration.
func (b *partBuilder) duration(front []byte, size int64) time.Duration {
	x := &b.stored
	switch x.Codec {
	case "opus":
		return bitstream.OpusDuration(front)
	case "aac":
		return b.aac
	case "vorbis":
		if b.vorbis != nil {
			return Samples(int64(b.vorbis.Samples(front)), int64(b.vorbis.Rate))
		}
	default:
		samples, _ := bitstream.PCMSamples(x.Codec, size, x.Channels)
		return Samples(samples, int64(max(x.Rate, 1)))
	}
	return 0
}

// mono reports whether a packet of audio, by its first bytes, codes one channel. Recordings of WebRTC are often mono under a header that
// says stereo. AAC with one channel may turn out to be parametric stereo when it is decoded, so it is not known
// to be mono.
func (b *partBuilder) mono(front []byte) bool {
	x := &b.stored
	switch x.Codec {
	case "opus":
		head, ok := bitstream.ParseOpusHead(x.Private)
		if !ok {
			head.Channels = x.Channels
		}
		return head.Channels == 1 || !head.Mapped && bitstream.OpusMono(front)
	case "aac":
		return false
	default:
		return x.Channels <= 1
	}
}

// headersRefuse says why no packet of the part can be decoded, as far as its headers tell. It is "" when some may be.
func (b *partBuilder) headersRefuse() string {
	x := &b.stored
	switch x.Codec {
	case "opus":
		head, ok := bitstream.ParseOpusHead(x.Private)
		switch {
		case len(x.Private) == 0:
		case !ok:
			return "its Opus header is damaged"
		case !head.Decodable():
			return fmt.Sprintf("it has %d channels in Opus mapping family %d, and families 0, 1 and 255 with up to %d channels can be decoded", head.Channels, head.Family, bitstream.MaxChannels)
		}
	case "aac":
		if kind, known := bitstream.AACType(x.Private); !known {
			return fmt.Sprintf("it has AAC of audio object type %d, which cannot be decoded; use AAC-LC or HE-AAC", kind)
		}
		if x.Channels > bitstream.MaxChannels {
			return fmt.Sprintf("it has %d channels, and up to %d can be decoded", x.Channels, bitstream.MaxChannels)
		}
	case "vorbis":
		switch {
		case b.vorbis == nil:
			return "its Vorbis headers are missing or damaged"
		case x.Channels > bitstream.MaxChannels || x.Rate < 8000 || x.Rate > 192000:
			return fmt.Sprintf("it has %d channels at %d Hz, and 1 to %d channels at 8000 to 192000 Hz can be decoded", x.Channels, x.Rate, bitstream.MaxChannels)
		case len(x.Private) > MaxPrivate:
			return fmt.Sprintf("its Vorbis headers have %d bytes, and up to %d can be decoded", len(x.Private), MaxPrivate)
		}
	case "g722":
		if x.Channels > 1 {
			return fmt.Sprintf("it has %d channels, and G.722 of 1 channel can be decoded", x.Channels)
		}
	case "pcmu", "pcma", "pcm_s16le", "pcm_s16be", "pcm_f32le":
		if x.Channels > 2 || x.Rate != 0 && (x.Rate < 8000 || x.Rate > 192000) {
			return fmt.Sprintf("it has %d channels at %d Hz, and 1 or 2 channels at 8000 to 192000 Hz can be decoded", x.Channels, x.Rate)
		}
	}
	return ""
}

// headerNames are what a decoder needs before a frame, by codec.
var headerNames = map[string]string{
	"h264": "H.264 parameter sets (SPS and PPS)", "hevc": "HEVC parameter sets (VPS, SPS and PPS)", "av1": "AV1 sequence header",
}

// refusal is headersRefuse, as far as headers and the first bytes of packets tell.
func (b *partBuilder) refusal() string {
	name := headerNames[b.stored.Codec]
	switch {
	case b.headersRefuse() != "":
		return b.headersRefuse()
	case name != "" && b.bare && !b.config && !b.unsure:
		return fmt.Sprintf("it has no %s, neither in its header nor in its packets", name)
	case b.tooLarge && !b.fits:
		return fmt.Sprintf("its frames have %dx%d pixels, and up to %d on a side and %d in all can be decoded", b.width, b.height, MaxFrameSide, MaxFramePixels)
	}
	return ""
}
