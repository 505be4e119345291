package compose

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/plan"
	"roomreel/internal/still"
)

// still renders the frame that a film of the room shows at a time.
func (r *testRoom) still(t *testing.T, at time.Duration, change func(*plan.Options), spoil func(*plan.Still)) (still.Frame, *plan.Still) {
	t.Helper()
	req, indexes, opts := r.request(t, roomreel.MP4, change)
	film, err := plan.NewStill(req, r.tracks, indexes, opts, at)
	if err != nil {
		t.Fatalf("at %v: %v", at, err)
	}
	if spoil != nil {
		spoil(film)
	}
	c := &Composer{Render: testChild(t), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	frame, err := c.RenderStill(t.Context(), film, r.open(t), 2)
	if err != nil {
		t.Fatalf("at %v: %v", at, err)
	}
	return frame, film
}

// layers makes frames of VP8 of which one in two is needed by no other, as browsers send them.
const layers = "ts_number_layers=3:ts_target_bitrate=120,180,300:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3"

// A still picture is, to the bit, the frame that the film has before it is encoded: with cameras that join late, that are off,
// that have one keyframe, frames out of order, open GOPs, layers and other frame rates.
func TestRenderStill_IsTheFrameOfTheFilm(t *testing.T) {
	dir := t.TempDir()
	var room testRoom
	record := func(offset time.Duration, name string, args ...string) {
		path := filepath.Join(dir, name)
		ffmpeg(t, append(append([]string{"-f", "lavfi", "-i"}, args...), path)...)
		room.add(t, roomreel.Video, offset, path)
	}
	record(0, "one_key.mkv", "testsrc=s=320x240:r=30:d=8", "-c:v", "libvpx", "-b:v", "300k", "-g", "100000")
	record(1500*time.Millisecond, "late.mkv", "testsrc2=s=160x120:r=24:d=5", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "50")
	record(500*time.Millisecond, "open_gop.mkv", "testsrc2=s=160x120:r=25:d=7", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0:keyint=50:min-keyint=50:open-gop=1:bframes=3")
	record(0, "off.mkv", "testsrc2=s=160x120:r=20:d=8", "-vf", "select='not(between(t\\,2.99\\,6.49))'", "-vsync", "passthrough", "-c:v", "libvpx", "-b:v", "300k", "-g", "100000")
	record(0, "layers.mkv", "testsrc2=s=160x120:r=30:d=8", "-c:v", "libvpx", "-b:v", "300k", "-g", "100000", "-error-resilient", "1", "-ts-parameters", layers)
	held := func(o *plan.Options) { o.Hold = 2 * time.Second }
	film := room.plan(t, roomreel.MP4, held)
	for i := range film.Video {
		film.Video[i].Encoder.Options = map[string]string{"preset": "ultrafast", "qp": "0"}
	}
	out, _ := room.compose(t, film)
	want := framesOf(t, out)
	if len(want) != 200 {
		t.Fatalf("%d frames, want 200", len(want))
	}
	for _, n := range []int{0, 1, 12, 13, 37, 38, 39, 74, 75, 99, 124, 125, 130, 160, 161, 162, 163, 187, 199} {
		at := time.Duration(n) * time.Second / 25
		for _, within := range []time.Duration{0, 39 * time.Millisecond} { // the frame is shown until the next
			frame, made := room.still(t, at+within, held, nil)
			sum := md5.Sum(frame.Planes)
			if got := hex.EncodeToString(sum[:]); got != want[n] || made.Frame != n {
				t.Errorf("at %v: frame %d differs from frame %d of the film", at+within, made.Frame, n)
			}
		}
	}
}

// A recording whose decoder kills the child is left out, whichever of those that are decoded at once it is.
func TestRenderStill_LeavesOutWhatKillsItsChild(t *testing.T) {
	var room testRoom
	for n := range 3 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(n, ".mkv"))
		ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=2", "-c:v", "libvpx", path)
		room.add(t, roomreel.Video, 0, path)
	}
	whole, _ := room.still(t, time.Second, nil, nil)
	without, _ := room.still(t, time.Second, nil, func(s *plan.Still) { s.Task.Tracks[1].Media.Codec = "crash at once" })
	cell := func(f still.Frame, x, y int) []byte { return f.Planes[(y+60)*f.Width+x+40:][:80] }
	for name, at := range map[string][2]int{"the first": {0, 0}, "the last": {80, 120}} {
		if string(cell(whole, at[0], at[1])) != string(cell(without, at[0], at[1])) {
			t.Errorf("%s changed", name)
		}
	}
	for _, luma := range cell(without, 160, 0) {
		if luma != 16 {
			t.Fatalf("where the recording was is luma %d, want black", luma)
		}
	}
}
