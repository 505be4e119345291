package video

import (
	"testing"
	"time"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// What shows the same as the frame before is not encoded again: it is that frame, to the bit, whatever comes before and after it.
func TestRun_RepeatsFramesThatShowTheSame(t *testing.T) {
	codectest.NoLeaks(t)
	for _, test := range []struct {
		name, params string
		gop, chunk   int
		fps          string // of the camera; the film has 25
	}{
		{"seven_b_frames", "bframes=7:b-adapt=0:weightb=0:weightp=0:scenecut=0", 100, 500, "25"},
		{"keyframes_in_holds", "bframes=7:b-adapt=0:weightb=0:weightp=0:scenecut=0", 30, 500, "25"},
		{"chunks_in_holds", "bframes=7:b-adapt=0:weightb=0:weightp=0:scenecut=0", 100, 77, "25"},
		{"every_other_frame", "bframes=7:b-adapt=0:weightb=0:weightp=0:scenecut=0", 45, 160, "12.5"},
		{"seldom", "bframes=3:b-adapt=0:weightb=0:weightp=0:scenecut=0:b-pyramid=none", 100, 500, "1"},
		{"four_references", "bframes=5:b-adapt=0:weightb=0:weightp=0:scenecut=0:ref=4", 100, 500, "5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const frames = 320
			plan := onePlan(frames)
			plan.Encoder = protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "superfast", "qp": "12", "x264-params": test.params}, GOP: test.gop}
			plan.Chunks = nil
			for from := 0; from < frames; from += test.chunk {
				plan.Chunks = append(plan.Chunks, protocol.Chunk{From: from, To: min(from+test.chunk, frames)})
			}
			packets := add(&plan, footage(t, 64, 48, test.fps, 13, intra), 0)
			var shown []protocol.Packet
			for _, p := range packets {
				if p.Time < 2*time.Second || p.Time > 6500*time.Millisecond { // then it is held for 4.5 s
					shown = append(shown, p)
				}
			}
			f := compose(t, plan, shown)
			small, chunk := 0, 0
			for n := range f.frames {
				if n == plan.Chunks[chunk].To {
					chunk++
				}
				k, at := 0, time.Duration(n)*40*time.Millisecond
				for i, p := range shown {
					if p.Time <= at {
						k = i
					}
				}
				for i, p := range packets {
					if p.Time == shown[k].Time {
						k = i
						break
					}
				}
				if got := f.luma(n, 64, 48); !near(got, level(k)) {
					t.Errorf("frame %d is %d, want %d", n, got, level(k))
				}
			}
			keys := 0
			for _, p := range f.parent.out {
				if len(p.Data) < 24 {
					small++
				}
				if p.Key {
					keys++
				}
			}
			if small < 90 {
				t.Errorf("%d frames of %d were repeated", small, frames)
			}
			if want := frames / test.gop; keys < want {
				t.Errorf("%d keyframes, want %d", keys, want)
			}
		})
	}
}

