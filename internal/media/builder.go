package media

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media/bitstream"
	"roomreel/internal/media/h264"
)

// Builder makes the index of one track from the packets that a reader of a container finds. What recorders get wrong is
// corrected here, for all containers alike: timestamps, keyframe flags, frame sizes and durations.
type Builder struct {
	Index    Index
	restarts []int // indexes of packets with which a segment of the file begins
	omitted  []omitted
	border   bool // a segment of the file begins with the next packet
	skip     bool // packets of the headers that were described last are left out
	bytes    int  // of Private and Prefix in Index.Parts
	part     partBuilder
}

// partBuilder is what a Builder knows of the current part.
type partBuilder struct {
	headers Index // as a reader gave them
	framing h264.Framing
	aac     time.Duration // how much audio an AAC packet holds

	config   bool // H.264: parameter sets were found
	bare     bool // a packet has none before its frame
	unsure   bool // the first bytes of a packet do not tell
	fits     bool // a keyframe has a size that the decoder takes
	tooLarge bool // a keyframe is too large for it:
	width    int
	height   int
}

// omitted is an Omission before packet first, or of the part that begins with it.
type omitted struct {
	first int
	part  bool
	what  string
}

// NewBuilder begins the index of a track. x is what the container's headers say of it.
func NewBuilder(x Index) *Builder {
	x.CodecDelay = min(max(x.CodecDelay, 0), MaxDelay)
	return &Builder{Index: x, part: newPart(x)}
}

func newPart(x Index) partBuilder {
	p := partBuilder{headers: x}
	switch x.Codec {
	case "h264":
		p.framing = h264.ParsePrivate(x.Private)
		p.config = p.framing.Config()
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
func (b *partBuilder) size() int { return len(b.headers.Private) + len(b.headers.Prefix) }

// Front is how many bytes of a packet Add wants to see, without Prefix: of video, parameter sets and the usual SEI fit.
func (b *Builder) Front() int {
	if b.Index.Video {
		return 4096
	}
	return 2
}

// Restart says that the next packet begins a segment of the file: its clock may begin anew, and its decoder does.
func (b *Builder) Restart() {
	b.border = true
	if n := len(b.restarts); n == 0 || b.restarts[n-1] != len(b.Index.Packets) {
		b.restarts = append(b.restarts, len(b.Index.Packets))
	}
}

// Describe says what the container's headers say of the packets that follow. Where that differs from what they said of those
// before, a part of the recording begins. Parts that cannot be decoded, or are too many, are left out.
func (b *Builder) Describe(x Index) {
	x.CodecDelay = min(max(x.CodecDelay, 0), MaxDelay)
	b.skip = false
	if sameHeaders(x, b.part.headers) {
		return
	}
	if len(b.Index.Packets) == 0 {
		x.Tracks, x.Track = b.Index.Tracks, b.Index.Track
		b.Index, b.part = x, newPart(x)
		return
	}
	part := newPart(x)
	switch {
	case part.headersRefuse() != "":
		b.Omit(fmt.Sprintf("with %s, which is left out: %s", x.Codec, part.headersRefuse()))
		b.skip = true
	case len(b.Index.Parts) >= MaxParts || b.bytes+part.size() > MaxPartBytes:
		b.Omit(fmt.Sprintf("with %s and other headers than before, which is left out: there are more than %d changes of headers or %d bytes of them", x.Codec, MaxParts, MaxPartBytes))
		b.skip = true
	default:
		b.endPart()
		b.begin(part)
	}
}

// begin makes the next packet begin a part.
func (b *Builder) begin(part partBuilder) {
	x := &b.Index
	part.headers.Tracks, part.headers.Track = nil, 0
	next := Part{First: len(x.Packets), Index: part.headers}
	if n := len(x.Parts); n > 0 && x.Parts[n-1].First == next.First {
		x.Parts = x.Parts[:n-1]
	}
	b.bytes += part.size()
	x.Parts = append(x.Parts, next)
	b.part = part
}

// endPart notes whether the current part cannot be decoded.
func (b *Builder) endPart() {
	first := 0
	if n := len(b.Index.Parts); n > 0 {
		first = b.Index.Parts[n-1].First
	}
	if why := b.part.refusal(); why != "" && first < len(b.Index.Packets) {
		b.omitted = append(b.omitted, omitted{first, true, why})
	}
}

// Omit says what the file holds from here on that is left out, as in Omission.What.
func (b *Builder) Omit(what string) {
	next := omitted{len(b.Index.Packets), false, fmt.Sprintf("%.*s", maxOmission, strings.ToValidUTF8(what, "?"))}
	if n := len(b.omitted); next.first > 0 && (n == 0 || b.omitted[n-1] != next) && n < MaxParts {
		b.omitted = append(b.omitted, next)
	}
}

// Add appends a packet in file order. p.Time is its time by the file's clock, which Finish corrects; p.Key and p.Duration are the container's word,
// which holds where the bitstream does not tell. front is the first Front bytes of the packet, or all of a shorter one.
//
// Packets without payload, which some recorders write for lost ones, are left out, and so are those of parts that are. The error is
// for the uploader.
func (b *Builder) Add(p Packet, front []byte) error {
	x := &b.Index
	size := int64(p.Size)
	for _, span := range p.Rest {
		size += int64(span.Size)
	}
	if size == 0 || b.skip {
		return nil
	}
	if len(x.Packets) >= MaxPackets {
		return Invalid("the file holds more than %d packets: split it into shorter recordings", MaxPackets)
	}
	if prefix := b.part.headers.Prefix; len(prefix) > 0 {
		front = append(prefix[:len(prefix):len(prefix)], front...)
		size += int64(len(prefix))
	}
	if x.Video {
		p = b.part.video(p, front)
	} else {
		p.Key = true
		if d := b.Duration(front, size); d > 0 {
			p.Duration = d
		}
	}
	if b.border && (!x.Video || !p.Key) {
		// The decoder of a segment knows nothing of the segment before. A keyframe needs nothing of it.
		if b.again(); x.Video {
			p = b.part.video(p, front)
		}
	}
	b.border = false
	x.Packets = append(x.Packets, p)
	return nil
}

// again makes the next packet begin a part with the same headers, unless it begins one already or there are too many.
func (b *Builder) again() {
	n, parts := len(b.Index.Packets), b.Index.Parts
	begun := n == 0 || len(parts) > 0 && parts[len(parts)-1].First == n
	if !begun && len(parts) < MaxParts && b.bytes+b.part.size() <= MaxPartBytes {
		b.endPart()
		b.begin(newPart(b.part.headers))
	}
}

// Unadd takes the packets from number n on out again: they turned out to be none.
func (b *Builder) Unadd(n int) {
	x := &b.Index
	x.Packets = x.Packets[:n]
	if k := slices.IndexFunc(x.Parts, func(p Part) bool { return p.First >= n }); k >= 0 {
		last := x.Parts[len(x.Parts)-1] // its headers are those of the next packet
		if last.First = n; n == 0 {
			last.Tracks, last.Track = x.Tracks, x.Track
			*x = last.Index
		} else {
			x.Parts = append(x.Parts[:k], last)
		}
	}
	for i := range b.restarts {
		b.restarts[i] = min(b.restarts[i], n)
	}
	for i := range b.omitted {
		b.omitted[i].first = min(b.omitted[i].first, n)
	}
}

// video corrects what a container says of a packet of video.
func (b *partBuilder) video(p Packet, front []byte) Packet {
	frame := b.frame(front)
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
	switch b.headers.Codec {
	case "vp8":
		return bitstream.ParseVP8(front)
	case "vp9":
		return bitstream.ParseVP9(front)
	case "h264":
		return b.framing.Inspect(front)
	}
	return bitstream.Frame{}
}

// Duration returns how much audio a packet holds by its first bytes and its size, Prefix included; 0 when they do not tell.
func (b *Builder) Duration(front []byte, size int64) time.Duration {
	x := &b.part.headers
	switch x.Codec {
	case "opus":
		return bitstream.OpusDuration(front)
	case "aac":
		return b.part.aac
	case "pcmu", "pcma": // one byte a sample
		return Samples(size/int64(max(x.Channels, 1)), int64(max(x.Rate, 1)))
	}
	return 0
}

// headersRefuse says why no packet of the part can be decoded, as far as its headers tell. It is "" when some may be.
func (b *partBuilder) headersRefuse() string {
	x := &b.headers
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
	case "pcmu", "pcma":
		if x.Channels > 2 || x.Rate != 0 && (x.Rate < 8000 || x.Rate > 192000) {
			return fmt.Sprintf("it has %d channels at %d Hz, and 1 or 2 channels at 8000 to 192000 Hz can be decoded", x.Channels, x.Rate)
		}
	}
	return ""
}

// refusal is headersRefuse, as far as headers and the first bytes of packets tell.
func (b *partBuilder) refusal() string {
	switch {
	case b.headersRefuse() != "":
		return b.headersRefuse()
	case b.headers.Codec == "h264" && b.bare && !b.config && !b.unsure:
		return "it has no H.264 parameter sets (SPS and PPS), neither in its header nor in its packets"
	case b.tooLarge && !b.fits:
		return fmt.Sprintf("its frames have %dx%d pixels, and up to %d on a side and %d in all can be decoded", b.width, b.height, MaxFrameSide, MaxFramePixels)
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
	b.endPart()
	c := clock{packets: x.Packets, video: x.Video, reordered: x.Video && x.reordered(), restarts: b.restarts, marks: b.marks()}
	x.Packets = c.correct()
	x.Repaired, x.Repairs = c.count, c.repairs
	if err := b.finishParts(c.step); err != nil {
		return nil, err
	}
	if x.Video {
		x.size()
	}
	return x, nil
}

// marks returns where parts and omissions begin, ascending.
func (b *Builder) marks() []*int {
	var marks []*int
	for i := range b.Index.Parts {
		marks = append(marks, &b.Index.Parts[i].First)
	}
	for i := range b.omitted {
		marks = append(marks, &b.omitted[i].first)
	}
	slices.SortStableFunc(marks, func(a, b *int) int { return cmp.Compare(*a, *b) })
	return marks
}

// finishParts concludes about parts and omissions once the packets have their times. step is how long the last packet of video
// lasts. The error says why nothing at all can be decoded.
func (b *Builder) finishParts(step time.Duration) error {
	x := &b.Index
	refused, reason := 0, ""
	for _, o := range b.omitted {
		at := time.Duration(0)
		switch {
		case o.part:
			if refused++; reason == "" {
				reason = o.what
			}
			at = x.Packets[min(o.first, len(x.Packets)-1)].Time
			o.what = fmt.Sprintf("with %s that cannot be decoded: %s", x.Headers(x.Part(o.first)).Codec, o.what)
		case o.first > 0:
			at = x.end(o.first, step)
		}
		if len(x.Omitted) < maxOmitted {
			x.Omitted = append(x.Omitted, Omission{at, o.what})
		}
	}
	parts := x.Parts[:0]
	for _, p := range x.Parts {
		if n := len(parts); n > 0 && parts[n-1].First == p.First {
			parts = parts[:n-1]
		}
		if p.First > 0 && p.First < len(x.Packets) {
			p.At = x.Packets[p.First].Time
			parts = append(parts, p)
		}
	}
	if x.Parts = parts; len(parts) == 0 {
		x.Parts = nil
	}
	if refused > len(parts) {
		return Invalid("the %s track cannot be decoded: %s", x.kind(), reason)
	}
	return nil
}

// end returns when the last of the first n packets ends. step is how long one lasts where nothing tells.
func (x *Index) end(n int, step time.Duration) time.Duration {
	last := x.Packets[n-1]
	if last.Duration > 0 {
		return last.Time + last.Duration
	}
	if n > 1 {
		if d := last.Time - x.Packets[n-2].Time; d > 0 && d < time.Second {
			step = d
		}
	}
	return last.Time + step
}

// size sets the size of each part to that of its largest keyframe, and that of the index to the largest of all.
func (x *Index) size() {
	largest := func(to *Index, packets []Packet) {
		w, h := 0, 0
		for _, p := range packets {
			if p.Width*p.Height > w*h {
				w, h = p.Width, p.Height
			}
		}
		if w > 0 {
			to.Width, to.Height = w, h
		}
	}
	for i := range x.Parts {
		end := len(x.Packets)
		if i+1 < len(x.Parts) {
			end = x.Parts[i+1].First
		}
		largest(&x.Parts[i].Index, x.Packets[x.Parts[i].First:end])
	}
	largest(x, x.Packets)
}

// reordered reports whether frames are stored in another order than they are shown in, in some part. A clock that steps back a few
// times is none.
func (x *Index) reordered() bool {
	const rare = 50
	for part, packet := range x.Ranges(len(x.Packets)) {
		if codec := x.Headers(part).Codec; codec == "vp8" || codec == "vp9" {
			continue
		}
		back := 0
		for i := packet[0] + 1; i < packet[1]; i++ {
			if x.Packets[i].Time < x.Packets[i-1].Time {
				back++
			}
		}
		if back > 0 && back*rare >= packet[1]-packet[0] {
			return true
		}
	}
	return false
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
