package layout

import (
	"slices"
	"time"
)

// A cellAssigner assigns the sources of one region to its cells, as the region's reuse rule says. A cell is free when it
// has shown no source yet or when the source that it showed has ended.
type cellAssigner struct {
	sources  []Source
	cells    []cell
	assigned []assignment
}

// An assignment is one source in one cell for a time.
type assignment struct {
	source, cell int
	from, to     time.Duration
}

// A cell is a stack of sources that have not ended. The top one is shown, since the given time. Only assignNewest uses these.
type cell struct {
	stack []int
	since time.Duration

	latest int // the source that the cell was given last; -1 for none
}

// assignOnce gives each source a cell of its own. When no cell is left, the remaining sources are not shown.
func (a *cellAssigner) assignOnce(selected []int) {
	for i, source := range selected[:min(len(selected), len(a.cells))] {
		a.assigned = append(a.assigned, assignment{source, i, a.sources[source].Start, a.sources[source].End})
	}
}

// assignOldest gives each source a free cell. When no cell is free, the source waits, and the next cell that becomes free goes
// to the source that has waited longest. That source is shown from then on.
func (a *cellAssigner) assignOldest(selected []int) {
	free := make([]time.Duration, len(a.cells)) // when each cell becomes free
	for i := range free {
		free[i] = -1 << 63
	}
	for _, source := range selected {
		// Sources are sorted by start, so every earlier source has its cell already or ended while it waited.
		from := max(a.sources[source].Start, slices.Min(free))
		if end := a.sources[source].End; from < end {
			at := a.freeCell(source, func(i int) bool { return free[i] <= from })
			a.assigned = append(a.assigned, assignment{source, at, from, end})
			a.cells[at].latest = source
			free[at] = end
		}
	}
}

// freeCell returns the free cell that a source is given, -1 when none is free: the one in which its participant was last, so that
// who returns is where they were; of several the one of a track with the same name, and else the first.
func (a *cellAssigner) freeCell(source int, free func(i int) bool) int {
	best, most := -1, -1
	for i, c := range a.cells {
		if !free(i) {
			continue
		}
		likeness := 0
		if s := a.sources[source]; s.Participant != "" && c.latest >= 0 && a.sources[c.latest].Participant == s.Participant {
			likeness = 1
			if a.sources[c.latest].Name == s.Name {
				likeness = 2
			}
		}
		if likeness > most {
			best, most = i, likeness
		}
	}
	return best
}

// assignNewest gives each source a free cell. When no cell is free, the source covers the shown source that ends
// first. A covered source that has not ended is shown again when the source above it ends.
func (a *cellAssigner) assignNewest(selected []int) {
	for _, source := range selected {
		now := a.sources[source].Start
		a.removeEnded(now)
		at := a.freeCell(source, func(i int) bool { return len(a.cells[i].stack) == 0 })
		if at < 0 {
			at = 0
			for i := range a.cells {
				if a.sources[a.top(i)].End < a.sources[a.top(at)].End {
					at = i
				}
			}
			a.record(at, now)
		}
		c := &a.cells[at]
		c.stack, c.since = append(c.stack, source), now
		c.latest = source
	}
	a.removeEnded(1<<63 - 1)
}

// removeEnded removes the top sources that end at or before now from every cell, and records when they were shown.
func (a *cellAssigner) removeEnded(now time.Duration) {
	for i := range a.cells {
		c := &a.cells[i]
		for len(c.stack) > 0 && a.sources[a.top(i)].End <= now {
			end := max(c.since, a.sources[a.top(i)].End)
			a.record(i, end)
			c.stack, c.since = c.stack[:len(c.stack)-1], end
		}
	}
}

// top is the source that cell i shows. The cell must not be free.
func (a *cellAssigner) top(i int) int { return a.cells[i].stack[len(a.cells[i].stack)-1] }

// record adds an assignment: cell i showed its top source until now.
func (a *cellAssigner) record(i int, now time.Duration) {
	if c := a.cells[i]; c.since < now {
		a.assigned = append(a.assigned, assignment{a.top(i), i, c.since, now})
	}
}
