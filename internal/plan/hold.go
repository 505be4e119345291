package plan

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"roomreel/internal/layout"
	"roomreel/internal/timeline"
)

// maxGapCells bounds the cells that gaps add to the scenes of a film, about 45 bytes each: a gap makes two scenes, which list all
// cells that are shown then. Of more gaps, the longest are shown.
const maxGapCells = 500_000

// hold takes tracks out of their cells while they send nothing: from Options.Hold after a packet until the next one. The cells
// stay empty, and what lies underneath is visible.
func (v *videoPlanner) hold(placements []layout.Placement) []layout.Placement {
	most := 1 // cells of a scene
	for _, scene := range scenes(placements, v.FPS, v.Frames) {
		most = max(most, len(scene.Cells))
	}
	v.keepLongestGaps(maxGapCells / (2 * most))
	for t, times := range v.times {
		for _, gap := range times.gaps {
			v.Tracks[t].CameraOff++
			v.Tracks[t].OffTime += gap.End - gap.Start
		}
	}
	var shown []layout.Placement
	for _, at := range placements {
		gaps := v.times[at.Source].gaps
		i := sort.Search(len(gaps), func(i int) bool { return gaps[i].End > at.From })
		for ; i < len(gaps) && gaps[i].Start+v.opts.Hold < at.To; i++ {
			before := at
			before.To = gaps[i].Start + v.opts.Hold
			if before.From < before.To {
				shown = append(shown, before)
			}
			at.From = gaps[i].End
		}
		if at.From < at.To {
			shown = append(shown, at)
		}
	}
	return shown
}

func (v *videoPlanner) keepLongestGaps(count int) {
	type gap struct {
		track int
		timeline.Span
	}
	var all []gap
	for t, times := range v.times {
		for _, span := range times.gaps {
			all = append(all, gap{t, span})
		}
	}
	if len(all) <= count {
		return
	}
	slices.SortFunc(all, func(a, b gap) int {
		return cmp.Or(cmp.Compare(b.End-b.Start, a.End-a.Start), cmp.Compare(a.track, b.track), cmp.Compare(a.Start, b.Start))
	})
	kept := map[gap]bool{}
	for _, longest := range all[:count] {
		kept[longest] = true
	}
	for t, times := range v.times {
		times.gaps = slices.DeleteFunc(times.gaps, func(span timeline.Span) bool { return !kept[gap{t, span}] })
	}
}

// framesBetweenGaps is how many frames a camera sends between two times that it is off, on average, or more.
const framesBetweenGaps = 10

// screenNames are what applications call tracks of shared screens.
var screenNames = []string{"screen", "desktop", "display", "presentation", "slide", "share"}

// keepsLastFrame reports whether a track shows its last frame until the next, however long that takes: a shared screen.
// Recorders write no frames of a screen that does not change, which looks like a camera that is off. A screen is told by the
// name of its track, or by sending a few frames at a time.
func keepsLastFrame(name string, packets, gaps int) bool {
	name = strings.ToLower(name)
	return packets < framesBetweenGaps*(gaps+1) || slices.ContainsFunc(screenNames, func(word string) bool { return strings.Contains(name, word) })
}

// gapFinder finds the times in which a track sends nothing.
type gapFinder struct {
	least  time.Duration // gaps that are longer are found; 0: none
	found  []timeline.Span
	latest time.Duration   // of all packets that are in order
	ahead  []time.Duration // times of packets before which others still come; ascending
}

// maxAhead is how many packets frames are reordered by at most: more than any codec does.
const maxAhead = 64

// add takes the time of the next packet in file order. need is the earliest of it and all that follow.
func (g *gapFinder) add(at, need time.Duration) {
	if len(g.ahead) == 0 && at <= need {
		g.reach(at)
		return
	}
	i, _ := slices.BinarySearch(g.ahead, at)
	g.ahead = slices.Insert(g.ahead, i, at)
	n := 0
	for n < len(g.ahead) && (g.ahead[n] <= need || len(g.ahead)-n > maxAhead) {
		g.reach(g.ahead[n])
		n++
	}
	g.ahead = slices.Delete(g.ahead, 0, n)
}

// flush says that no packet follows.
func (g *gapFinder) flush() {
	for _, at := range g.ahead {
		g.reach(at)
	}
	g.ahead = nil
}

// reach says that nothing was sent between the latest packet and the given time.
func (g *gapFinder) reach(at time.Duration) {
	if g.least > 0 && at-g.latest > g.least {
		g.found = append(g.found, timeline.Span{Start: g.latest, End: at})
	}
	g.latest = max(g.latest, at)
}
