package video

import (
	"testing"
	"time"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// addPart adds a recording as the next part of the plan's only track, from a time on.
func addPart(plan *protocol.VideoPlan, track codectest.Track, start time.Duration) []protocol.Packet {
	var alone protocol.VideoPlan
	packets := add(&alone, track, start)
	plan.Tracks[0].Parts = append(plan.Tracks[0].Parts, alone.Tracks[0])
	for i := range packets {
		packets[i].Part = len(plan.Tracks[0].Parts)
	}
	return packets
}

// Each part of a track is decoded with its own headers. The last frame of a part stays until the next part has a keyframe: it is not
// decoded with what the decoder of the part before remembers. Frames that a decoder holds back at the end of a part are shown at
// their time.
func TestRun_DecodesEachPartByItself(t *testing.T) {
	codectest.NoLeaks(t)
	const second = time.Second
	for name, test := range map[string]struct {
		first, later string
		lost         int // packets at the beginning of the second part
		from         int // frame of the second part with its next keyframe
	}{
		"vp8":                 {vp8, vp8, 0, 0},
		"vp8_without_key":     {vp8, "-c:v libvpx -b:v 2M -g 10 -keyint_min 10", 1, 10},
		"vp9_without_key":     {"-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -deadline realtime", "-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -deadline realtime -g 10 -keyint_min 10", 1, 10},
		"h264":                {x264, x264, 0, 0},
		"h264_without_key":    {x264 + " -g 1000", x264 + " -g 10", 1, 10},
		"vp8_to_h264":         {vp8, x264, 0, 0},
		"h264_to_vp9":         {x264, "-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -deadline realtime", 0, 0},
		"other_size_same_sps": {"-c:v libx264 -crf 6 -profile:v baseline", "-c:v libx264 -crf 6 -profile:v main -bf 2", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			first, later := footage(t, 64, 48, "25", 1, test.first), footage(t, 128, 96, "25", 1, test.later)
			plan := onePlan(50)
			packets := add(&plan, first, 0)
			second := addPart(&plan, later, second)
			packets = append(packets, second[test.lost:]...)
			f := compose(t, plan, packets)
			for n := range f.frames {
				want := level(n)
				if n >= 25 {
					want = level(n - 25)
				}
				if n >= 25 && n < 25+test.from {
					want = level(24)
				}
				if got := f.luma(n, 64, 48); !near(got, want) {
					t.Errorf("frame %d is %d, want %d", n, got, want)
				}
			}
		})
	}
}

// A frame is shown as the headers of its own part say, also while the next part has no frame yet.
func TestRun_ShowsFramesAsTheirPartSays(t *testing.T) {
	codectest.NoLeaks(t)
	track := codectest.Make(t, "-f lavfi -i color=black:s=64x48:r=25:d=1,format=yuv420p,geq=lum='if(lt(X\\,32)\\,200\\,60)':cb=128:cr=128 "+vp8)
	plan := onePlan(50)
	packets := add(&plan, track, 0)
	later := addPart(&plan, track, time.Second)
	plan.Tracks[0].Parts[0].Display.Mirror = true
	f := compose(t, plan, append(packets, later...))
	for n := range f.frames {
		left, right := f.luma(n, 20, 48), f.luma(n, 108, 48)
		if (left > right) != (n < 25) {
			t.Errorf("frame %d is %d at the left and %d at the right", n, left, right)
		}
	}
}

// A packet of a part that the plan does not have is refused, and harms nothing else.
func TestRun_RefusesAPartThatIsNotThere(t *testing.T) {
	codectest.NoLeaks(t)
	track := footage(t, 64, 48, "25", 1, vp8)
	plan := onePlan(25)
	packets := add(&plan, track, 0)
	packets[20].Part = 1
	f := compose(t, plan, packets)
	if s := f.stats.Tracks[0]; s.Decoded < 20 || s.Errors == 0 || s.Refusal != "the track has no part 1" {
		t.Errorf("stats: %+v", s)
	}
}
