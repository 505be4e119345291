package media

import (
	"fmt"
	"time"

	"roomreel"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
	"roomreel/internal/media/h265"
)

// Builder makes the index of one track from the packets that a reader of a container finds. What recorders get wrong is
// corrected here, for all containers alike: timestamps, keyframe flags, frame sizes and durations.
type Builder struct {
	Index    Index
	restarts []int // indexes of packets with which a segment of the file begins
	h264     h264.Framing
	h265     h265.Framing
	av1      *bitstream.AV1
	vorbis   *bitstream.Vorbis
	aac      time.Duration // how much audio an AAC packet holds

	config   bool // H.264 and HEVC: parameter sets were found; AV1: a sequence header
	bare     bool // a packet has none before its frame
	unsure   bool // the first bytes of a packet do not tell
	fits     bool // a keyframe has a size that the decoder takes
	tooLarge bool // a keyframe is too large for it
}

// NewBuilder begins the index of a track. x is what the container's headers say of it.
func NewBuilder(x Index) *Builder {
	x.CodecDelay = min(max(x.CodecDelay, 0), MaxDelay)
	b := &Builder{Index: x}
	switch x.Codec {
	case "h264":
		b.h264 = h264.ParsePrivate(x.Private)
		b.config = b.h264.Config()
	case "hevc":
		b.h265 = h265.ParsePrivate(x.Private)
		b.config = b.h265.Config()
	case "av1":
		b.av1 = bitstream.ParseAV1(x.Private)
		b.config = b.av1.Config()
	case "vorbis":
		if vorbis, ok := bitstream.ParseVorbis(x.Private); ok {
			b.vorbis = vorbis
			b.Index.Private, b.Index.Rate, b.Index.Channels = vorbis.Private, vorbis.Rate, min(vorbis.Channels, MaxChannels)
		}
	case "aac":
		if config, ok := bitstream.ParseAAC(x.Private); ok {
			b.aac = Samples(int64(config.Samples), int64(config.Rate))
		} else {
			b.aac = Samples(1024, int64(max(x.Rate, 1)))
		}
	}
	return b
}

// Front is how many bytes of a packet Add wants to see, without Prefix: of video, parameter sets and the usual SEI fit.
func (b *Builder) Front() int {
	if b.Index.Video {
		return 4096
	}
	return 2
}

// Restart says that the file's clock may begin anew with the next packet: a segment of the file begins.
func (b *Builder) Restart() {
	if n := len(b.restarts); n == 0 || b.restarts[n-1] != len(b.Index.Packets) {
		b.restarts = append(b.restarts, len(b.Index.Packets))
	}
}

// Add appends a packet in file order. p.Time is its time by the file's clock, which Finish corrects; p.Key and p.Duration are the container's word,
// which holds where the bitstream does not tell. front is the first Front bytes of the packet, or all of a shorter one.
//
// Packets without payload, which some recorders write for lost ones, are left out. The error is for the uploader.
func (b *Builder) Add(p Packet, front []byte) error {
	x := &b.Index
	size := int64(p.Size)
	for _, span := range p.Rest {
		size += int64(span.Size)
	}
	if size == 0 {
		return nil
	}
	if len(x.Packets) >= MaxPackets {
		return Invalid("the file holds more than %d packets: split it into shorter recordings", MaxPackets)
	}
	if len(x.Prefix) > 0 {
		front = append(x.Prefix[:len(x.Prefix):len(x.Prefix)], front...)
		size += int64(len(x.Prefix))
	}
	if x.Video {
		if private, ok := b.h265.AnnexB(front); ok {
			x.Private, b.h265 = private, h265.ParsePrivate(private)
		}
		frame := b.frame(front)
		if frame.Known {
			p.Key = frame.Key
		}
		if frame.Key {
			p.Width, p.Height = frame.Width, frame.Height
		}
		if p.Width > 0 {
			fits := p.Width <= MaxFrameSide && p.Height <= MaxFrameSide && p.Width*p.Height <= MaxFramePixels
			b.fits, b.tooLarge = b.fits || fits, b.tooLarge || !fits
		}
		b.config, b.bare, b.unsure = b.config || frame.Config, b.bare || frame.Known && !frame.Config, b.unsure || !frame.Known
	} else {
		p.Key = true
		if d := b.Duration(front, size); d > 0 || b.vorbis != nil {
			p.Duration = d
		}
		// What the first two packets of Vorbis decode to together begins at the time of the first.
		if n := len(x.Packets); n == 1 && b.vorbis != nil && (p.Time-x.Packets[0].Time).Abs() <= Samples(int64(b.vorbis.Longest()), int64(b.vorbis.Rate)) {
			x.Packets[0].Time = p.Time
		}
	}
	x.Packets = append(x.Packets, p)
	return nil
}

func (b *Builder) frame(front []byte) bitstream.Frame {
	switch b.Index.Codec {
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

// Duration returns how much audio a packet holds by its first bytes and its size, Prefix included; 0 when they do not tell.
func (b *Builder) Duration(front []byte, size int64) time.Duration {
	switch b.Index.Codec {
	case "opus":
		return bitstream.OpusDuration(front)
	case "aac":
		return b.aac
	case "vorbis":
		if b.vorbis != nil {
			return Samples(int64(b.vorbis.Samples(front)), int64(b.vorbis.Rate))
		}
	default:
		samples, _ := bitstream.PCMSamples(b.Index.Codec, size, b.Index.Channels)
		return Samples(samples, int64(max(b.Index.Rate, 1)))
	}
	return 0
}

// refusal says why no packet of the track can be decoded, as far as headers and the first bytes of packets tell. It is ""
// when some may be.
func (b *Builder) refusal() string {
	x := &b.Index
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
	case "h264":
		if b.bare && !b.config && !b.unsure {
			return "it has no H.264 parameter sets (SPS and PPS), neither in its header nor in its packets"
		}
	case "hevc":
		if b.bare && !b.config && !b.unsure {
			return "it has no HEVC parameter sets (VPS, SPS and PPS), neither in its header nor in its packets"
		}
	case "av1":
		if b.bare && !b.config && !b.unsure {
			return "it has no AV1 sequence header, neither in its header nor in its packets"
		}
	}
	if b.tooLarge && !b.fits {
		return fmt.Sprintf("its frames have %dx%d pixels, and up to %d on a side and %d in all can be decoded", x.Width, x.Height, MaxFrameSide, MaxFramePixels)
	}
	return ""
}

// Finish returns the index of a file of size bytes. The error is for the uploader.
func (b *Builder) Finish(size int64, truncated bool) (*Index, error) {
	x := &b.Index
	x.Size, x.Truncated = size, truncated
	if len(x.Packets) == 0 {
		return nil, Invalid("the %s track holds no packets", x.kind())
	}
	c := clock{packets: x.Packets, video: x.Video, reordered: x.Video && x.reordered(), restarts: b.restarts}
	x.Packets = c.correct()
	x.Repaired, x.Repairs = c.count, c.repairs
	if x.Video {
		w, h := 0, 0
		for _, p := range x.Packets {
			if p.Width*p.Height > w*h {
				w, h = p.Width, p.Height
			}
		}
		if w > 0 {
			x.Width, x.Height = w, h
		}
	}
	if why := b.refusal(); why != "" {
		return nil, Invalid("the %s track cannot be decoded: %s", x.kind(), why)
	}
	return x, nil
}

// reordered reports whether frames are stored in another order than they are shown in. A clock that steps back a few times
// is none.
func (x *Index) reordered() bool {
	switch x.Codec {
	case "vp8", "vp9", "av1":
		return false
	}
	const rare = 50
	back := 0
	for i := 1; i < len(x.Packets); i++ {
		if x.Packets[i].Time < x.Packets[i-1].Time {
			back++
		}
	}
	return back*rare >= len(x.Packets)
}

func (x *Index) kind() roomreel.TrackKind {
	if x.Video {
		return roomreel.Video
	}
	return roomreel.Audio
}

// Samples returns how long n samples last; n may be negative. The result is within maxTime.
func Samples(n, rate int64) time.Duration {
	most := int64(maxTime / time.Second)
	whole := min(max(n/rate, -most), most)
	return time.Duration(whole)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}
