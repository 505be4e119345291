package e2e

import (
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

const (
	ms      = time.Millisecond
	picture = 40 * ms // at 25 pictures per second
)

// meeting is a room of three in which people come and go: who is there from when to when.
var meeting = []struct {
	name        string
	from, until time.Duration
}{
	{"alice", 0, 12 * time.Second},
	{"bob", 3 * time.Second, 9 * time.Second},
	{"carol", 5480 * ms, 14480 * ms}, // her seconds are not the others'
}

func makeMeeting(t *testing.T) string {
	t.Helper()
	room := fixture.Room{UniqueName: "meeting"}
	for i, p := range meeting {
		room.Tracks = append(room.Tracks, fixture.Pair(p.name, fixture.People[i], p.from, p.until-p.from)...)
	}
	return room.Make(t, t.TempDir())
}

// beside is a layout with a place of its own for everyone, so that the test knows where to look.
const beside = `{
	"a": {"video_sources": ["alice-camera"], "x_pos": 0, "width": 320, "height": 240, "max_columns": 1},
	"b": {"video_sources": ["bob-camera"], "x_pos": 320, "width": 320, "height": 240, "max_columns": 1},
	"c": {"video_sources": ["carol-camera"], "y_pos": 240, "width": 320, "height": 240, "max_columns": 1}
}`

var places = []image.Rectangle{image.Rect(0, 0, 320, 240), image.Rect(320, 0, 640, 240), image.Rect(0, 240, 320, 480)}

func TestCompose_ShowsAndHearsEveryoneWhenTheyAreThere(t *testing.T) {
	manifest := makeMeeting(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "layout.json")
	if err := os.WriteFile(text, []byte(beside), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"mp4", "webm"} {
		t.Run(format, func(t *testing.T) {
			out := filepath.Join(dir, "film."+format)
			// Short chunks: the film has joins in the middle of everything.
			roomreel(t, "compose", "--room", manifest, "--layout", text, "--set", "compose.chunk=2s", "-o", out)
			film := fixture.Open(t, out)
			if format == "mp4" && (film.Video.Codec != "h264" || film.Video.Profile != "High" || film.Audio.Codec != "aac") {
				t.Errorf("streams %+v %+v, want H.264 High and AAC", film.Video.Codec, film.Audio)
			}
			if format == "webm" && (film.Video.Codec != "vp8" || film.Audio.Codec != "opus") {
				t.Errorf("streams %+v %+v, want VP8 and Opus", film.Video.Codec, film.Audio)
			}
			if film.Audio.Rate != 48000 || film.Audio.Channels != 2 {
				t.Errorf("sound %+v, want 48 kHz stereo", film.Audio)
			}
			checkTimes(t, film)
			checkWho(t, film)
			checkTogether(t, film)
		})
	}
}

// checkTimes holds pictures to exact multiples of 1/25 s and the film to the room's length.
func checkTimes(t *testing.T, film *fixture.Film) {
	t.Helper()
	for n, at := range film.Video.Times {
		if off := at - time.Duration(n)*picture; off.Abs() > ms {
			t.Fatalf("picture %d is shown at %v, want %v", n, at, time.Duration(n)*picture)
		}
	}
	if want := meeting[2].until; film.Duration < want-ms || film.Duration > want+2*picture {
		t.Errorf("the film lasts %v, want %v", film.Duration, want)
	}
}

// checkWho looks into every place in the middle between two flashes.
func checkWho(t *testing.T, film *fixture.Film) {
	t.Helper()
	var times []time.Duration
	for at := 700 * ms; at < film.Duration; at += time.Second { // nobody flashes then: carol's flashes are at .48
		times = append(times, at)
	}
	for n, seen := range film.Sample(t, times...) {
		for i, p := range meeting {
			want := i
			if times[n] < p.from || times[n] >= p.until {
				want = fixture.Nobody
			}
			if who := fixture.Who(seen, places[i], fixture.People); who != want {
				t.Errorf("at %v the place of %s shows %d, want %d", times[n], p.name, who, want)
			}
		}
	}
}

// checkTogether holds every flash and every beep to where the room had it, and both to each other.
func checkTogether(t *testing.T, film *fixture.Film) {
	t.Helper()
	samples := film.Samples(t)
	for i, p := range meeting {
		flashes := film.Flashes(t, places[i])
		beeps := fixture.Beeps(samples, fixture.People[i].Tone)
		want := int((p.until - p.from) / time.Second)
		if len(flashes) != want || len(beeps) != want {
			t.Errorf("%s: %d flashes and %d beeps, want %d of each", p.name, len(flashes), len(beeps), want)
			continue
		}
		for n := range want {
			actual := p.from + time.Duration(n)*time.Second
			if late := flashes[n].Start - actual; late < -ms || late > picture {
				t.Errorf("%s: flash %d is seen at %v, want %v or at most a picture later", p.name, n, flashes[n].Start, actual)
			}
			if off := beeps[n].Start - actual; off.Abs() > 5*ms {
				t.Errorf("%s: beep %d is heard at %v, want %v", p.name, n, beeps[n].Start, actual)
			}
			if off := flashes[n].Start - beeps[n].Start; off.Abs() > picture {
				t.Errorf("%s: flash and beep %d are %v apart", p.name, n, off)
			}
		}
	}
}
