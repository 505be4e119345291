package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
	"roomreel/internal/media/demux"
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
			if film.Audio.Rate != 48000 || film.Audio.Channels != 1 {
				t.Errorf("audio %+v, want 48 kHz mono, as all microphones are", film.Audio)
			}
			checkColours(t, out, "smpte170m")
			checkFrameTimes(t, film)
			checkVisible(t, film)
			checkSync(t, film)
		})
	}
}

// checkColours checks that the film says what its samples mean, in the container and in H.264 as well. Chromium guesses unless
// it finds all three numbers.
func checkColours(t *testing.T, path, name string) {
	t.Helper()
	got, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
		"stream=color_range,color_space,color_transfer,color_primaries", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("tv,%s,%[1]s,%[1]s", name); strings.TrimSpace(string(got)) != want { // of mp4, those of the encoder
		t.Errorf("colours are %s, want %s", got, want)
	}
	if filepath.Ext(path) == ".mp4" {
		film, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]string{"smpte170m": "\x06", "bt709": "\x01"}[name]
		if !bytes.Contains(film, []byte("colrnclx\x00"+n+"\x00"+n+"\x00"+n+"\x00")) {
			t.Errorf("the film has no colr box of %s", name)
		}
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

// TestCompose_ShowsFramesAsPlayersDo composes recordings whose containers say that frames are turned or have wide pixels.
func TestCompose_ShowsFramesAsPlayersDo(t *testing.T) {
	fixture.Need(t, "ffmpeg")
	dir := t.TempDir()
	colours := fixture.People[:4]
	graph := ""
	for _, p := range colours {
		graph += fmt.Sprintf("color=0x%02x%02x%02x:s=160x120:r=25:d=1[c%d];", p.Colour.R, p.Colour.G, p.Colour.B, strings.Count(graph, ";"))
	}
	graph += "[c0][c1][c2][c3]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,format=yuv420p"
	upright, wide := filepath.Join(dir, "turned.mp4"), filepath.Join(dir, "wide.mkv")
	fixture.FFmpeg(t, "-f", "lavfi", "-i", graph, "-c:v", "libx264", upright)
	fixture.FFmpeg(t, "-f", "lavfi", "-i", graph, "-c:v", "libvpx", "-b:v", "1M", "-aspect", "16:9", wide)
	turnClockwise(t, upright)
	for _, test := range []struct {
		file    string
		fit     image.Rectangle // in a film of 320x240
		corners [4]int          // which of the colours is at the top left, top right, bottom left and bottom right
	}{
		{upright, image.Rect(70, 0, 250, 240), [4]int{2, 0, 3, 1}},
		{wide, image.Rect(0, 30, 320, 210), [4]int{0, 1, 2, 3}},
	} {
		t.Run(filepath.Base(test.file), func(t *testing.T) {
			manifest := filepath.Join(dir, "room.json")
			text := fmt.Sprintf(`{"recordings": [{"file": %q, "type": "video", "participant": "a", "offset_ms": 0}]}`, filepath.Base(test.file))
			if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			out := test.file + ".film.mp4"
			roomreel(t, "compose", "--room", manifest, "--resolution", "320x240", "-o", out)
			frame := fixture.Open(t, out).Sample(t, 500*ms)[0]
			middle := test.fit.Min.Add(test.fit.Size().Div(2))
			for i, corner := range []image.Point{test.fit.Min, {test.fit.Max.X, test.fit.Min.Y}, {test.fit.Min.X, test.fit.Max.Y}, test.fit.Max} {
				r := image.Rectangle{corner, middle}.Canon()
				if got := fixture.Who(frame, r, colours); got != test.corners[i] {
					t.Errorf("colour %d in %v, want %d", got, r, test.corners[i])
				}
			}
			for _, r := range []image.Rectangle{{Max: image.Pt(320, test.fit.Min.Y)}, {Max: image.Pt(test.fit.Min.X, 240)}} {
				if got := fixture.Who(frame, r.Inset(4), colours); !r.Empty() && got != fixture.Empty {
					t.Errorf("colour %d in %v, want black", got, r)
				}
			}
		})
	}
}

// turnClockwise writes the matrix of a quarter turn into the first track header of an mp4 file.
func turnClockwise(t *testing.T, path string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tkhd := bytes.Index(file, []byte("tkhd"))
	if tkhd < 0 {
		t.Fatalf("%s has no track header", path)
	}
	matrix := file[tkhd+4+40:]
	for i, n := range [...]int32{0, 1 << 16, 0, -1 << 16, 0} {
		binary.BigEndian.PutUint32(matrix[4*i:], uint32(n))
	}
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// composeFails runs compose, which must end with the given code, and returns what it says on standard error.
func composeFails(t *testing.T, code int, manifest, out string, arguments ...string) string {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), append([]string{"compose", "--room", manifest, "-o", out}, arguments...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if command.Run(); command.ProcessState.ExitCode() != code {
		t.Errorf("compose ended with code %d, want %d: %s", command.ProcessState.ExitCode(), code, &stderr)
	}
	return stderr.String()
}

// A camera whose packets have all lost their keyframe bit cannot be decoded, and its index does not tell.
func TestCompose_SaysWhatIsMissing(t *testing.T) {
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "film.mp4")
	room := fixture.Room{Recordings: fixture.Pair("alice", fixture.People[0], 0, 2*time.Second)}
	manifest := room.Make(t, folder)
	camera := filepath.Join(folder, "alice-camera.mkv")
	data, err := os.ReadFile(camera)
	must(t, data, err)
	index, _, err := demux.ReadIndex(bytes.NewReader(data), int64(len(data)), "")
	for _, p := range must(t, index, err).Packets {
		data[p.Pos] |= 1
	}
	must(t, 0, os.WriteFile(camera, data, 0o644))
	for _, want := range []string{
		"warning: alice-camera: it is missing from the film: no packet of it could be decoded (decode vp8: ",
		"done in part: alice-camera is missing from the film",
	} {
		if said := composeFails(t, 3, manifest, out); !strings.Contains(said, want) {
			t.Errorf("got %q, want %q", said, want)
		}
	}
	if film := fixture.Open(t, out); film.Video == nil || film.Audio == nil {
		t.Errorf("the film has not both streams: %+v", film)
	}

	room.Recordings = room.Recordings[:1]
	manifest = room.Make(t, folder)
	must(t, 0, os.WriteFile(camera, data, 0o644))
	out = filepath.Join(folder, "nothing.mp4")
	if said := composeFails(t, 2, manifest, out); !strings.Contains(said, "no recording of the composition can be decoded: alice-camera: ") {
		t.Errorf("got %q", said)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there is a film of nothing")
	}
}

// Opus of several streams, as Chrome's multiopus writes it, is heard as loudly as players play it.
func TestCompose_MixesMultistreamOpusDown(t *testing.T) {
	fixture.Need(t, "ffmpeg")
	folder := t.TempDir()
	manifest := filepath.Join(folder, "room.json")
	must(t, 0, os.WriteFile(manifest, []byte(`{"recordings": [
		{"participant": "alice", "track_name": "microphone", "type": "audio", "file": "alice.mka", "offset_ms": 0}]}`), 0o644))
	for _, encoder := range []string{"-ac 6 -mapping_family 1", "-ac 2 -mapping_family 1", "-ac 2 -mapping_family 255"} {
		recording, out := filepath.Join(folder, "alice.mka"), filepath.Join(folder, "film.mp4")
		fixture.FFmpeg(t, append(strings.Fields("-f lavfi -i sine=440:r=48000:d=2 -c:a libopus "+encoder), recording)...)
		loudness := func(path string) float64 {
			said, err := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-i", path, "-ac", "2", "-af", "volumedetect", "-f", "null", "-").CombinedOutput()
			_, after, _ := strings.Cut(string(must(t, said, err)), "mean_volume: ")
			text, _, _ := strings.Cut(after, " ")
			value, err := strconv.ParseFloat(text, 64)
			return must(t, value, err)
		}
		roomreel(t, "compose", "--room", manifest, "-o", out)
		if want, got := loudness(recording), loudness(out); math.Abs(want-got) > 0.5 {
			t.Errorf("%s: the film has %.1f dB, players play %.1f dB", encoder, got, want)
		}
	}
}
