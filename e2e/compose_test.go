package e2e

import (
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

const (
	ms        = time.Millisecond
	frameTime = 40 * ms // at 25 frames per second
)

// meeting is a room of three participants who join and leave at different times.
var meeting = []struct {
	name        string
	from, until time.Duration
}{
	{"alice", 0, 12 * time.Second},
	{"bob", 3 * time.Second, 9 * time.Second},
	{"carol", 5480 * ms, 14480 * ms}, // her flashes are not at the same times as those of the others
}

func makeMeeting(t *testing.T) string {
	t.Helper()
	room := fixture.Room{UniqueName: "meeting"}
	for i, p := range meeting {
		room.Recordings = append(room.Recordings, fixture.Pair(p.name, fixture.People[i], p.from, p.until-p.from)...)
	}
	return room.Make(t, t.TempDir())
}

// meetingLayout has a region for each participant, so that the tests know where each of them is.
const meetingLayout = `{
	"a": {"video_sources": ["alice-camera"], "x_pos": 0, "width": 320, "height": 240, "max_columns": 1},
	"b": {"video_sources": ["bob-camera"], "x_pos": 320, "width": 320, "height": 240, "max_columns": 1},
	"c": {"video_sources": ["carol-camera"], "y_pos": 240, "width": 320, "height": 240, "max_columns": 1}
}`

var meetingCells = []image.Rectangle{image.Rect(0, 0, 320, 240), image.Rect(320, 0, 640, 240), image.Rect(0, 240, 320, 480)}

func TestCompose_ShowsEveryParticipantInSync(t *testing.T) {
	manifest := makeMeeting(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "layout.json")
	if err := os.WriteFile(text, []byte(meetingLayout), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"mp4", "webm"} {
		t.Run(format, func(t *testing.T) {
			out := filepath.Join(dir, "film."+format)
			// With short chunks, chunk borders lie within every recording.
			roomreel(t, "compose", "--room", manifest, "--layout", text, "--set", "compose.chunk=2s", "-o", out)
			film := fixture.Open(t, out)
			if format == "mp4" && (film.Video.Codec != "h264" || film.Video.Profile != "High" || film.Audio.Codec != "aac") {
				t.Errorf("streams %+v %+v, want H.264 High and AAC", film.Video.Codec, film.Audio)
			}
			if format == "webm" && (film.Video.Codec != "vp8" || film.Audio.Codec != "opus") {
				t.Errorf("streams %+v %+v, want VP8 and Opus", film.Video.Codec, film.Audio)
			}
			if film.Audio.Rate != 48000 || film.Audio.Channels != 2 {
				t.Errorf("audio %+v, want 48 kHz stereo", film.Audio)
			}
			checkFrameTimes(t, film)
			checkVisible(t, film)
			checkSync(t, film)
		})
	}
}

// checkFrameTimes checks that frames are at exact multiples of 1/25 s, and that the film is as long as the room.
func checkFrameTimes(t *testing.T, film *fixture.Film) {
	t.Helper()
	for n, at := range film.Video.Times {
		if off := at - time.Duration(n)*frameTime; off.Abs() > ms {
			t.Fatalf("frame %d is shown at %v, want %v", n, at, time.Duration(n)*frameTime)
		}
	}
	if want := meeting[2].until; film.Duration < want-ms || film.Duration > want+2*frameTime {
		t.Errorf("the film lasts %v, want %v", film.Duration, want)
	}
}

// checkVisible checks in the middle between two flashes that every cell shows its participant, or is empty.
func checkVisible(t *testing.T, film *fixture.Film) {
	t.Helper()
	var times []time.Duration
	for at := 700 * ms; at < film.Duration; at += time.Second { // there is no flash then: those of carol are at .48
		times = append(times, at)
	}
	for n, seen := range film.Sample(t, times...) {
		for i, p := range meeting {
			want := i
			if times[n] < p.from || times[n] >= p.until {
				want = fixture.Empty
			}
			if who := fixture.Who(seen, meetingCells[i], fixture.People); who != want {
				t.Errorf("at %v the cell of %s shows %d, want %d", times[n], p.name, who, want)
			}
		}
	}
}

// checkSync checks that every flash and every beep is at its time in the room, and that both are in sync.
func checkSync(t *testing.T, film *fixture.Film) {
	t.Helper()
	samples := film.Samples(t)
	for i, p := range meeting {
		flashes := film.Flashes(t, meetingCells[i])
		beeps := fixture.Beeps(samples, fixture.People[i].Tone)
		want := int((p.until - p.from) / time.Second)
		if len(flashes) != want || len(beeps) != want {
			t.Errorf("%s: %d flashes and %d beeps, want %d of each", p.name, len(flashes), len(beeps), want)
			continue
		}
		for n := range want {
			actual := p.from + time.Duration(n)*time.Second
			if late := flashes[n].Start - actual; late < -ms || late > frameTime {
				t.Errorf("%s: flash %d is at %v, want %v or up to one frame later", p.name, n, flashes[n].Start, actual)
			}
			if off := beeps[n].Start - actual; off.Abs() > 5*ms {
				t.Errorf("%s: beep %d is at %v, want %v", p.name, n, beeps[n].Start, actual)
			}
			if off := flashes[n].Start - beeps[n].Start; off.Abs() > frameTime {
				t.Errorf("%s: flash and beep %d are %v apart", p.name, n, off)
			}
		}
	}
}

// A run that is killed leaves its scratch folder. The next run beside it removes the folder.
func TestCompose_RemovesWhatAKilledRunLeft(t *testing.T) {
	dir := t.TempDir()
	manifest := fixture.Room{Recordings: fixture.Pair("alice", fixture.People[0], 0, 2*time.Second)}.Make(t, t.TempDir())
	out := filepath.Join(dir, "film.mp4")
	leftovers := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, ".roomreel-*"))
		return must(t, list, err)
	}
	// The child never answers, so the run does not end before it is killed.
	stalled := filepath.Join(t.TempDir(), "stalled")
	if err := os.WriteFile(stalled, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(bin, "roomreel"), "compose", "--room", manifest, "-o", out,
		"--set", "render.binary="+stalled, "--set", "render.sandbox=off")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(leftovers()) == 0; time.Sleep(5 * ms) {
		if time.Now().After(deadline) {
			t.Fatal("the run has no scratch folder")
		}
	}
	roomreel(t, "compose", "--room", manifest, "-o", filepath.Join(dir, "beside.mp4"))
	if len(leftovers()) != 1 {
		t.Errorf("%v are left while the first run goes on, want its folder", leftovers())
	}
	command.Process.Kill()
	command.Wait()
	if len(leftovers()) != 1 {
		t.Errorf("a run that was killed left %v", leftovers())
	}
	roomreel(t, "compose", "--room", manifest, "-o", out)
	if len(leftovers()) != 0 {
		t.Errorf("%v are left", leftovers())
	}
}
