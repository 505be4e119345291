package timeline

import (
	"math/bits"
	"slices"
	"sort"
	"time"
)

// Map turns room time into output time. The zero Map is that of a room without media: nothing is shown, its length is 0.
type Map struct {
	intervals []Interval
}

// New lays out the spans of all included recordings, audio and video together, in any order.
//
// What lies before the first span is always cut. With trim every later stretch of room time that no span covers is cut
// too, so that output time has one interval per stretch with media; without trim there is a single interval from the
// first start to the last end, gaps included. Spans that merely touch do not make a gap. A span that is empty or ends
// before it starts holds no media and is ignored.
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

// Intervals returns the pieces of room time that the film shows, in order, neither overlapping nor touching. The slice
// is the caller's own.
func (m Map) Intervals() []Interval { return slices.Clone(m.intervals) }

// Length is how long the film is.
func (m Map) Length() time.Duration {
	if len(m.intervals) == 0 {
		return 0
	}
	last := m.intervals[len(m.intervals)-1]
	return last.Output + last.Room.End - last.Room.Start
}

// Output returns the output time at which an instant of room time is shown, and whether it is shown at all. For an
// instant that is cut, the time is that at which the next shown instant begins: 0 before the first media, Length after
// the last. Output never decreases with room time.
func (m Map) Output(room time.Duration) (time.Duration, bool) {
	// The first interval that ends after room either holds it or is the next one shown.
	i := sort.Search(len(m.intervals), func(i int) bool { return room < m.intervals[i].Room.End })
	if i == len(m.intervals) {
		return m.Length(), false
	}
	in := m.intervals[i]
	if room < in.Room.Start {
		return in.Output, false
	}
	return in.Output + room - in.Room.Start, true
}

// Shift returns what is added to room time to get output time anywhere in a recording's span: one number, because a
// recording that was given to [New] is never cut in the middle. A span without media, or one that was not given to New,
// gets the shift of the interval that holds its start, else of the next one, else of the last.
func (m Map) Shift(s Span) time.Duration {
	if len(m.intervals) == 0 {
		return -s.Start
	}
	i := sort.Search(len(m.intervals), func(i int) bool { return s.Start < m.intervals[i].Room.End })
	in := m.intervals[min(i, len(m.intervals)-1)]
	return in.Output - in.Room.Start
}

// Pictures returns how many pictures a film of the given length has at fpsNum/fpsDen pictures per second. Picture n is
// shown at n*fpsDen/fpsNum seconds; the last one begins before the end, so a film that is not empty has at least one.
func Pictures(length time.Duration, fpsNum, fpsDen int) int {
	if length <= 0 || fpsNum <= 0 || fpsDen <= 0 {
		return 0
	}
	// ceil(length * fpsNum / (fpsDen * 1e9)), in 128 bits: length*fpsNum alone may not fit in 64.
	return int(ceilDiv(uint64(length), uint64(fpsNum), uint64(fpsDen)*uint64(time.Second)))
}

// Samples returns how many samples a sound of the given length has at 48 kHz, to the nearest one.
func Samples(length time.Duration) int64 {
	// 48000 samples per 1e9 ns is 3 per 62500. Whole and rest are taken apart so that no length overflows.
	whole, rest := int64(length)/62500, int64(length)%62500
	half := int64(62500 / 2)
	if rest < 0 {
		half = -half
	}
	return whole*3 + (rest*3+half)/62500
}

// ceilDiv returns ceil(a*b/c). The quotient must fit in 64 bits.
func ceilDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	q, r := bits.Div64(hi%c, lo, c)
	if r > 0 {
		q++
	}
	return q
}
