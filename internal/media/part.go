package media

import (
	"fmt"
	"reflect"
	"sort"
	"time"
)

// A file may have several headers: a recorder was restarted, files were joined, or a container changes its description of a
// track. Packets that follow other headers are a part of the recording. A decoder that took an earlier part knows nothing of
// the next: its reference frames, parameter sets and sample rate may be others.

// Part is the packets from First on, up to the next part. Of its Index only what headers say is set: Codec, Video, Private,
// CodecDelay, Rate, Channels, Width, Height, Display, Colour and Prefix.
type Part struct {
	First int           // packet
	At    time.Duration // its time
	Index
}

// Omission is what a file holds from some time on that is not in the index.
type Omission struct {
	At   time.Duration // from the recording's first packet
	What string        // after "the file goes on": "with codec V_THEORA, which is left out"
}

func (o Omission) String() string {
	return fmt.Sprintf("from %.3f s on the file goes on %s", o.At.Seconds(), o.What)
}

// Bounds of Index.Omitted.
const (
	maxOmitted  = 16
	maxOmission = 400 // characters of Omission.What
)

// Part returns the number of the part that holds a packet: 0 for the first, else one more than the place in Parts.
func (x *Index) Part(packet int) int {
	return sort.Search(len(x.Parts), func(i int) bool { return x.Parts[i].First > packet })
}

// Ranges returns the half-open ranges of packets that are the parts of a recording of count packets.
func (x *Index) Ranges(count int) [][2]int {
	ranges := make([][2]int, 0, len(x.Parts)+1)
	first := 0
	for _, p := range x.Parts {
		ranges = append(ranges, [2]int{first, p.First})
		first = p.First
	}
	return append(ranges, [2]int{first, count})
}

// Headers returns what the headers of a part say, by its number. It has no packets.
func (x *Index) Headers(part int) Index {
	if part > 0 {
		return x.Parts[part-1].Index
	}
	first := *x
	first.Packets, first.Parts = nil, nil
	return first
}

// Outline describes a part in a few words, as reports and people need it.
type Outline struct {
	At            time.Duration // from the recording's first packet
	Codec         string
	Width, Height int `json:",omitempty"` // of video: the part's largest frame
	Rate          int `json:",omitempty"` // of audio
	Channels      int `json:",omitempty"`
}

func (o Outline) String() string {
	text := fmt.Sprintf("%s from %.3f s", o.Codec, o.At.Seconds())
	switch {
	case o.Width > 0:
		text += fmt.Sprintf(" (%dx%d)", o.Width, o.Height)
	case o.Rate > 0:
		text += fmt.Sprintf(" (%d Hz, %d channels)", o.Rate, o.Channels)
	}
	return text
}

// Outline returns the first most parts of a recording that has several, where codec or size changes; none when nothing does.
func (x *Index) Outline(most int) []Outline {
	var list []Outline
	for n := range len(x.Parts) + 1 {
		h := x.Headers(n)
		next := Outline{Codec: h.Codec}
		if x.Video {
			next.Width, next.Height = h.Width, h.Height
		} else {
			next.Rate, next.Channels = h.Rate, h.Channels
		}
		if n > 0 {
			next.At = x.Parts[n-1].At
			last := list[len(list)-1]
			if last.At = next.At; last == next {
				continue
			}
		}
		if len(list) == most {
			break
		}
		list = append(list, next)
	}
	if len(list) < 2 {
		return nil
	}
	return list
}

// sameHeaders reports whether two headers, as readers of containers give them, are alike.
func sameHeaders(a, b Index) bool {
	a.Tracks, a.Track, b.Tracks, b.Track = nil, 0, nil, 0
	return reflect.DeepEqual(a, b)
}

// validParts reports whether stored parts and omissions are such as a Builder makes of count packets.
func (x *Index) validParts(count int) bool {
	if len(x.Parts) > MaxParts || len(x.Omitted) > maxOmitted {
		return false
	}
	first := 0
	for i := range x.Parts {
		p := &x.Parts[i]
		if p.First <= first || p.First >= count || p.Video != x.Video || len(p.Parts) > 0 || len(p.Packets) > 0 ||
			p.At < 0 || p.At > maxTime || !p.validHeaders() {
			return false
		}
		first = p.First
	}
	for _, o := range x.Omitted {
		if o.At < 0 || o.At > 2*maxTime || len(o.What) > 4*maxOmission {
			return false
		}
	}
	return true
}

// validHeaders reports whether stored headers are within their bounds.
func (x *Index) validHeaders() bool {
	within := func(v, most int) bool { return v >= 0 && v <= most }
	return within(x.Rate, MaxRate) && within(x.Channels, MaxChannels) && within(x.Width, MaxSide) && within(x.Height, MaxSide) &&
		len(x.Prefix) <= MaxPrefix && x.CodecDelay >= 0 && x.CodecDelay <= MaxDelay && x.Display.valid() && x.Stream.valid()
}
