package video

import (
	"bytes"
	"testing"
	"time"

	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
)

// still makes a still picture of frame n of a plan.
func still(t *testing.T, plan protocol.VideoPlan, n int, packets []protocol.Packet) ([]byte, protocol.TrackStats) {
	t.Helper()
	plan.Chunks = []protocol.Chunk{{From: n, To: n + 1}}
	plan.Encoder = protocol.Encoder{Codec: protocol.Unencoded, Threads: 2}
	p := &parent{packets: packets}
	stats, err := Run(plan, p)
	if err != nil {
		t.Fatal(err)
	}
	return p.out[0].Data, stats.Tracks[0]
}

// Frames that no other needs are not decoded before the time from which frames are shown. The still picture is the same.
func TestRun_StillSkipsFramesThatNoOtherNeeds(t *testing.T) {
	codectest.NoLeaks(t)
	for name, test := range map[string]struct {
		output  string
		skipped int // of 45 frames, at least
	}{
		"vp8_layers":    {vp8 + " -error-resilient 1 -ts-parameters ts_number_layers=2:ts_target_bitrate=800,2000:ts_rate_decimator=2,1:ts_periodicity=2:ts_layer_id=0,1:ts_layering_mode=2", 15},
		"h264_b_frames": {"-c:v libx264 -crf 6 -bf 2 -b_strategy 0 -x264-params b-pyramid=none:scenecut=0", 15},
		"vp8":           {vp8, 0},
	} {
		t.Run(name, func(t *testing.T) {
			plan := onePlan(50)
			packets := add(&plan, footage(t, 64, 48, "30", 2, test.output), 0)
			whole, all := still(t, plan, 49, packets)
			plan.Tracks[0].ShownFrom = 1500 * time.Millisecond
			less, some := still(t, plan, 49, packets)
			if !bytes.Equal(whole, less) {
				t.Error("the frames differ")
			}
			if all.Decoded-some.Decoded < test.skipped || some.Errors > 0 {
				t.Errorf("%d of %d frames were decoded, %d errors", some.Decoded, all.Decoded, some.Errors)
			}
		})
	}
}
