package protocol

import "testing"

// A change of size between two children is seen by neither, and counts.
func TestTrackStats_CountsChangesBetweenChildren(t *testing.T) {
	small, large := FrameSize{Width: 320, Height: 180}, FrameSize{Width: 640, Height: 360}
	for name, test := range map[string]struct {
		children []TrackStats
		sizes    int
	}{
		"none":           {[]TrackStats{{Seen: []FrameSize{small}}, {}, {Seen: []FrameSize{small}}}, 0},
		"within":         {[]TrackStats{{Seen: []FrameSize{small, large}, Sizes: 1}, {Seen: []FrameSize{large}}}, 1},
		"at the border":  {[]TrackStats{{Seen: []FrameSize{small}}, {Seen: []FrameSize{large}}}, 1},
		"both":           {[]TrackStats{{Seen: []FrameSize{small}}, {Seen: []FrameSize{large, small}, Sizes: 1}, {Seen: []FrameSize{large}}}, 3},
		"begins with it": {[]TrackStats{{}, {Seen: []FrameSize{small}}}, 0},
	} {
		var sum TrackStats
		for _, child := range test.children {
			sum.Add(child)
		}
		if sum.Sizes != test.sizes || len(sum.Seen) != test.sizes+1 {
			t.Errorf("%s: %d changes, sizes %v", name, sum.Sizes, sum.Seen)
		}
	}
}
