package compose

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/plan"
)

// A recording of several parts gives the same film whether one task renders it or many, of which each begins in another part.
func TestLocal_PartsInTasksAreThoseOfOne(t *testing.T) {
	dir := t.TempDir()
	joined := func(name string, args ...[]string) string {
		var all []byte
		for i, a := range args {
			path := filepath.Join(dir, fmt.Sprint(name, i))
			ffmpeg(t, append(a, "-f", "matroska", path)...)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, all, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lavfi := func(source string, args ...string) []string {
		return append([]string{"-f", "lavfi", "-i", source}, args...)
	}
	tone := func(f int) string {
		return fmt.Sprintf("aevalsrc=0.2*sin(2*PI*%d*t)*(0.6+0.4*sin(3*t)):s=48000:d=4", f)
	}
	var room testRoom
	room.add(t, roomreel.Video, 0, joined("camera.mkv", lavfi("testsrc=s=320x240:r=30:d=4", "-c:v", "libvpx", "-b:v", "300k", "-g", "900"),
		lavfi("testsrc2=s=160x120:r=24:d=4", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "900"),
		lavfi("testsrc2=s=200x120:r=24:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "900")))
	room.add(t, roomreel.Audio, 0, joined("microphone.mka", lavfi(tone(400), "-c:a", "libopus"),
		lavfi(tone(700), "-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw"), lavfi(tone(1000), "-ac", "2", "-c:a", "libopus", "-application", "lowdelay")))
	one := room.plan(t, roomreel.MP4, func(o *plan.Options) { o.Parallel = 1 })
	many := room.plan(t, roomreel.MP4, func(o *plan.Options) { o.VideoTask, o.AudioTask = 2*time.Second, 1500*time.Millisecond })
	if len(one.Video)*len(one.Audio) != 1 || len(many.Video) < 4 || len(many.Audio) < 6 {
		t.Fatalf("%d and %d video tasks, %d and %d audio tasks", len(one.Video), len(many.Video), len(one.Audio), len(many.Audio))
	}
	var b bytes.Buffer
	checksum, err := many.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := plan.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), checksum)
	if err != nil {
		t.Fatal(err)
	}
	for i := range many.Video {
		task, err := stored.Video(i)
		if err != nil {
			t.Fatal(err)
		}
		many.Video[i] = *task
	}
	wholeFilm, _ := room.compose(t, one)
	film, result := room.compose(t, many)
	for _, track := range result.Report.Tracks {
		if track.Errors > 0 || len(track.Parts) != 3 {
			t.Errorf("%+v", track)
		}
	}
	want, got := audioOf(t, wholeFilm), audioOf(t, film)
	var worst, at float64
	for i := range min(len(want), len(got)) {
		if d := math.Abs(want[i] - got[i]); d > worst {
			worst, at = d, float64(i)/48000
		}
	}
	if len(want) != len(got) || worst > 0.003 {
		t.Errorf("%d and %d samples; they differ by %.5f at %.3f s", len(want), len(got), worst, at)
	}
	for line := range bytes.Lines(ffmpeg(t, "-i", wholeFilm, "-i", film, "-lavfi", "ssim=stats_file=-", "-f", "null", "-")) {
		var n int
		var y, u, v, all float64
		if _, err := fmt.Sscanf(string(line), "n:%d Y:%f U:%f V:%f All:%f", &n, &y, &u, &v, &all); err == nil && all < 0.93 {
			t.Errorf("frame %d: SSIM %.4f", n, all)
		}
	}
}
