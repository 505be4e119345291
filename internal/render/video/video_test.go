package video

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roomreel/internal/codec"
	"roomreel/internal/codec/codectest"
	"roomreel/internal/render/protocol"
	"roomreel/internal/timeline"
)

// steps is a source whose frame k is a grey field of brightness level(k).
const steps = "-f lavfi -i color=black:s=%dx%d:r=%s:d=%g,format=yuv420p,geq=lum='30+22*mod(N\\,9)':cb=128:cr=128 "

func level(k int) uint8 { return uint8(30 + 22*(k%9)) }

func footage(t testing.TB, w, h int, fps string, seconds float64, output string) codectest.Track {
	t.Helper()
	return codectest.Make(t, fmt.Sprintf(steps, w, h, fps, seconds)+output)
}

const (
	vp8   = "-c:v libvpx -b:v 2M -g 1000"
	intra = "-c:v libvpx -b:v 2M -g 1"
	av1   = "-c:v libaom-av1 -cpu-used 8 -usage realtime -crf 10 -b:v 0 -g 1000"
	hevc  = "-c:v libx265 -preset ultrafast -crf 6 -x265-params log-level=0:bframes=3:b-adapt=0:scenecut=0"
	x264  = "-c:v libx264 -crf 6 -bf 3 -b_strategy 0 -x264-params b-pyramid=normal:scenecut=0"
)

func onePlan(frames int) protocol.VideoPlan {
	return protocol.VideoPlan{
		Width: 128, Height: 96, FPS: 25, Encoder: sharp,
		Scenes: []protocol.Scene{{Cells: []protocol.Cell{{Track: 0, X: 0, Y: 0, W: 128, H: 96}}}},
		Chunks: []protocol.Chunk{{From: 0, To: frames}},
	}
}

func TestRun_ShowsTheNewestFrameAtEveryTime(t *testing.T) {
	codectest.NoLeaks(t)
	for _, test := range []struct {
		name, fps, output string
		to                int
		start             time.Duration
	}{
		{"vp8_30", "30", vp8, 25, 0},
		{"vp8_30_late", "30", vp8, 25, 137 * time.Millisecond},
		{"vp8_7_into_24", "7", vp8, 24, 20 * time.Millisecond},
		{"vp9_30", "30", "-c:v libvpx-vp9 -b:v 2M -cpu-used 8 -deadline realtime", 25, 0},
		{"h264_b_frames_30", "30", x264, 25, 0},
		{"h264_b_frames_10", "10", x264, 25, 55 * time.Millisecond},
		{"av1_30", "30", av1, 25, 0},
		{"av1_hidden_frames", "30", "-c:v libaom-av1 -cpu-used 6 -crf 10 -b:v 0 -lag-in-frames 19", 25, 0},
		{"hevc_30", "30", hevc + ":bframes=0", 25, 0},
		{"hevc_b_frames_30", "30", hevc, 25, 0},
		{"hevc_b_frames_10", "10", hevc, 25, 55 * time.Millisecond},
		{"hevc_open_gop", "30", hevc + ":keyint=12:min-keyint=12:open-gop=1:bframes=4", 25, 0},
		{"before_the_film", "30", vp8, 25, -333 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			track := footage(t, 64, 48, test.fps, 1.5, test.output)
			plan := onePlan(40)
			plan.FPS = test.to
			f := compose(t, plan, add(&plan, track, test.start))
			times := presented(track)
			for n := range f.frames {
				at, want := timeline.FrameTime(n, test.to), uint8(16)
				for k, time := range times {
					if time+test.start <= at {
						want = level(k)
					}
				}
				if got := f.luma(n, 64, 48); !near(got, want) {
					t.Errorf("frame %d is %d, want %d", n, got, want)
				}
			}
		})
	}
}

// presented returns when a track's frames are shown, in that order.
func presented(track codectest.Track) []time.Duration {
	var plan protocol.VideoPlan
	var times []time.Duration
	for _, p := range add(&plan, track, 0) {
		i := len(times)
		for i > 0 && times[i-1] > p.Time {
			i--
		}
		times = append(times[:i], append([]time.Duration{p.Time}, times[i:]...)...)
	}
	return times
}

func TestRun_DoesNotWaitForASilentTrackWithBFrames(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(75)
	plan.Scenes[0].Cells = []protocol.Cell{{Track: 0, W: 64, H: 96}, {Track: 1, X: 64, W: 64, H: 96}}
	short := footage(t, 64, 48, "30", 0.5, x264)
	long := footage(t, 64, 48, "30", 3, vp8)
	f := compose(t, plan, merge(add(&plan, short, 0), add(&plan, long, 0)))
	for n, at := range presented(long) {
		if frame := n * 25 / 30; n*25%30 == 0 && frame < 75 {
			if got := f.luma(frame, 96, 48); !near(got, level(n)) {
				t.Errorf("at %v the other track is %d, want %d", at, got, level(n))
			}
		}
	}
	if got := f.luma(74, 32, 48); !near(got, level(14)) {
		t.Errorf("the silent track ends as %d, want its last frame, %d", got, level(14))
	}
}

func TestRun_HoldsTheLastGoodFrame(t *testing.T) {
	codectest.NoLeaks(t)
	track := footage(t, 64, 48, "25", 1, intra)
	const invalid = "decode vp8: Invalid data found when processing input"
	for name, test := range map[string]struct {
		damage  func([]byte) []byte
		refusal string
	}{
		"cut":   {func(b []byte) []byte { return b[:5] }, invalid},
		"empty": {func([]byte) []byte { return nil }, "the packet is empty"},
		"noise": {func(b []byte) []byte { return []byte{0xff, 0x00, 0xff, 0x00, 0xff, 0x55, 0x55} }, invalid},
	} {
		t.Run(name, func(t *testing.T) {
			plan := onePlan(25)
			packets := add(&plan, track, 0)
			for i := 10; i < 13; i++ {
				packets[i].Data = test.damage(packets[i].Data)
			}
			f := compose(t, plan, packets)
			for n := range f.frames {
				want := level(n)
				if n >= 10 && n < 13 {
					want = level(9)
				}
				if got := f.luma(n, 64, 48); !near(got, want) {
					t.Errorf("frame %d is %d, want %d", n, got, want)
				}
			}
			want := protocol.TrackStats{
				Packets: 25, Decoded: 22, Errors: 3, Shown: 25, Refusal: test.refusal, Concealed: 120 * time.Millisecond,
				Seen: []protocol.FrameSize{{Width: 64, Height: 48}},
			}
			if d := cmp.Diff(want, f.stats.Tracks[0]); d != "" {
				t.Error(d)
			}
		})
	}
}

// What a decoder makes of frames whose predecessors are missing is not shown: the last good frame stays until the next keyframe.
func TestRun_HoldsTheLastGoodFrameUntilAKeyframe(t *testing.T) {
	codectest.NoLeaks(t)
	const keyframe = 20
	for name, output := range map[string]string{
		"av1": "-c:v libaom-av1 -cpu-used 8 -usage realtime -crf 10 -b:v 0 -g 20", "hevc": hevc + ":keyint=20:min-keyint=20:bframes=0",
		"hevc_open_gop": hevc + ":keyint=20:min-keyint=20:open-gop=1:bframes=3",
	} {
		for damage, change := range map[string]func([]protocol.Packet) []protocol.Packet{
			"lost": func(p []protocol.Packet) []protocol.Packet { return append(p[:8:8], p[11:]...) },
			"cut": func(p []protocol.Packet) []protocol.Packet {
				p[8].Data = p[8].Data[:len(p[8].Data)/2]
				return p
			},
			"noise": func(p []protocol.Packet) []protocol.Packet {
				for i := len(p[8].Data) / 4; i < len(p[8].Data); i++ {
					p[8].Data[i] ^= byte(i*37 + 1)
				}
				return p
			},
		} {
			if name == "av1" && damage == "lost" {
				continue // nothing in AV1 tells
			}
			t.Run(name+"_"+damage, func(t *testing.T) {
				plan := onePlan(40)
				f := compose(t, plan, change(add(&plan, footage(t, 64, 48, "25", 1.6, output), 0)))
				last := 0
				for n := range f.frames {
					got := f.luma(n, 64, 48)
					if near(got, level(n)) {
						last = n
					}
					if !near(got, level(last)) || last < n && (n < 4 || n > keyframe) {
						t.Errorf("frame %d is %d, want %d, or %d of frame %d", n, got, level(n), level(last), last)
					}
				}
				if s := f.stats.Tracks[0]; damage != "noise" && s.Errors == 0 {
					t.Errorf("stats: %+v", s)
				}
			})
		}
	}
}

func TestRun_ShowsNothingBeforeAKeyframe(t *testing.T) {
	codectest.NoLeaks(t)
	for _, output := range []string{
		"-c:v libvpx -b:v 2M -g 10 -keyint_min 10", x264 + " -g 10", av1 + " -g 10", hevc + ":keyint=10:min-keyint=10:open-gop=0",
		hevc + ":keyint=10:min-keyint=10:open-gop=1",
	} {
		track := footage(t, 64, 48, "25", 1, output)
		track.Packets = track.Packets[1:]
		start := track.Packets[0].Time
		plan := onePlan(25)
		f := compose(t, plan, add(&plan, track, 0))
		shown := false
		for n := range f.frames {
			got := f.luma(n, 64, 48)
			if n > 10 && near(got, level(n)) {
				shown = true
			} else if n < 10 && got > 20 {
				t.Errorf("%s from %v: frame %d is %d before the keyframe", output, start, n, got)
			}
		}
		if !shown {
			t.Errorf("%s: nothing was ever shown", output)
		}
	}
}

func TestRun_FollowsChangesOfSize(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(30)
	wide, tall := footage(t, 64, 32, "25", 0.4, vp8), footage(t, 48, 96, "25", 0.8, vp8)
	first := add(&plan, wide, 0)
	second := add(&plan, tall, 400*time.Millisecond)
	plan.Tracks = plan.Tracks[:1]
	for i := range second {
		second[i].Track = 0
	}
	f := compose(t, plan, merge(first, second))
	// On 128x96, 2:1 is 128x64 from row 16, and 1:2 is 48x96 from column 40.
	for _, test := range []struct {
		n, x, y int
		lit     bool
	}{
		{9, 64, 18, true},
		{9, 2, 48, true},
		{9, 64, 12, false},
		{9, 64, 84, false},
		{10, 64, 2, true},
		{10, 64, 93, true},
		{10, 42, 48, true},
		{10, 86, 48, true},
		{10, 36, 48, false},
		{10, 92, 48, false},
		{29, 2, 48, false},
		{29, 125, 48, false},
	} {
		if lit := f.luma(test.n, test.x, test.y) > 22; lit != test.lit {
			t.Errorf("frame %d at %d,%d: lit is %v", test.n, test.x, test.y, lit)
		}
	}
	if f.stats.Tracks[0].Sizes != 1 {
		t.Errorf("%d changes of size", f.stats.Tracks[0].Sizes)
	}
}

// Of scalable video the largest layer is shown, whether the layers of a frame are in one packet or in several.
func TestRun_ShowsTheLargestLayer(t *testing.T) {
	codectest.NoLeaks(t)
	av1 := codectest.Layers(t, "av1")
	films := map[string]film{}
	for name, track := range map[string]codectest.Track{"av1_apart": av1, "av1_merged": av1.Merge(), "vp9_apart": codectest.Layers(t, "vp9")} {
		plan := onePlan(25)
		f := compose(t, plan, add(&plan, track, 0))
		if s := f.stats.Tracks[0]; s.Errors != 0 || s.Sizes > 1 {
			t.Errorf("%s: stats %+v", name, s)
		}
		films[name] = f
	}
	if s := films["av1_merged"].stats.Tracks[0]; s.Decoded != 16 || s.Sizes != 0 {
		t.Errorf("merged: stats %+v", s)
	}
	for n := range 25 {
		if a, b := films["av1_apart"].luma(n, 64, 48), films["av1_merged"].luma(n, 64, 48); !near(a, b) {
			t.Errorf("frame %d is %d with layers apart, %d with layers in one packet", n, a, b)
		}
	}
}

func TestRun_HonoursThePixelsProportions(t *testing.T) {
	codectest.NoLeaks(t)
	track := codectest.Make(t, "-f lavfi -i color=white:s=64x48:r=25:d=0.4,setsar=3/8 -c:v libx264")
	plan := onePlan(10)
	f := compose(t, plan, add(&plan, track, 0)) // shown as 1:2, so 48x96
	for x, lit := range map[int]bool{34: false, 44: true, 84: true, 94: false} {
		if got := f.luma(5, x, 48) > 128; got != lit {
			t.Errorf("column %d: lit is %v", x, got)
		}
	}
}

func TestRun_ClearsWhatASceneVacates(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(20)
	left, right := protocol.Cell{Track: 0, W: 64, H: 48}, protocol.Cell{Track: 1, X: 64, Y: 48, W: 64, H: 48}
	plan.Scenes = []protocol.Scene{
		{From: 0, Cells: []protocol.Cell{left, right}},
		{From: 10, Cells: []protocol.Cell{right}},
		{From: 15, Cells: []protocol.Cell{{Track: 0, X: 64, W: 64, H: 48}}},
	}
	a := codectest.Make(t, "-f lavfi -i color=white:s=64x48:r=25:d=1 -c:v libvpx")
	b := codectest.Make(t, "-f lavfi -i color=gray:s=64x48:r=25:d=1 -c:v libvpx")
	f := compose(t, plan, merge(add(&plan, a, 0), add(&plan, b, 0)))
	for n := range f.frames {
		var want [4]uint8 // the canvas's quarters
		switch {
		case n < 10:
			want = [4]uint8{235, 16, 16, 126}
		case n < 15:
			want = [4]uint8{16, 16, 16, 126}
		default:
			want = [4]uint8{16, 235, 16, 16}
		}
		for q, w := range want {
			if got := f.luma(n, 32+q%2*64, 24+q/2*48); !near(got, w) {
				t.Errorf("frame %d, quarter %d: %d, want %d", n, q, got, w)
			}
		}
	}
	if a, b := f.stats.Tracks[0].Shown, f.stats.Tracks[1].Shown; a != 15 || b != 15 {
		t.Errorf("shown %d and %d", a, b)
	}
}

func TestRun_KeepsLaterCellsOnTop(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(25)
	plan.Scenes[0].Cells = []protocol.Cell{
		{Track: 0, W: 128, H: 96},
		{Track: 1, X: 32, Y: 24, W: 64, H: 48},
		{Track: 2, X: 64, Y: 48, W: 64, H: 48},
	}
	below := footage(t, 64, 48, "25", 1, vp8)
	still := codectest.Make(t, "-f lavfi -i color=white:s=64x48:r=25:d=0.04 -c:v libvpx")
	never := codectest.Track{Codec: "vp8"}
	f := compose(t, plan, merge(add(&plan, below, 0), add(&plan, still, 200*time.Millisecond), add(&plan, never, 0)))
	for n := range f.frames {
		on := level(n)
		if n >= 5 {
			on = 235
		}
		if got := f.luma(n, 64, 36); !near(got, on) {
			t.Errorf("frame %d: %d on top, want %d", n, got, on)
		}
		if got := f.luma(n, 110, 84); !near(got, level(n)) {
			t.Errorf("frame %d: %d where a source without a frame lies, want %d", n, got, level(n))
		}
	}
}

func TestRun_JoinsChunksWithoutASeam(t *testing.T) {
	codectest.NoLeaks(t)
	track := footage(t, 64, 48, "25", 2, vp8)
	soft := protocol.Encoder{Codec: "vp8", Bitrate: 2_000_000, GOP: 100, Options: map[string]string{"deadline": "good", "cpu-used": "5"}}
	for _, encoder := range []protocol.Encoder{sharp, soft} {
		t.Run(encoder.Codec, func(t *testing.T) {
			plan := onePlan(0)
			plan.Encoder = encoder
			plan.Chunks = []protocol.Chunk{{From: 5, To: 20}, {From: 20, To: 21}, {From: 21, To: 23}, {From: 23, To: 50}}
			f := compose(t, plan, add(&plan, track, 0))
			for n := range f.frames {
				if got := f.luma(n, 64, 48); !near(got, level(n+5)) {
					t.Errorf("frame %d is %d, want %d", n+5, got, level(n+5))
				}
			}
		})
	}
}

func TestRun_MakesAFilmOfNothing(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(10)
	plan.Tracks = []protocol.Track{{Codec: "vp8"}}
	f := compose(t, plan, nil)
	if got := f.luma(9, 64, 48); got > 18 {
		t.Errorf("it is %d, not black", got)
	}
}

func TestRun_CountsATrackThatCannotBeDecoded(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(10)
	track := footage(t, 64, 48, "25", 0.4, vp8)
	track.Codec = "theora"
	f := compose(t, plan, add(&plan, track, 0))
	want := protocol.TrackStats{Packets: 10, Errors: 10, Refusal: `decoder "theora": not supported`}
	if got := f.stats.Tracks[0]; !cmp.Equal(got, want) {
		t.Errorf("stats: %+v", got)
	}
}

func TestRun_BoundsWhatWaits(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(2)
	track := footage(t, 64, 48, "25", 10, vp8)
	packets := add(&plan, track, 0)
	before, most := codec.Open(), 0
	for i := range packets {
		packets[i].Need = 0 // all are needed at once: a file with wrong times
	}
	p := &counting{parent: parent{packets: packets}, most: &most}
	if _, err := Run(plan, p); err != nil {
		t.Fatal(err)
	}
	if most-before > maxQueue+10 {
		t.Errorf("%d objects were open at once", most-before)
	}
}

func TestRun_KeepsNoFramesFromBeforeTheFilm(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(0)
	plan.Chunks = []protocol.Chunk{{From: 240, To: 250}}
	track := footage(t, 64, 48, "25", 10, vp8)
	before, most := codec.Open(), 0
	p := &counting{parent: parent{packets: add(&plan, track, 0)}, most: &most}
	if _, err := Run(plan, p); err != nil {
		t.Fatal(err)
	}
	if most-before > ringSize+6 {
		t.Errorf("%d objects were open at once", most-before)
	}
}

type counting struct {
	parent
	most *int
}

func (c *counting) Next() (protocol.Packet, error) {
	*c.most = max(*c.most, codec.Open())
	return c.parent.Next()
}

func TestRun_EndsWhenTheConnectionBreaks(t *testing.T) {
	codectest.NoLeaks(t)
	track := footage(t, 64, 48, "25", 2, vp8)
	t.Run("writing", func(t *testing.T) {
		plan := onePlan(50)
		gone := errors.New("gone")
		_, err := Run(plan, &parent{packets: add(&plan, track, 0), broken: gone})
		if !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reading", func(t *testing.T) {
		plan := onePlan(50)
		_, err := Run(plan, &cutOff{parent{packets: add(&plan, track, 0)[:20]}})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
}

type cutOff struct{ parent }

func (p *cutOff) Next() (protocol.Packet, error) {
	packet, err := p.parent.Next()
	if err != nil {
		err = io.ErrUnexpectedEOF
	}
	return packet, err
}

func TestRun_RefusesPlansNoParentMakes(t *testing.T) {
	codectest.NoLeaks(t)
	for name, spoil := range map[string]func(*protocol.VideoPlan){
		"odd canvas":     func(p *protocol.VideoPlan) { p.Width = 127 },
		"huge canvas":    func(p *protocol.VideoPlan) { p.Width = 8192 },
		"no rate":        func(p *protocol.VideoPlan) { p.FPS = 0 },
		"no chunks":      func(p *protocol.VideoPlan) { p.Chunks = nil },
		"empty chunk":    func(p *protocol.VideoPlan) { p.Chunks[0].To = 0 },
		"gap":            func(p *protocol.VideoPlan) { p.Chunks = append(p.Chunks, protocol.Chunk{From: 11, To: 12}) },
		"no scene":       func(p *protocol.VideoPlan) { p.Scenes = nil },
		"late scene":     func(p *protocol.VideoPlan) { p.Scenes[0].From = 1 },
		"no such track":  func(p *protocol.VideoPlan) { p.Scenes[0].Cells[0].Track = 1 },
		"outside":        func(p *protocol.VideoPlan) { p.Scenes[0].Cells[0].X = 2 },
		"odd cell":       func(p *protocol.VideoPlan) { p.Scenes[0].Cells[0].W = 3 },
		"no such codec":  func(p *protocol.VideoPlan) { p.Encoder.Codec = "mpeg4" },
		"no such option": func(p *protocol.VideoPlan) { p.Encoder.Options = map[string]string{"speed": "high"} },
	} {
		plan := onePlan(10)
		plan.Tracks = []protocol.Track{{Codec: "vp8"}}
		spoil(&plan)
		if _, err := Run(plan, &parent{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestContain_FitsLikeObjectFit(t *testing.T) {
	cell := protocol.Cell{X: 10, Y: 20, W: 640, H: 360}
	for _, test := range []struct {
		w, h, num, den int
		want           rect
	}{
		{640, 480, 1, 1, rect{90, 20, 480, 360}},
		{1280, 720, 1, 1, rect{10, 20, 640, 360}},
		{720, 1280, 1, 1, rect{228, 20, 202, 360}},
		{4096, 2, 1, 1, rect{10, 198, 640, 2}},
		{2, 4096, 1, 1, rect{328, 20, 2, 360}},
		{320, 360, 2, 1, rect{10, 20, 640, 360}},
		{1, 1, 1 << 30, 1, rect{10, 198, 640, 2}},
	} {
		p := &codec.Frame{Width: test.w, Height: test.h, AspectNum: test.num, AspectDen: test.den}
		_, w, h := show(p, protocol.Display{})
		if got := contain(cell, w, h); got != test.want {
			t.Errorf("%dx%d at %d:%d: got %v, want %v", test.w, test.h, test.num, test.den, got, test.want)
		}
	}
}

// BenchmarkRun composes ten seconds of four 480p cameras into a 720p grid.
func BenchmarkRun(b *testing.B) {
	const seconds = 10
	plan := protocol.VideoPlan{
		Width: 1280, Height: 720, FPS: 25,
		Encoder: protocol.Encoder{Codec: "h264", Options: map[string]string{"preset": "superfast", "crf": "24"}, GOP: 250},
		Scenes:  []protocol.Scene{{}},
		Chunks:  []protocol.Chunk{{From: 0, To: 25 * seconds}},
	}
	var tracks [][]protocol.Packet
	for i := range 4 {
		camera := codectest.Make(b, fmt.Sprintf("-f lavfi -i testsrc2=s=640x480:r=30:d=%d,rotate=%d+t/9 "+
			"-c:v libvpx -deadline realtime -cpu-used 8 -b:v 700k -g 1000", seconds, i))
		tracks = append(tracks, add(&plan, camera, 0))
		cell := protocol.Cell{Track: i, X: i % 2 * 640, Y: i / 2 * 360, W: 640, H: 360}
		plan.Scenes[0].Cells = append(plan.Scenes[0].Cells, cell)
	}
	packets := merge(tracks...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(plan, &parent{packets: packets}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(seconds*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
}

// The frames that a decoder holds back at the end of its track are shown at their time, also while another track goes on.
func TestRun_ShowsTheLastFramesOfATrackThatEndsEarly(t *testing.T) {
	codectest.NoLeaks(t)
	plan := onePlan(75)
	early := add(&plan, footage(t, 64, 48, "25", 1, x264), 0)
	early[len(early)-1].Last = true
	other := add(&plan, footage(t, 64, 48, "25", 3, vp8), 0)
	f := compose(t, plan, merge(early, other))
	for n := range f.frames {
		if got, want := f.luma(n, 64, 48), level(min(n, 24)); !near(got, want) {
			t.Errorf("frame %d is %d, want %d", n, got, want)
		}
	}
}
