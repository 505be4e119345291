package e2e

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomreel/e2e/fixture"
)

// joinedPart is one of the files that are joined: 3 s with a flash and a beep at each second.
type joinedPart struct {
	person       int
	size         string
	video, audio string // arguments for ffmpeg; "" for none
	first        string // "a" when the file's first track is the audio
}

const joinedSeconds = 3

func (p joinedPart) make(t *testing.T, path, format string) []byte {
	t.Helper()
	person := fixture.People[p.person]
	c := person.Colour
	var args, maps []string
	input := func(filter string) {
		maps = append(maps, "-map", fmt.Sprint(len(maps)/2))
		args = append(args, "-f", "lavfi", "-i", filter)
	}
	video := fmt.Sprintf("color=c=0x%02x%02x%02x:s=%s:r=25:d=%d,drawbox=c=white:t=fill:enable='lt(mod(t+0.0005,1),0.1)'", c.R, c.G, c.B, p.size, joinedSeconds)
	audio := fmt.Sprintf("aevalsrc='0.25*sin(2*PI*%f*t)*lt(mod(t,1),0.1)':s=48000:d=%d", person.Tone, joinedSeconds)
	if p.audio != "" && p.first == "a" {
		input(audio)
	}
	if p.video != "" {
		input(video)
	}
	if p.audio != "" && p.first != "a" {
		input(audio)
	}
	args = append(append(args, maps...), strings.Fields(p.video+" "+p.audio+" "+format)...)
	fixture.FFmpeg(t, append(args, path)...)
	data, err := os.ReadFile(path)
	return must(t, data, err)
}

// Files of a recorder that was restarted are joined as they are. Each part is decoded with its own headers, and flashes and beeps
// are in their places in all of them.
func TestCompose_JoinedFilesAreOneRecording(t *testing.T) {
	fixture.Need(t, "ffmpeg")
	const (
		vp8   = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 600k -g 100000"
		vp9   = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 600k -g 100000"
		h264  = "-c:v libx264 -preset ultrafast -bf 2 -b_strategy 0 -g 1000 -pix_fmt yuv420p"
		main  = "-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -g 1000 -pix_fmt yuv420p"
		opus  = "-c:a libopus -b:a 32k -ac 1"
		delay = "-c:a libopus -b:a 64k -ac 2 -application lowdelay -frame_duration 10"
		frags = "-f mp4 -movflags frag_keyframe+delay_moov+default_base_moof -frag_duration 700000"
	)
	for name, test := range map[string]struct {
		format string
		parts  []joinedPart
		late   time.Duration // by how much the files are longer than 3 s, by their own clocks
	}{
		"webm":         {"-f webm", []joinedPart{{0, "320x240", vp8, opus, ""}, {1, "640x360", vp8, delay, ""}, {2, "160x240", vp9, opus, ""}}, 7 * ms},
		"webm_live":    {"-f webm -live 1", []joinedPart{{0, "320x240", vp8, opus, ""}, {1, "640x360", vp8, delay, ""}}, 7 * ms},
		"mkv_swapped":  {"-f matroska", []joinedPart{{0, "320x240", vp8, opus, ""}, {1, "640x360", h264, "-c:a pcm_mulaw -ar 8000 -ac 1", "a"}, {2, "320x180", main, "-c:a aac -ar 44100", ""}}, 30 * ms},
		"mp4":          {"-f mp4", []joinedPart{{0, "320x240", h264, "-c:a aac -ar 44100 -ac 1", ""}, {1, "640x360", main, "-c:a aac -ar 48000 -ac 2", "a"}, {2, "640x360", h264, "-c:a libopus", ""}}, 0},
		"mp4_first":    {"-f mp4 -movflags faststart", []joinedPart{{0, "320x240", h264, "-c:a aac", ""}, {1, "320x240", main, "-c:a aac -ar 32000", ""}}, 0},
		"mp4_fragment": {frags, []joinedPart{{0, "320x240", h264, "-c:a aac -ar 44100", ""}, {1, "640x360", main, "-c:a aac -ar 48000", "a"}, {2, "320x240", vp9, opus, ""}}, 30 * ms},
		"mp4_offsets":  {"-f mp4 -movflags frag_keyframe+empty_moov", []joinedPart{{0, "320x240", main, "-c:a aac", ""}, {1, "640x360", main, "-c:a aac", ""}}, 45 * ms},
		"ogg":          {"-f ogg", []joinedPart{{0, "", "", opus, ""}, {1, "", "", delay, ""}, {2, "", "", "-c:a libopus -frame_duration 60", ""}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var all []byte
			for i, p := range test.parts {
				all = append(all, p.make(t, filepath.Join(dir, fmt.Sprint("part", i)), test.format)...)
			}
			file := filepath.Join(dir, "joined")
			must(t, 0, os.WriteFile(file, all, 0o644))
			entries := `{"file": "joined", "type": "audio", "participant": "a", "track_name": "mic", "offset_ms": 0}`
			if test.parts[0].video != "" {
				entries += `, {"file": "joined", "type": "video", "participant": "a", "track_name": "cam", "offset_ms": 0}`
			}
			manifest := filepath.Join(dir, "room.json")
			must(t, 0, os.WriteFile(manifest, []byte(`{"recordings": [`+entries+`]}`), 0o644))
			out := filepath.Join(dir, "film.mp4")
			made := roomreel(t, "compose", "--room", manifest, "--resolution", "640x360", "--set", "compose.chunk=2s", "-o", out)
			if len(made.Warnings) > 0 {
				t.Errorf("warnings: %q", made.Warnings)
			}
			checkJoined(t, fixture.Open(t, out), test.parts, test.late)
		})
	}
}

func checkJoined(t *testing.T, film *fixture.Film, parts []joinedPart, late time.Duration) {
	t.Helper()
	length := time.Duration(len(parts)*joinedSeconds) * time.Second
	if off := film.Duration - length; off < -ms || off > time.Duration(len(parts))*late+2*frameTime {
		t.Errorf("the film lasts %v, want %v", film.Duration, length)
	}
	samples := film.Samples(t)
	cell := image.Rect(240, 100, 400, 260) // shown of every part
	var flashes []fixture.Span
	if film.Video != nil {
		flashes = film.Flashes(t, cell)
		if len(flashes) != len(parts)*joinedSeconds {
			t.Errorf("%d flashes: %v", len(flashes), flashes)
			flashes = nil
		}
	}
	for i, p := range parts {
		begin := time.Duration(i*joinedSeconds) * time.Second
		beeps := fixture.Beeps(samples, fixture.People[p.person].Tone)
		if len(beeps) != joinedSeconds {
			t.Errorf("part %d: beeps %v", i, beeps)
			continue
		}
		for n, beep := range beeps {
			at := begin + time.Duration(n)*time.Second
			off := beep.Start - at
			if off < -5*ms || off > time.Duration(i+1)*late+5*ms {
				t.Errorf("part %d: beep %d is at %v, want %v", i, n, beep.Start, at)
			}
			if flashes == nil {
				continue
			}
			if apart := flashes[i*joinedSeconds+n].Start - at - off; apart < -25*ms || apart > frameTime {
				t.Errorf("part %d: flash %d is at %v, want it at the beep, %v", i, n, flashes[i*joinedSeconds+n].Start, beep.Start)
			}
		}
		if film.Video == nil {
			continue
		}
		var times []time.Duration
		for at := begin + 120*ms; at < begin+joinedSeconds*time.Second; at += frameTime {
			if at%time.Second > 240*ms {
				times = append(times, at)
			}
		}
		for k, frame := range film.Sample(t, times...) {
			if who := fixture.Who(frame, cell, fixture.People); who != p.person {
				t.Errorf("part %d: at %v the film shows %d, want %d", i, times[k], who, p.person)
				break
			}
		}
	}
}

// What a joined file goes on with that cannot be used is left out and named. What comes after it is in its place.
func TestCompose_NamesWhatAJoinedFileGoesOnWith(t *testing.T) {
	fixture.Need(t, "ffmpeg")
	dir := t.TempDir()
	const vp8, opus = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 600k -g 100000", "-c:a libopus -b:a 32k -ac 1"
	parts := []joinedPart{{0, "320x240", vp8, opus, ""}, {1, "320x240", "-c:v mpeg4 -b:v 800k", "-c:a flac", ""}, {2, "320x240", "", opus, ""}, {3, "320x180", vp8, opus, ""}}
	var all []byte
	for i, p := range parts {
		all = append(all, p.make(t, filepath.Join(dir, fmt.Sprint("part", i)), "-f matroska")...)
	}
	file, manifest, out := filepath.Join(dir, "joined.mkv"), filepath.Join(dir, "room.json"), filepath.Join(dir, "film.mp4")
	must(t, 0, os.WriteFile(file, all, 0o644))
	must(t, 0, os.WriteFile(manifest, []byte(`{"recordings": [
		{"file": "joined.mkv", "type": "video", "participant": "a", "track_name": "cam", "offset_ms": 0},
		{"file": "joined.mkv", "type": "audio", "participant": "a", "track_name": "mic", "offset_ms": 0}]}`), 0o644))
	made := roomreel(t, "compose", "--room", manifest, "--resolution", "320x240", "--report", filepath.Join(dir, "report.json"), "-o", out)
	warnings := strings.Join(made.Warnings, "\n")
	for _, want := range []string{
		`cam: from 3.0\d\d s on the file goes on with codec "V_MPEG4/ISO/ASP", which is left out`,
		`cam: from 3.0\d\d s on the file goes on without video tracks`,
		`mic: from 3.0\d\d s on the file goes on with codec "A_FLAC", which is left out`,
	} {
		if !regexp.MustCompile(want).MatchString(warnings) {
			t.Errorf("warnings are %q, want %q", warnings, want)
		}
	}
	text, err := exec.Command(filepath.Join(bin, "roomreel"), "inspect", file).Output()
	for _, want := range []string{
		`parts +vp8, 320x240, from 0:00.000, vp8, 320x180, from 0:09.0\d\d`,
		`left out +from 0:03.0\d\d on the file goes on with codec "V_MPEG4/ISO/ASP"`,
	} {
		if !regexp.MustCompile(want).Match(must(t, text, err)) {
			t.Errorf("inspect says %s, want %q", text, want)
		}
	}
	text, err = exec.Command(filepath.Join(bin, "roomreel"), "report", filepath.Join(dir, "report.json")).Output()
	if want := regexp.MustCompile(`parts +vp8 from 0.000 s \(320x240\), vp8 from 9.0\d\d s \(320x180\)`); !want.Match(must(t, text, err)) {
		t.Errorf("the report says %s", text)
	}
	film := fixture.Open(t, out)
	samples := film.Samples(t)
	for i, want := range map[int][]time.Duration{0: {0, 1, 2}, 2: {6, 7, 8}, 3: {9, 10, 11}} {
		beeps := fixture.Beeps(samples, fixture.People[i].Tone)
		if len(beeps) != len(want) {
			t.Errorf("part %d: beeps %v", i, beeps)
			continue
		}
		for n, beep := range beeps {
			if off := beep.Start - want[n]*time.Second; off < -5*ms || off > 100*ms { // packets of FLAC last up to 96 ms
				t.Errorf("part %d: beep %d is at %v", i, n, beep.Start)
			}
		}
	}
	for n, frame := range film.Sample(t, 2500*ms, 9700*ms) {
		if who := fixture.Who(frame, image.Rect(100, 100, 200, 140), fixture.People); who != []int{0, 3}[n] {
			t.Errorf("sample %d shows %d", n, who)
		}
	}
}
