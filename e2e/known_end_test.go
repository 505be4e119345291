package e2e

import (
	"encoding/json"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
	"roomreel/internal/compose"
	"roomreel/internal/media/demux"
)

// changeManifest changes the recordings that a manifest names.
func changeManifest(t *testing.T, path string, change func(name string, recording map[string]any)) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, 0, err)
	var manifest map[string]any
	must(t, 0, json.Unmarshal(text, &manifest))
	for _, recording := range manifest["recordings"].([]any) {
		recording := recording.(map[string]any)
		change(recording["track_name"].(string), recording)
	}
	text, err = json.Marshal(manifest)
	must(t, 0, os.WriteFile(path, must(t, text, err), 0o644))
}

// stall moves the packets of a recording that follow a gap, so that a trace of the gap is all that is left of it.
func stall(t *testing.T, path string, gap fixture.Span, trace time.Duration) {
	t.Helper()
	whole := path + ".whole"
	must(t, 0, os.Rename(path, whole))
	fixture.FFmpeg(t, "-i", whole, "-c", "copy", "-bsf:a", fmt.Sprintf("setts=ts=TS-gte(TS*TB\\,%f)*%f/TB", gap.End.Seconds()-0.02, (gap.End-gap.Start-trace).Seconds()),
		"-f", "matroska", path)
	must(t, 0, os.Remove(whole))
}

func readReport(t *testing.T, path string) compose.Report {
	t.Helper()
	text, err := os.ReadFile(path)
	var report compose.Report
	must(t, 0, json.Unmarshal(must(t, text, err), &report))
	return report
}

// A participant's machine captures nothing for 18 s, and the timestamps of the audio go on as if nothing had happened: the
// recording is 18 s too short, which only its known end shows. Where the stall is, the camera's gap shows, or a trace in the
// recording itself. What follows is at its place in the room.
func TestCompose_PlacesWhatFollowsAStall(t *testing.T) {
	const length = 60 * time.Second
	gap := fixture.Span{Start: 20200 * ms, End: 38200 * ms}
	for _, test := range []struct {
		name   string
		camera bool          // it stalls too
		trace  time.Duration // how much longer than usual the packets before and after the stall are apart
		want   string
	}{
		{"camera", true, 0, "where another recording of the participant has a gap"},
		{"trace", false, 60 * ms, "where its longest gap is"},
		{"nothing", false, 0, "and nothing shows whether it stalled there or elsewhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			room := fixture.Room{Recordings: fixture.Pair("alice", fixture.People[0], 500*ms, length)}
			room.Recordings[0].FPS = 15
			room.Recordings[0].Sizes = []image.Point{{64, 48}}
			room.Recordings[1].Gaps = []fixture.Span{gap}
			if test.camera {
				room.Recordings[0].Gaps = room.Recordings[1].Gaps
			}
			manifest := room.Make(t, dir)
			microphone := filepath.Join(dir, "alice-microphone.mka")
			stall(t, microphone, gap, test.trace)
			data, err := os.ReadFile(microphone)
			must(t, 0, err)
			index, _, err := demux.ReadIndex(strings.NewReader(string(data)), int64(len(data)), "")
			if own := must(t, index, err).Length(); (own - length + 18*time.Second - test.trace).Abs() > 100*ms {
				t.Fatalf("the recording lasts %v", own)
			}
			changeManifest(t, manifest, func(name string, recording map[string]any) {
				if name == "alice-microphone" {
					recording["duration_ms"] = length.Milliseconds()
				}
			})
			out, report := filepath.Join(dir, "film.mp4"), filepath.Join(dir, "report.json")
			said := roomreel(t, "compose", "--room", manifest, "--resolution", "64x48", "--fps", "15", "-o", out, "--report", report)
			if text := strings.Join(said.Warnings, "\n"); !strings.Contains(text, "alice-microphone: its known end is 1") || !strings.Contains(text, test.want) {
				t.Errorf("warnings: %q", said.Warnings)
			}
			if r := readReport(t, report).Tracks[1]; r.KnownLater < 17.8 || r.KnownLater > 18.1 || r.StallAt == 0 {
				t.Errorf("report: %+v", r)
			}
			film := fixture.Open(t, out)
			beeps := fixture.Beeps(film.Samples(t), fixture.People[0].Tone)
			if len(beeps) != 42 {
				t.Fatalf("%d beeps", len(beeps))
			}
			for n, beep := range beeps {
				at := time.Duration(n) * time.Second
				if n > 20 {
					at += 18 * time.Second
				}
				if test.want == "and nothing shows whether it stalled there or elsewhere" && n > 20 && n < 23 {
					continue // the stall is put to 21 s
				}
				if off := beep.Start - at; off.Abs() > 50*ms {
					t.Errorf("beep %d is at %v, want %v", n, beep.Start, at)
				}
			}
		})
	}
}

// A machine whose clock runs 3 per mille fast or slow stamps audio and video alike. Only the known ends show that.
func TestCompose_FollowsAClockThatOnlyTheEndShows(t *testing.T) {
	const length = 50 * time.Second
	for _, known := range []time.Duration{length - 150*ms, length + 150*ms} {
		t.Run(known.String(), func(t *testing.T) {
			dir := t.TempDir()
			room := fixture.Room{Recordings: fixture.Pair("alice", fixture.People[0], 0, length)}
			room.Recordings[0].Sizes = []image.Point{{64, 48}}
			manifest := room.Make(t, dir)
			changeManifest(t, manifest, func(_ string, recording map[string]any) { recording["duration_ms"] = known.Milliseconds() })
			out := filepath.Join(dir, "film.mp4")
			said := roomreel(t, "compose", "--room", manifest, "--resolution", "64x48", "-o", out)
			if len(said.Warnings) > 0 {
				t.Errorf("warnings: %q", said.Warnings)
			}
			film := fixture.Open(t, out)
			beeps, flashes := fixture.Beeps(film.Samples(t), fixture.People[0].Tone), film.Flashes(t, image.Rect(0, 0, 64, 48))
			if len(beeps) != 50 || len(flashes) != 50 {
				t.Fatalf("%d beeps, %d flashes", len(beeps), len(flashes))
			}
			for n := range beeps {
				at := time.Duration(n) * known / 50
				if off := beeps[n].Start - at; off.Abs() > 20*ms {
					t.Errorf("beep %d is at %v, want %v", n, beeps[n].Start, at)
				}
				if late := flashes[n].Start - at; late < -20*ms || late > frameTime+20*ms {
					t.Errorf("flash %d is at %v, want %v", n, flashes[n].Start, at)
				}
			}
		})
	}
}
