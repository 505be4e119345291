package plan

import (
	"time"

	"roomreel/internal/timeline"
)

const (
	shortestBeside = 500 * time.Millisecond // gaps that are shorter are no trace of a stall
	mostBeside     = 16                     // recordings of a participant that are asked for gaps
)

// gapsBeside returns a function that finds the gaps in the other recordings of track t's participant, in track t's own time. When a
// machine stalls, its camera stalls with its microphone, and the timestamps of video are those of a clock. Each index is read
// once.
func gapsBeside(tracks []Track, indexes Indexes) func(t int) ([]timeline.Span, error) {
	known := map[int][]timeline.Span{}
	find := func(t int) ([]timeline.Span, error) {
		if gaps, ok := known[t]; ok {
			return gaps, nil
		}
		x, err := indexes(t)
		if err != nil {
			return nil, err
		}
		gaps := gapFinder{least: shortestBeside}
		for p, err := range x.Packets(0, x.Count()) {
			if err != nil {
				return nil, err
			}
			gaps.add(p.Time, p.Need)
			if len(gaps.ahead) == 0 {
				gaps.latest = max(gaps.latest, p.Time+p.Duration)
			}
		}
		gaps.flush()
		known[t] = gaps.found
		return gaps.found, nil
	}
	return func(t int) ([]timeline.Span, error) {
		var all []timeline.Span
		asked := 0
		for other, track := range tracks {
			before := tracks[t].Offset - track.Offset
			overlaps := before < track.Length && track.Offset-tracks[t].Offset < tracks[t].Length
			if other == t || track.Participant == "" || track.Participant != tracks[t].Participant || !overlaps || asked == mostBeside {
				continue
			}
			asked++
			gaps, err := find(other)
			if err != nil {
				return nil, err
			}
			for _, gap := range gaps {
				if at := gap.Start - before; at > 0 && at < tracks[t].Length {
					all = append(all, timeline.Span{Start: at, End: gap.End - before})
				}
			}
		}
		return all, nil
	}
}
