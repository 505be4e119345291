package layout

import (
	"slices"
	"time"
)

// A seating gives the sources of one region its cells, as the region's reuse rule says. A cell is fresh until it has
// shown a source, idle when what it showed has ended, else used.
type seating struct {
	sources []Source
	cells   []cell
	seats   []seat
}

// seat is one source in one cell for a while.
type seat struct {
	source, cell int
	from, to     time.Duration
}

// cell holds the sources that were given it and are still there, the one that is shown last, and since when it is.
type cell struct {
	stack []int
	since time.Duration
}

// none gives each source a fresh cell for its whole life, as long as there are any.
func (s *seating) none(chosen []int) {
	for i, source := range chosen[:min(len(chosen), len(s.cells))] {
		s.seats = append(s.seats, seat{source, i, s.sources[source].Start, s.sources[source].End})
	}
}

// oldest gives each source the first cell that is fresh or idle. When there is none the source waits; a cell that falls
// idle goes to the source that has waited longest, which is then shown from there on.
func (s *seating) oldest(chosen []int) {
	free := make([]time.Duration, len(s.cells)) // when the cell's source ends
	for i := range free {
		free[i] = -1 << 63 // fresh
	}
	for _, source := range chosen {
		// Sources come by start, so whoever waits before this one has already been given a cell or has given up.
		from := s.sources[source].Start
		at := slices.IndexFunc(free, func(end time.Duration) bool { return end <= from })
		if at < 0 {
			from = slices.Min(free)
			at = slices.Index(free, from)
		}
		if end := s.sources[source].End; from < end {
			s.seats = append(s.seats, seat{source, at, from, end})
			free[at] = end
		}
	}
}

// newest gives each source the first cell that is fresh or idle. When there is none the source covers the one, among
// those shown, that ends first. What it covers is shown there again when it ends, if that lasts longer.
func (s *seating) newest(chosen []int) {
	for _, source := range chosen {
		now := s.sources[source].Start
		s.leave(now)
		at := slices.IndexFunc(s.cells, func(c cell) bool { return len(c.stack) == 0 })
		if at < 0 {
			at = 0
			for i := range s.cells {
				if s.sources[s.shown(i)].End < s.sources[s.shown(at)].End {
					at = i
				}
			}
			s.show(at, now)
		}
		c := &s.cells[at]
		c.stack, c.since = append(c.stack, source), now
	}
	s.leave(1<<63 - 1)
}

// leave takes away what ends until now, in every cell.
func (s *seating) leave(now time.Duration) {
	for i := range s.cells {
		c := &s.cells[i]
		for len(c.stack) > 0 && s.sources[s.shown(i)].End <= now {
			end := max(c.since, s.sources[s.shown(i)].End)
			s.show(i, end)
			c.stack, c.since = c.stack[:len(c.stack)-1], end
		}
	}
}

// shown is the source that is seen in a cell that is used.
func (s *seating) shown(i int) int { return s.cells[i].stack[len(s.cells[i].stack)-1] }

// show notes that what a cell shows was seen there until now.
func (s *seating) show(i int, now time.Duration) {
	if c := s.cells[i]; c.since < now {
		s.seats = append(s.seats, seat{s.shown(i), i, c.since, now})
	}
}
