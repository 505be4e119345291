package compose

import (
	"io"
	"math"
	"slices"
	"sort"
	"time"

	"roomreel/internal/media"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// Media opens the bytes of the plan's track t for reading at any place.
type Media func(t int) (io.ReaderAt, error)

// feed gives a child the packets of several tracks in the order in which it needs them.
//
// Packets go out by the time from which a picture may need them: their own, or with B-frames the earliest of those that
// come after them in the file. So when a packet goes out for time T, everything that any earlier picture shows is out.
type feed struct {
	tracks []*feedTrack
}

type feedTrack struct {
	number  int // in the child's plan
	shift   time.Duration
	packets []media.Packet
	need    []time.Duration // when a packet is needed; nil when that is its own time throughout
	ranges  [][2]int        // half-open ranges of packets to send, ascending
	next    int             // the packet to send next
	reader  *media.PacketReader
}

// add puts the packets in ranges of track t into the feed, as number number of the child's plan.
func (f *feed) add(number int, track Placed, ranges [][2]int, file io.ReaderAt) {
	if len(ranges) == 0 {
		return
	}
	f.tracks = append(f.tracks, &feedTrack{
		number:  number,
		shift:   track.Shift,
		packets: track.Index.Packets,
		need:    needed(track.Index.Packets),
		ranges:  ranges,
		next:    ranges[0][0],
		reader:  media.NewPacketReader(track.Index, file),
	})
}

// Next returns the next packet, io.EOF after the last.
func (f *feed) Next() (protocol.Packet, error) {
	var first *feedTrack
	earliest := time.Duration(math.MaxInt64)
	for _, t := range f.tracks {
		if at := t.at(t.next); at < earliest {
			first, earliest = t, at
		}
	}
	if first == nil {
		return protocol.Packet{}, io.EOF
	}
	packet := first.packets[first.next]
	data, err := first.reader.Read(first.next)
	if err != nil {
		return protocol.Packet{}, err
	}
	result := protocol.Packet{
		Track: first.number,
		Time:  packet.Time + first.shift,
		Need:  earliest,
		Key:   packet.Key,
		Data:  data,
	}
	if !first.advance() {
		f.tracks = slices.DeleteFunc(f.tracks, func(t *feedTrack) bool { return t == first })
	}
	return result, nil
}

// at returns when packet i is needed, in output time.
func (t *feedTrack) at(i int) time.Duration {
	if t.need != nil {
		return t.need[i] + t.shift
	}
	return t.packets[i].Time + t.shift
}

// advance moves to the next packet to send, and reports whether there is one.
func (t *feedTrack) advance() bool {
	t.next++
	if t.next < t.ranges[0][1] {
		return true
	}
	t.ranges = t.ranges[1:]
	if len(t.ranges) == 0 {
		return false
	}
	t.next = t.ranges[0][0]
	return true
}

// needed returns for every packet the earliest time of it and all that follow, nil when packets are in time order.
func needed(packets []media.Packet) []time.Duration {
	if sort.SliceIsSorted(packets, func(i, j int) bool { return packets[i].Time < packets[j].Time }) {
		return nil
	}
	times := make([]time.Duration, len(packets))
	earliest := time.Duration(math.MaxInt64)
	for i := len(packets) - 1; i >= 0; i-- {
		earliest = min(earliest, packets[i].Time)
		times[i] = earliest
	}
	return times
}

// pictureRanges returns which packets of track t a child needs to show it in the pictures [from, to): from the keyframe
// before each first picture to the last packet before each last one.
func (p *Plan) pictureRanges(t, from, to int) [][2]int {
	track := p.Tracks[t]
	packets := track.Index.Packets
	need := needed(packets)
	at := func(i int) time.Duration {
		if need != nil {
			return need[i] + track.Shift
		}
		return packets[i].Time + track.Shift
	}
	var ranges [][2]int
	for i, scene := range p.Scenes {
		a, b := max(scene.From, from), to
		if i+1 < len(p.Scenes) {
			b = min(b, p.Scenes[i+1].From)
		}
		if a >= b || !slices.ContainsFunc(scene.Cells, func(c Cell) bool { return c.Track == t }) {
			continue
		}
		first, last := timeline.FrameTime(a, p.FPS), timeline.FrameTime(b-1, p.FPS)
		start := sort.Search(len(packets), func(i int) bool { return at(i) > first })
		start = lastKeyframe(packets, start-1)
		end := sort.Search(len(packets), func(i int) bool { return at(i) > last })
		if n := len(ranges); n > 0 && start <= ranges[n-1][1] {
			ranges[n-1][1] = max(ranges[n-1][1], end)
		} else if start < end {
			ranges = append(ranges, [2]int{start, end})
		}
	}
	return ranges
}

// lastKeyframe returns the last keyframe at or before packet i, or 0 when there is none.
func lastKeyframe(packets []media.Packet, i int) int {
	for ; i > 0; i-- {
		if packets[i].Key {
			return i
		}
	}
	return 0
}
