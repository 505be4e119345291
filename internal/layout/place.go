package layout

import (
	"cmp"
	"slices"
	"time"
)

// Place returns who is in which rectangle from when to when.
//
// Placements are sorted by From, then as they are drawn (see [Under]): by Z, then by the region's place in the request,
// then by cell. Each lies within its source's [Start, End) and lasts; one that goes on is not cut in two. Rectangles lie
// inside the canvas rounded down to even and are even-sized, even-placed and at least 2x2. In a region, a cell shows one
// source at a time and a source is in one cell at a time; the same source may be in several regions.
//
// Sources are taken by Start, then in the order given; those that end when they start or before are left out. The grid
// of a region does not change during the film.
func (l Layout) Place(sources []Source) []Placement {
	var all []Placement
	for number, r := range l.Regions {
		all = append(all, r.place(number, l.Canvas, sources)...)
	}
	slices.SortStableFunc(all, func(a, b Placement) int {
		return cmp.Or(cmp.Compare(a.From, b.From), Under(a, b))
	})
	return all
}

// Under compares two placements by the order in which they are drawn: negative when a lies below b. To draw an instant,
// sort what is there by it.
func Under(a, b Placement) int {
	return cmp.Or(cmp.Compare(a.Z, b.Z), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Cell, b.Cell))
}

// place returns the placements of one region, in no particular order.
func (r Region) place(number int, canvas Size, sources []Source) []Placement {
	var chosen []int
	for _, i := range Select(sources, r.VideoSources, r.VideoSourcesExcluded) {
		if sources[i].Start < sources[i].End {
			chosen = append(chosen, i)
		}
	}
	n := len(chosen)
	if r.Reuse != ReuseNone {
		n = together(sources, chosen)
	}
	rects := r.cells(canvas, n)
	if len(rects) == 0 {
		return nil
	}
	slices.SortStableFunc(chosen, func(a, b int) int { return cmp.Compare(sources[a].Start, sources[b].Start) })

	s := seating{sources: sources, cells: make([]cell, len(rects))}
	switch r.Reuse {
	case ReuseNone:
		s.none(chosen)
	case ShowNewest:
		s.newest(chosen)
	default:
		s.oldest(chosen)
	}
	placements := make([]Placement, 0, len(s.seats))
	for _, seat := range s.seats {
		placements = append(placements, Placement{
			Source: seat.source, From: seat.from, To: seat.to,
			Rect: rects[seat.cell], Z: r.Z, Region: number, Cell: seat.cell,
		})
	}
	return placements
}

// together returns how many of the chosen sources are there at once, at most. One that ends as another starts is gone.
func together(sources []Source, chosen []int) int {
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	for _, i := range chosen {
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
