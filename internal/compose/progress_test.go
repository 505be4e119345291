package compose

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/layout"
	"roomreel/internal/plan"
	"roomreel/internal/render"
	"roomreel/internal/render/sandbox"
)

// BenchmarkProgress composes rooms and compares what is said on the way with what came of it. It reports the largest
// differences after the first tenth of the time, in percent of the whole time: of the share that is done (off-share-%), and of
// the time that the film takes in all, as the time that remains says it (off-time-%).
func BenchmarkProgress(b *testing.B) {
	const length = 60
	dir := b.TempDir()
	camera, microphone := filepath.Join(dir, "camera.mkv"), filepath.Join(dir, "microphone.mka")
	ffmpeg(b, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=640x480:r=30:d=%d", length), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8",
		"-b:v", "700k", "-g", "9999", camera)
	ffmpeg(b, "-f", "lavfi", "-i", fmt.Sprintf("sine=440:d=%d", length), "-c:a", "libopus", "-b:a", "32k", microphone)
	for _, room := range []struct {
		name   string
		people int
		apart  time.Duration // from one who joins to the next
		format roomreel.Format
		video  bool
	}{
		{"one", 1, 0, roomreel.MP4, true},
		{"four", 4, 0, roomreel.MP4, true},
		{"joining", 4, 5 * time.Second, roomreel.MP4, true},
		{"webm", 2, 3 * time.Second, roomreel.WebM, true},
		{"audio", 8, 20 * time.Second, roomreel.MP4, false},
	} {
		b.Run(room.name, func(b *testing.B) {
			var r testRoom
			for i := range room.people {
				at := time.Duration(i) * room.apart
				if room.video {
					r.add(b, roomreel.Video, at, camera)
				}
				r.add(b, roomreel.Audio, at, microphone)
			}
			p := r.planAt(b, layout.Size{W: 1280, H: 720}, room.format, func(o *plan.Options) {
				o.Parallel, o.Chunk, o.AudioTask, o.Encoder = 1, 20*time.Second, 40*time.Second, plan.Standard
			})
			child, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				type said struct {
					plan.Progress
					at time.Duration
				}
				var all []said
				began := time.Now()
				_, err := Local(b.Context(), LocalOptions{
					Plan: p, Recordings: r.open(b), Parallel: 1, Render: render.Command{Path: child, Mode: sandbox.Off},
					Out: filepath.Join(dir, "film"), Log: slog.New(slog.DiscardHandler),
					Progress: func(p plan.Progress) { all = append(all, said{p, time.Since(began)}) },
				})
				if err != nil {
					b.Fatal(err)
				}
				took := time.Since(began).Seconds()
				share, whole := 0.0, 0.0
				for i, s := range all {
					if i > 0 && s.Share < all[i-1].Share {
						b.Errorf("%.3f after %.3f", s.Share, all[i-1].Share)
					}
					if at := s.at.Seconds(); at > took/10 {
						share = max(share, math.Abs(s.Share-at/took))
						whole = max(whole, math.Abs(at+s.Left.Seconds()-took)/took)
					}
				}
				b.ReportMetric(took, "s/film")
				b.ReportMetric(float64(len(all)), "reports")
				b.ReportMetric(100*share, "off-share-%")
				b.ReportMetric(100*whole, "off-time-%")
			}
		})
	}
}
