package layout

import "slices"

// Matches returns the indexes of the sources that any region selects, in ascending order. It needs no times: the film's
// time line is made of these sources, before there are any.
func (l Layout) Matches(sources []Source) []int {
	var chosen []int
	for _, r := range l.Regions {
		chosen = append(chosen, Select(sources, r.VideoSources, r.VideoSourcesExcluded)...)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}
