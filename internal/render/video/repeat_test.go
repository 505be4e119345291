package video

import (
	"bytes"
	"fmt"
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
		{"implicit_weights", "bframes=7:b-adapt=0:weightp=0:scenecut=0", 45, 160, "5"},
		{"four_references", "bframes=5:b-adapt=0:weightb=0:weightp=0:scenecut=0:ref=4", 100, 500, "5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const frames = 320
			plan := onePlan(frames)
			plan.Encoder = protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "superfast", "qp": "12", "x264-params": test.params}, GOP: test.gop, Repeat: true}
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

// Brightness that changes evenly is exact after frames that were repeated: B-frames weigh their references by distances, which must be
// those that the encoder knew.
func TestRun_FadesAfterRepeatedFrames(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(100)
	plan.Encoder = protocol.Encoder{
		Codec: "h264", Options: map[string]string{"preset": "superfast", "qp": "23", "x264-params": "pbratio=3:bframes=7:b-adapt=0:weightb=1:weightp=0:scenecut=0"},
		GOP: 1000, Repeat: true,
	}
	packets := add(&plan, codectest.Make(t, "-f lavfi -i color=black:s=64x48:r=25:d=4,format=yuv420p,geq=lum='20+2*N':cb=128:cr=128 -c:v libx264 -crf 4 -g 1"), 0)
	f := compose(t, plan, append(packets[:20:20], packets[30:]...))
	for n := range f.frames {
		want := 20 + 2*n
		if n >= 20 && n < 30 {
			want = 20 + 2*19
		}
		if got := int(f.luma(n, 64, 48)); got < want-2 || got > want+2 {
			t.Errorf("frame %d is %d, want %d", n, got, want)
		}
	}
}

// A source that sends the same frame again and again costs no encoding.
func TestRun_RepeatsWhatIsSentAgain(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(200)
	plan.Encoder = protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "superfast", "qp": "12", "x264-params": "bframes=7:weightp=0"}, GOP: 100, Repeat: true}
	plan.Chunks = []protocol.Chunk{{From: 0, To: 200}}
	f := compose(t, plan, add(&plan, codectest.Make(t, "-f lavfi -i color=gray:s=64x48:r=25:d=4,format=yuv420p -f lavfi -i color=white:s=64x48:r=25:d=4 -filter_complex concat -c:v libx264 -qp 0"), 0))
	coded := 0
	for n, p := range f.parent.out {
		if len(p.Data) > 24 {
			coded++
		}
		want := uint8(126)
		if n >= 100 {
			want = 235
		}
		if got := f.luma(n, 64, 48); !near(got, want) {
			t.Errorf("frame %d is %d, want %d", n, got, want)
		}
	}
	if coded > 20 { // one of 17, and two keyframes
		t.Errorf("%d frames were encoded", coded)
	}
}

// Films of plans of versions 1 to 3 are as they were: their streams have one PPS, and every frame is encoded.
func TestRun_RepeatsNothingInEarlierPlans(t *testing.T) {
	codectest.NoLeaks(t)
	packets := func(plan *protocol.VideoPlan) []protocol.Packet {
		return add(plan, codectest.Make(t, "-f lavfi -i color=gray:s=64x48:r=25:d=1 -c:v libvpx"), 0)
	}
	for name, options := range map[string]map[string]string{
		"draft":    {"preset": "ultrafast", "crf": "24", "x264-params": "cabac=1:mbtree=1:rc-lookahead=10:aq-mode=2"},
		"standard": {"preset": "superfast", "crf": "24", "x264-params": "mbtree=1:rc-lookahead=20:bframes=3:b-adapt=0:weightp=0:scenecut=0:aq-mode=2"},
		"archive":  {"preset": "medium", "crf": "22"},
		"now":      {"preset": "superfast", "qp": "23", "x264-params": "bframes=7:b-adapt=0:weightp=0:scenecut=0"},
	} {
		plan := onePlan(40)
		plan.Encoder = protocol.Encoder{Codec: "h264", Options: options, GOP: 100, Repeat: name == "now"}
		f := compose(t, plan, packets(&plan))
		want := 1
		if name == "now" {
			want = 2
		}
		if got := bytes.Count(f.parent.header.Private, []byte{0, 0, 1, 0x68}); got != want {
			t.Errorf("%s: %d parameter sets of frames, want %d", name, got, want)
		}
	}
}

// What stands still beside something that moves stays as it was for a minute: no error of the encoder grows, and none stays that was
// made while it moved. The options are those of plan's standard films.
func TestRun_KeepsWhatStandsStill(t *testing.T) {
	codectest.NoLeaks(t)
	const seconds = 60
	for _, encoder := range []protocol.Encoder{
		{Codec: "h264", Options: map[string]string{"preset": "superfast", "qp": "23", "x264-params": "ipratio=1.4:pbratio=3:bframes=7:b-adapt=0:weightp=0:scenecut=0"}, GOP: 100, Repeat: true},
		{Codec: "vp8", Options: map[string]string{"deadline": "realtime", "cpu-used": "-6", "static-thresh": "100", "qmax": "40"}, Bitrate: 200_000, GOP: 100},
	} {
		t.Run(encoder.Codec, func(t *testing.T) {
			still := codectest.Make(t, "-f lavfi -i testsrc2=s=80x60:r=25:d=1 -c:v libx264 -crf 1 -pix_fmt yuv420p -bf 0")
			moving := codectest.Make(t, fmt.Sprintf("-f lavfi -i testsrc2=s=80x60:r=12.5:d=%d -c:v libvpx -b:v 1M", seconds))
			plan := protocol.VideoPlan{
				Width: 160, Height: 60, FPS: 25, Encoder: encoder,
				Scenes: []protocol.Scene{{Cells: []protocol.Cell{{Track: 0, W: 80, H: 60}, {Track: 1, X: 80, W: 80, H: 60}}}},
			}
			for from := 0; from < 25*seconds; from += 500 {
				plan.Chunks = append(plan.Chunks, protocol.Chunk{From: from, To: from + 500})
			}
			f := compose(t, plan, merge(add(&plan, still, 0), add(&plan, moving, 0)))
			var original film
			for i := range still.Packets {
				still.Packets[i].Time = time.Duration(i)
			}
			original.decode(t, still)
			want := original.frames[len(original.frames)-1]
			for n := 26; n < len(f.frames); n += 23 {
				sum, worst := 0, 0
				for y := range 60 {
					for x := range 80 {
						a, _, _ := want.At(x, y)
						d := int(max(a, f.luma(n, x, y)) - min(a, f.luma(n, x, y)))
						sum, worst = sum+d, max(worst, d)
					}
				}
				if mean := float64(sum) / (80 * 60); mean > 1 || worst > 16 {
					t.Fatalf("frame %d: what stands still differs by %.2f, and by %d at most", n, mean, worst)
				}
			}
		})
	}
}
