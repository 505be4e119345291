package compose

import (
	"path/filepath"
	"testing"

	"roomreel"
	"roomreel/internal/plan"
)

// A camera with B-frames leaves before another: its last frames, which its decoder holds back, are shown at their time.
func TestLocal_ShowsTheLastFramesOfATrackThatEndsEarly(t *testing.T) {
	dir := t.TempDir()
	early, other := filepath.Join(dir, "early.mkv"), filepath.Join(dir, "other.mkv")
	ffmpeg(t, "-f", "lavfi", "-i", "color=black:s=160x240:r=25:d=1,format=yuv420p,geq=lum='60+5*N':cb=128:cr=128",
		"-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-crf", "6", early)
	ffmpeg(t, "-f", "lavfi", "-i", "color=gray:s=160x240:r=25:d=4", "-c:v", "libvpx", other)
	var room testRoom
	room.add(t, roomreel.Video, 0, early)
	room.add(t, roomreel.Video, 0, other)
	out, _ := room.compose(t, room.plan(t, roomreel.MP4, func(o *plan.Options) { o.Parallel = 1 }))
	shown := ffmpeg(t, "-i", out, "-an", "-vf", "crop=2:2:79:119,scale=1:1", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	for n := range 25 {
		if got, want := 16+int(shown[n])*219/255, 60+5*n; got < want-2 || got > want+2 {
			t.Errorf("frame %d is %d, want %d", n, got, want)
		}
	}
}
