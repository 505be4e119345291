// Package timeline puts a room's recordings on one line of time and cuts the gaps in which nothing was recorded.
//
// There are two clocks. Room time is the one in which a recording's offset is given. Output time starts at the first
// instant with media and, with trim, leaves out every later gap. A [Map] turns room time into output time; video and
// audio use the same one.
//
// All arithmetic is in integer nanoseconds. No position is computed by adding up durations.
package timeline

import (
	"slices"
	"sort"
	"time"
)

// Span is when a recording exists, in room time: [Start, End).
type Span struct{ Start, End time.Duration }

// Interval is a part of room time that the output shows, and where it begins in output time.
type Interval struct {
	Room   Span
	Output time.Duration // output time of Room.Start
}

// Map turns room time into output time. The zero Map is the one of a room without media: it has no intervals, and its
// length is 0.
type Map struct {
	intervals []Interval
}

// New builds the map for the spans of all selected recordings, audio and video together, in any order.
//
// The time before the first span is always cut. With trim, every later gap that no span covers is cut too, and the map
// has one interval for each uninterrupted part. Without trim there is a single interval from the first start to the last
// end, including its gaps. There is no gap between spans that touch. A span whose end is not after its start is ignored.
func New(spans []Span, trim bool) Map {
	sorted := make([]Span, 0, len(spans))
	for _, s := range spans {
		if s.End > s.Start {
			sorted = append(sorted, s)
		}
	}
	slices.SortFunc(sorted, func(a, b Span) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	var m Map
	for _, s := range sorted {
		last := len(m.intervals) - 1
		if last >= 0 && (!trim || s.Start <= m.intervals[last].Room.End) {
			m.intervals[last].Room.End = max(m.intervals[last].Room.End, s.End)
			continue
		}
		m.intervals = append(m.intervals, Interval{Room: s, Output: m.Length()})
	}
	return m
}

// Intervals returns the parts of room time that the output shows, in order. They neither overlap nor touch. The caller
// may change the slice.
func (m Map) Intervals() []Interval { return slices.Clone(m.intervals) }

// Length is the length of the output.
func (m Map) Length() time.Duration {
	if len(m.intervals) == 0 {
		return 0
	}
	last := m.intervals[len(m.intervals)-1]
	return last.Output + last.Room.End - last.Room.Start
}

// Shift returns the difference between output time and room time in a recording's span. It is one number, because a
// span that was given to [New] is never cut in the middle. For an empty span, or one that was not given to New, it is the
// shift of the interval that holds the span's start, else of the next interval, else of the last.
func (m Map) Shift(s Span) time.Duration {
	if len(m.intervals) == 0 {
		return -s.Start
	}
	i := sort.Search(len(m.intervals), func(i int) bool { return s.Start < m.intervals[i].Room.End })
	in := m.intervals[min(i, len(m.intervals)-1)]
	return in.Output - in.Room.Start
}
