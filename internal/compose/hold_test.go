package compose

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/plan"
)

// lumas returns the brightness in the middle of every frame of a film of 320x240.
func lumas(t *testing.T, path string) []byte {
	t.Helper()
	return ffmpeg(t, "-i", path, "-an", "-vf", "crop=2:2:159:119,scale=1:1", "-f", "rawvideo", "-pix_fmt", "gray", "-")
}

// A camera with one keyframe is off from 3 s to 8 s: its last frame stays for 2 s, then its cell is black, and when it is on again
// its next frame is shown at its time, as it was recorded. A film in several tasks is the same.
func TestLocal_HoldsTheLastFrameOfACameraThatIsOff(t *testing.T) {
	for name, codec := range map[string][]string{
		"vp8":  {"-c:v", "libvpx", "-b:v", "300k", "-g", "100000"},
		"h264": {"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "100000", "-sc_threshold", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			camera := filepath.Join(t.TempDir(), "camera.mkv")
			ffmpeg(t, append([]string{
				"-f", "lavfi", "-i", "color=black:s=320x240:r=20:d=12,format=yuv420p,geq=lum='60+10*floor(T)':cb=128:cr=128",
				"-vf", "select='not(between(t\\,2.99\\,7.99))'", "-vsync", "passthrough",
			}, append(codec, camera)...)...)
			var room testRoom
			room.add(t, roomreel.Video, 0, camera)
			for _, task := range []time.Duration{time.Minute, 3 * time.Second} {
				out, result := room.compose(t, room.plan(t, roomreel.MP4, func(o *plan.Options) {
					o.Parallel, o.VideoTask, o.Hold = 1, task, 2*time.Second
				}))
				for n, got := range lumas(t, out) {
					at := time.Duration(n) * time.Second / 25
					want := 60 + 10*int(at/time.Second)
					switch last := 2950 * time.Millisecond; {
					case at >= last+2*time.Second && at < 8*time.Second:
						want = 16
					case at > last && at < 8*time.Second:
						want = 80
					}
					// ffmpeg's grey has full range.
					if level := 16 + int(got)*219/255; level < want-4 || level > want+4 {
						t.Errorf("tasks of %v: frame %d, at %v, is %d, want %d", task, n, at, level, want)
					}
				}
				if off := fmt.Sprint(result.Report.Tracks[0].Off, result.Report.Tracks[0].OffSeconds); off != "1 5.05" {
					t.Errorf("off: %s", off)
				}
			}
		})
	}
}
