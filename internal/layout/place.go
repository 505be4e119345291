package layout

// Place returns who is where at what time.
func (l Layout) Place(sources []Source) []Placement {
	var out []Placement
	for _, r := range l.Regions {
		for _, i := range Select(sources, r.VideoSources, r.VideoSourcesExcluded) {
			out = append(out, Placement{Source: i, From: sources[i].Start, To: sources[i].End, Rect: Rect{0, 0, l.Canvas.W &^ 1, l.Canvas.H &^ 1}})
		}
	}
	return out
}
