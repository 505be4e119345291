package media

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomreel"
	"roomreel/internal/media/h265"
)

// Builder makes the index of one track from the packets that a reader of a container finds. What recorders get wrong is
// corrected here, for all containers alike: timestamps, keyframe flags, frame sizes and durations.
type Builder struct {
	Index    Index
	restarts []int // indexes of packets with which a segment of the file begins
	omitted  []omitted
	border   bool // a segment of the file begins with the next packet
	skip     bool // packets of the headers that were described last are left out
	bytes    int  // of Private and Prefix in Index.Parts when they begin; AnnexB may replace Private by a longer one
	part     partBuilder
	stereo   bool // a packet may code more than one channel
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
	part := newPart(x)
	return &Builder{Index: part.stored, part: part}
}

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
		b.part = newPart(x)
		b.Index = b.part.stored
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
	part.stored.Tracks, part.stored.Track = nil, 0
	next := Part{First: len(x.Packets), Index: part.stored}
	if n := len(x.Parts); n > 0 && x.Parts[n-1].First == next.First {
		x.Parts = x.Parts[:n-1]
	}
	b.bytes += part.size()
	x.Parts = append(x.Parts, next)
	b.part = part
}

// endPart notes whether the current part cannot be decoded.
func (b *Builder) endPart() {
	first := b.first()
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
		p = b.video(p, front, size)
	}
	if b.border && (!x.Video || !p.Key) {
		// The decoder of a segment knows nothing of the segment before. A keyframe needs nothing of it.
		if b.again(); x.Video {
			p = b.video(p, front, size)
		}
	}
	b.border = false
	if !x.Video {
		p = b.audio(p, front, size)
	}
	x.Packets = append(x.Packets, p)
	return nil
}

// headers are those of the current part, as they are stored.
func (b *Builder) headers() *Index {
	if n := len(b.Index.Parts); n > 0 {
		return &b.Index.Parts[n-1].Index
	}
	return &b.Index
}

// first is the number of the current part's first packet.
func (b *Builder) first() int {
	if n := len(b.Index.Parts); n > 0 {
		return b.Index.Parts[n-1].First
	}
	return 0
}

// video corrects what a container says of a packet of video.
func (b *Builder) video(p Packet, front []byte, size int64) Packet {
	if private, ok := b.part.h265.AnnexB(front); ok {
		b.headers().Private, b.part.h265 = private, h265.ParsePrivate(private)
	}
	return b.part.video(p, front, size)
}

// audio corrects what a container says of a packet of audio.
func (b *Builder) audio(p Packet, front []byte, size int64) Packet {
	p.Key = true
	b.stereo = b.stereo || !b.part.mono(front)
	vorbis := b.part.vorbis
	if d := b.part.duration(front, size); d > 0 || vorbis != nil {
		p.Duration = d
	}
	// What the first two packets of Vorbis decode to together begins at the time of the first.
	if n := b.first(); vorbis != nil && len(b.Index.Packets) == n+1 {
		if before := &b.Index.Packets[n]; (p.Time - before.Time).Abs() <= Samples(int64(vorbis.Longest()), int64(vorbis.Rate)) {
			before.Time = p.Time
		}
	}
	return p
}

// Duration returns how much audio a packet holds by its first bytes and its size, Prefix included; 0 when they do not tell.
func (b *Builder) Duration(front []byte, size int64) time.Duration {
	return b.part.duration(front, size)
}

// again makes the next packet begin a part with the same headers, unless it begins one already or there are too many.
func (b *Builder) again() {
	if b.first() != len(b.Index.Packets) && len(b.Index.Parts) < MaxParts && b.bytes+b.part.size() <= MaxPartBytes {
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
	b.omitted = slices.DeleteFunc(b.omitted, func(o omitted) bool { return o.part && o.first >= n })
	for i := range b.omitted {
		b.omitted[i].first = min(b.omitted[i].first, n)
	}
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
	if len(x.Parts) == 0 { // a player would need the headers of each
		x.Stream = b.part.stream
	}
	x.Mono = !x.Video && !b.stereo
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

// size sets the size of each part to that of its largest keyframe.
func (x *Index) size() {
	for part, packet := range x.Ranges(len(x.Packets)) {
		w, h := 0, 0
		for _, p := range x.Packets[packet[0]:packet[1]] {
			if p.Width*p.Height > w*h {
				w, h = p.Width, p.Height
			}
		}
		to := x
		if part > 0 {
			to = &x.Parts[part-1].Index
		}
		if w > 0 {
			to.Width, to.Height = w, h
		}
	}
}

// reordered reports whether frames are stored in another order than they are shown in, in some part. A clock that steps back a few
// times is none.
func (x *Index) reordered() bool {
	const rare = 50
	for part, packet := range x.Ranges(len(x.Packets)) {
		if codec := x.Headers(part).Codec; slices.Contains([]string{"vp8", "vp9", "av1"}, codec) {
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
