package compose

import (
	"io"
	"iter"
	"math"
	"slices"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/plan"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// feed gives a child the packets of several tracks in the order in which it needs them.
//
// Packets are ordered by the output time from which a frame may need them (media.Packet.Need). So when a packet for time
// T goes out, everything that any earlier frame shows is out. Memory is bounded for each track: indexes and files are read
// in slices.
type feed struct {
	tracks []*feedTrack
}

type feedTrack struct {
	number int // in the child's plan
	shift  time.Duration
	clock  timeline.Clock
	reader *media.PacketReader
	parts  []int // packets with which the parts after the first begin
	next   func() (numbered, error, bool)
	stop   func()
	packet numbered // the one to send next
	err    error    // of reading the index, instead of a packet
}

// numbered is a packet and its number in the index.
type numbered struct {
	number int
	media.Packet
}

// add puts the packets in the given half-open ranges of a recording into the feed, as track number of the child's plan. parts are the
// packets with which the parts of that track begin.
func (f *feed) add(number int, shift time.Duration, clock timeline.Clock, recording Recording, ranges [][2]int, parts ...int) {
	track := recording.Index.Track()
	t := &feedTrack{number: number, shift: shift, clock: clock, parts: parts, reader: media.NewPacketReader(&track, recording.File)}
	t.next, t.stop = iter.Pull2(func(yield func(numbered, error) bool) {
		for _, r := range ranges {
			n := r[0]
			for packet, err := range recording.Index.Packets(r[0], r[1]) {
				if !yield(numbered{n, packet}, err) {
					return
				}
				n++
			}
		}
	})
	f.tracks = append(f.tracks, t)
	f.advance(t)
}

// advance moves a track to its next packet, or takes it out of the feed after its last. It reports whether there is a next one.
func (f *feed) advance(t *feedTrack) bool {
	var more bool
	if t.packet, t.err, more = t.next(); !more {
		t.stop()
		f.tracks = slices.DeleteFunc(f.tracks, func(other *feedTrack) bool { return other == t })
	}
	return more
}

// Next returns the next packet, io.EOF after the last.
func (f *feed) Next() (protocol.Packet, error) {
	var first *feedTrack
	earliest := time.Duration(math.MaxInt64)
	for _, t := range f.tracks {
		if t.err != nil {
			return protocol.Packet{}, t.err
		}
		if at := t.clock.In(t.packet.Need) + t.shift; at < earliest {
			first, earliest = t, at
		}
	}
	if first == nil {
		return protocol.Packet{}, io.EOF
	}
	data, err := first.reader.ReadPacket(first.packet.number, first.packet.Packet)
	if err != nil {
		return protocol.Packet{}, err
	}
	result := protocol.Packet{
		Track: first.number, Part: plan.PartOf(first.parts, first.packet.number), Time: first.clock.In(first.packet.Time) + first.shift, Need: earliest, Key: first.packet.Key, Data: data,
	}
	result.Last = !f.advance(first)
	return result, nil
}

// Close lets go of the tracks that are left.
func (f *feed) Close() {
	for _, t := range f.tracks {
		t.stop()
	}
	f.tracks = nil
}
