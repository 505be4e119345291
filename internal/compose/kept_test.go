package compose

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel"
	"roomreel/internal/plan"
)

var update = flag.Bool("update", false, "keep a plan of this version in testdata, with its recordings")

// Plans that earlier versions stored are kept as files, with the recordings that they are of. This version carries them out
// as they stand, although its own planner would decide otherwise: 17 frames per second in chunks of 1.4 s.
func TestLocal_CarriesOutKeptPlans(t *testing.T) {
	current := filepath.Join("testdata", fmt.Sprintf("plan-v%d", plan.Version))
	if *update {
		keepPlan(t, current)
	}
	kept, err := filepath.Glob("testdata/plan-v*")
	if err != nil || len(kept) != plan.Version {
		t.Fatalf("%d plans are kept, this is version %d: run go test -update ./internal/compose", len(kept), plan.Version)
	}
	for _, dir := range kept {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			p := readKept(t, dir)
			out, result := keptRoom(t, dir).compose(t, p)
			if result.Film.Checks.Frames != 102 || p.FPS != 17 || p.Chunks != 4 || p.Samples != 288000 || len(framesOf(t, out)) != 102 {
				t.Errorf("the film has %d frames at %d fps in %d chunks, and %d samples", result.Film.Checks.Frames, p.FPS, p.Chunks, p.Samples)
			}
			if samples := len(audioOf(t, out)); samples < 288000 || samples > 288000+1024 { // ffmpeg plays the last packet to its end
				t.Errorf("the film has %d samples", samples)
			}
			channels := 2
			if filepath.Base(dir) >= "plan-v4" { // the microphone is mono; before version 4, all films were stereo
				channels = 1
			}
			if found := probe(t, out, "channels"); found != fmt.Sprint(channels) {
				t.Errorf("the film has %s channels, want %d", found, channels)
			}
			for _, track := range result.Report.Tracks {
				if track.Errors > 0 || track.Lost || track.Shown+int(track.Audible) == 0 {
					t.Errorf("%+v", track)
				}
			}
		})
	}
}

// keptRoom is the recordings of a kept plan.
func keptRoom(t *testing.T, dir string) *testRoom {
	t.Helper()
	var room testRoom
	room.add(t, roomreel.Video, 0, filepath.Join(dir, "camera.mkv"))
	room.add(t, roomreel.Video, 2*time.Second, filepath.Join(dir, "screen.mkv"))
	room.add(t, roomreel.Audio, 300*time.Millisecond, filepath.Join(dir, "microphone.mka"))
	return &room
}

func keepPlan(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=15:d=6", "-c:v", "libvpx", "-b:v", "20k", "-g", "40", filepath.Join(dir, "camera.mkv"))
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=48x48:r=5:d=3", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-crf", "40", filepath.Join(dir, "screen.mkv"))
	ffmpeg(t, "-f", "lavfi", "-i", "sine=440:d=5", "-c:a", "libopus", "-b:a", "8k", filepath.Join(dir, "microphone.mka"))
	p := keptRoom(t, dir).plan(t, roomreel.MP4, func(o *plan.Options) {
		o.FPS, o.Chunk, o.VideoTask, o.AudioTask = 17, 1400*time.Millisecond, 3*time.Second, 2*time.Second
	})
	var b bytes.Buffer
	checksum, err := p.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"plan": b.Bytes(), "checksum": []byte(checksum + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readKept(t *testing.T, dir string) *plan.Plan {
	t.Helper()
	stored, err := os.ReadFile(filepath.Join(dir, "plan"))
	if err != nil {
		t.Fatal(err)
	}
	checksum, err := os.ReadFile(filepath.Join(dir, "checksum"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := plan.Open(bytes.NewReader(stored), int64(len(stored)), strings.TrimSpace(string(checksum)))
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	summary, err := f.Summary()
	if err != nil {
		t.Fatal(err)
	}
	p.Summary = *summary
	for n := 0; n < p.Chunks; {
		task, err := f.Video(len(p.Video))
		if err != nil {
			t.Fatal(err)
		}
		p.Video = append(p.Video, *task)
		n += len(task.Chunks)
	}
	for i := range f.AudioTasks() {
		task, err := f.Audio(i)
		if err != nil {
			t.Fatal(err)
		}
		p.Audio = append(p.Audio, *task)
	}
	return &p
}
