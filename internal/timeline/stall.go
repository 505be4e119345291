package timeline

import (
	"slices"
	"sort"
	"time"
)

// Stall is a time in which a sender captured nothing although its timestamps go on without a gap: what follows is too early. Only
// the recording's known end shows that time is missing.
type Stall struct {
	Packet   int // the first after it
	Evidence Evidence
}

// Evidence is what shows where the stall is, the best first.
type Evidence string

const (
	GapBeside Evidence = "gap_beside" // another recording of the participant has a gap that is about as long
	OwnGap    Evidence = "own_gap"    // one gap of the recording is far longer than its others
	OwnPause  Evidence = "own_pause"  // nothing but silence, once, for far longer than elsewhere
	NoTrace   Evidence = "none"       // nothing: the stall is put into the silence nearest to the middle
)

const (
	// longestStall is how long a stall lasts that nothing but the known end shows. When more is missing, the sender was
	// probably silent at the end: people mute themselves, and leave later.
	longestStall = time.Minute

	shortestTrace = 15 * time.Millisecond // gaps that are shorter come from loss, jitter and rounding
	outstanding   = 2                     // a gap or silence stands out when it is so many times as long as any other
	shortestPause = 2 * time.Second       // silence that stands out
	besideWithin  = time.Second           // how far from a gap beside it the recording's own trace may be
	aroundMiddle  = 10                    // silence is near the middle when it is within 1/aroundMiddle of the length
	quiet         = 4                     // packets of silence have at most 1/quiet of the bytes of loud ones
)

// FindStall finds where missing time is missing. sizes are the bytes of the packets. beside are the gaps of the participant's
// other recordings, in the time of this one. It is false when the time is probably missing at the end.
func FindStall(packets []AudioPacket, sizes []int, missing time.Duration, beside []Span) (Stall, bool) {
	if len(packets) < 2 {
		return Stall{}, false
	}
	if at, ok := closest(beside, missing); ok {
		n := sort.Search(len(packets), func(i int) bool { return packets[i].Time >= at })
		n = min(max(n, 1), len(packets)-1)
		if i, gap, _ := longestGap(packets); gap >= shortestTrace && (packets[i].Time-at).Abs() <= besideWithin {
			n = i
		}
		return Stall{n, GapBeside}, true
	}
	if missing > longestStall {
		return Stall{}, false
	}
	if i, gap, second := longestGap(packets); gap >= shortestTrace && gap >= outstanding*second {
		return Stall{i, OwnGap}, true
	}
	pauses := silences(packets, sizes)
	if i, ok := longestPause(pauses); ok {
		return Stall{packetAt(packets, pauses[i]), OwnPause}, true
	}
	last := packets[len(packets)-1]
	length := last.Time + last.Duration
	middle := length / 2
	place, best := Span{middle, middle}, length/aroundMiddle
	for _, p := range pauses {
		if away := max(p.Start-middle, middle-p.End, 0); away < best {
			place, best = p, away
		}
	}
	return Stall{packetAt(packets, place), NoTrace}, true
}

// closest returns where the gap begins whose length is closest to what is missing.
func closest(gaps []Span, missing time.Duration) (time.Duration, bool) {
	off := func(s Span) time.Duration { return (s.End - s.Start - missing).Abs() }
	var best Span
	found := false
	for _, gap := range gaps {
		if off(gap) <= missing/10 && (!found || off(gap) < off(best)) {
			best, found = gap, true
		}
	}
	return best.Start, found
}

// longestGap returns the packet after the longest gap, how long that is, and how long the second longest is.
func longestGap(packets []AudioPacket) (after int, longest, second time.Duration) {
	for i := 1; i < len(packets); i++ {
		gap := packets[i].Time - packets[i-1].Time - packets[i-1].Duration
		if gap > longest {
			after, longest, second = i, gap, longest
		} else {
			second = max(second, gap)
		}
	}
	return after, longest, second
}

// silences returns when the packets hold silence, by their size. It is nil when sizes do not tell.
func silences(packets []AudioPacket, sizes []int) []Span {
	loud := slices.Sorted(slices.Values(sizes))[len(sizes)*9/10]
	if loud == 0 {
		return nil
	}
	var list []Span
	for i, p := range packets {
		if sizes[i]*quiet > loud {
			continue
		}
		end := p.Time + p.Duration
		if i+1 < len(packets) {
			end = max(end, packets[i+1].Time)
		}
		if n := len(list); n > 0 && i > 0 && sizes[i-1]*quiet <= loud {
			list[n-1].End = end
		} else {
			list = append(list, Span{p.Time, end})
		}
	}
	return list
}

// longestPause returns the silence that stands out, and whether there is one.
func longestPause(pauses []Span) (longest int, ok bool) {
	length := func(i int) time.Duration { return pauses[i].End - pauses[i].Start }
	var second time.Duration
	for i := range pauses {
		switch {
		case i == longest:
		case length(i) > length(longest):
			second, longest = length(longest), i
		default:
			second = max(second, length(i))
		}
	}
	return longest, len(pauses) > 0 && length(longest) >= shortestPause && length(longest) >= outstanding*second
}

// packetAt returns the packet at the middle of a span; never the first.
func packetAt(packets []AudioPacket, s Span) int {
	middle := s.Start + (s.End-s.Start)/2
	n := sort.Search(len(packets), func(i int) bool { return packets[i].Time >= middle })
	return min(max(n, 1), len(packets)-1)
}
