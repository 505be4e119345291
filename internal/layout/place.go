package layout

import (
	"cmp"
	"slices"
	"time"
)

// Place returns which source is in which rectangle from when to when.
//
// Placements are sorted by From, then by [DrawOrder]. Each lies within its source's [Start, End) and is not empty; a
// placement that continues is not split. Rectangles lie inside the canvas rounded down to even. Their positions and sizes
// are even, and they are at least 2x2. In a region, a cell shows one source at a time and a source is in one cell at a
// time. The same source may be in several regions.
//
// Sources are assigned to cells by Start, then in the order given. Sources whose End is not after their Start are ignored.
// The grid of a region does not change during the film.
func (l Layout) Place(sources []Source) []Placement {
	var all []Placement
	for number, r := range l.Regions {
		all = append(all, r.placements(number, l.Canvas, sources)...)
	}
	slices.SortStableFunc(all, func(a, b Placement) int {
		return cmp.Or(cmp.Compare(a.From, b.From), DrawOrder(a, b))
	})
	return all
}

// DrawOrder compares two placements by the order in which they are drawn: it is negative when a is drawn before b, so that
// b covers a. The order is by Z, then by region, then by cell.
func DrawOrder(a, b Placement) int {
	return cmp.Or(cmp.Compare(a.Z, b.Z), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Cell, b.Cell))
}

// placements returns the placements of one region, in no particular order.
func (r Region) placements(number int, canvas Size, sources []Source) []Placement {
	var selected []int
	for _, i := range Select(sources, r.VideoSources, r.VideoSourcesExcluded) {
		if sources[i].Start < sources[i].End {
			selected = append(selected, i)
		}
	}
	n := len(selected)
	if r.Reuse != ReuseNone {
		n = mostAtOnce(sources, selected)
	}
	rects := r.cells(canvas, n)
	if len(rects) == 0 {
		return nil
	}
	slices.SortStableFunc(selected, func(a, b int) int { return cmp.Compare(sources[a].Start, sources[b].Start) })

	assigner := cellAssigner{sources: sources, cells: make([]cell, len(rects))}
	for i := range assigner.cells {
		assigner.cells[i].latest = -1
	}
	switch r.Reuse {
	case ReuseNone:
		assigner.assignOnce(selected)
	case ShowNewest:
		assigner.assignNewest(selected)
	default:
		assigner.assignOldest(selected)
	}
	placements := make([]Placement, 0, len(assigner.assigned))
	for _, a := range assigner.assigned {
		placements = append(placements, Placement{
			Source: a.source, From: a.from, To: a.to,
			Rect: rects[a.cell], Z: r.Z, Region: number, Cell: a.cell,
		})
	}
	return placements
}

// mostAtOnce returns the largest number of selected sources that exist at the same time. A source that ends when another
// starts does not overlap it.
func mostAtOnce(sources []Source, selected []int) int {
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	for _, i := range selected {
		changes = append(changes, change{sources[i].Start, 1}, change{sources[i].End, -1})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	now, most := 0, 0
	for _, c := range changes {
		now += c.by
		most = max(most, now)
	}
	return most
}
