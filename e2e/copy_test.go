package e2e

import (
	"encoding/json"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	vocabulary "roomreel"
	"roomreel/e2e/fixture"
)

// copyReport holds what the report of a film says about copying.
type copyReport struct {
	VideoCopied     bool   `json:"video_copied"`
	AudioCopied     bool   `json:"audio_copied"`
	WhyVideoEncoded string `json:"why_video_encoded"`
	WhyAudioEncoded string `json:"why_audio_encoded"`
}

// composeCopied composes a room whose frames have 320x240 pixels, and returns what the report says.
func composeCopied(t *testing.T, manifest, out string, arguments ...string) copyReport {
	t.Helper()
	report := out + ".json"
	roomreel(t, append([]string{"compose", "--room", manifest, "--resolution", "320x240", "--report", report, "-o", out}, arguments...)...)
	text, err := os.ReadFile(report)
	var r copyReport
	must(t, 0, json.Unmarshal(must(t, text, err), &r))
	return r
}

// soloRoom is a camera and a microphone of 4 s. Their files are made anew by ffmpeg with the given arguments, unless these are nil.
func soloRoom(t *testing.T, camera, microphone fixture.Recording, repackCamera, repackMicrophone []string) string {
	t.Helper()
	dir := t.TempDir()
	camera.Participant, camera.Name, camera.Kind, camera.Person = "alice", "camera", vocabulary.Video, fixture.People[0]
	microphone.Participant, microphone.Name, microphone.Kind, microphone.Person = "alice", "microphone", vocabulary.Audio, fixture.People[0]
	for _, r := range []*fixture.Recording{&camera, &microphone} {
		if r.Length == 0 {
			r.Length = 4 * time.Second
		}
	}
	manifest := fixture.Room{Recordings: []fixture.Recording{camera, microphone}}.Make(t, dir)
	for name, arguments := range map[string][]string{"camera.mkv": repackCamera, "microphone.mka": repackMicrophone} {
		if arguments != nil {
			path := filepath.Join(dir, name)
			fixture.FFmpeg(t, append(append([]string{"-i", path}, arguments...), path+".new")...)
			must(t, 0, os.Rename(path+".new", path))
		}
	}
	return manifest
}

// cameraEncoder encodes as cameras and file encoders do: frames are reordered, and keyframes come often.
var cameraEncoder = []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "30", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"}

func TestCompose_CopiesARecordingThatFillsTheFilm(t *testing.T) {
	type recording = fixture.Recording
	for _, test := range []struct {
		name                       string
		camera, microphone         recording
		makeCamera, makeMicrophone []string
		format                     string
		audio                      bool // is copied
	}{
		{"vp8_opus", recording{}, recording{}, nil, nil, "webm", true},
		{"vp8_opus_camera_first", recording{}, recording{Offset: 320 * ms, Length: 3680 * ms}, nil, nil, "webm", true},
		{"vp8_opus_microphone_first", recording{Offset: 230 * ms}, recording{}, nil, nil, "webm", true},
		{"h264_opus", recording{Codec: "h264"}, recording{}, nil, nil, "mp4", false},
		{"h264_aac", recording{}, recording{}, append(cameraEncoder, "-f", "mp4"), []string{"-c:a", "aac", "-f", "mp4"}, "mp4", true},
		{"h264_aac_camera_first", recording{}, recording{Offset: 320 * ms, Length: 3680 * ms}, append(cameraEncoder, "-f", "matroska"), []string{"-c:a", "aac", "-f", "mp4"}, "mp4", true},
		{"h264_aac_microphone_first", recording{Offset: 230 * ms}, recording{}, append(cameraEncoder, "-f", "mp4", "-movflags", "empty_moov+frag_keyframe"), []string{"-c:a", "aac", "-f", "mp4"}, "mp4", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest := soloRoom(t, test.camera, test.microphone, test.makeCamera, test.makeMicrophone)
			out := filepath.Join(t.TempDir(), "film."+test.format)
			r := composeCopied(t, manifest, out)
			if !r.VideoCopied || r.AudioCopied != test.audio {
				t.Errorf("copied video %t (%s), audio %t (%s)", r.VideoCopied, r.WhyVideoEncoded, r.AudioCopied, r.WhyAudioEncoded)
			}
			film := fixture.Open(t, out)
			source := fixture.Open(t, filepath.Join(filepath.Dir(manifest), "camera.mkv"))
			if len(film.Video.Times) != len(source.Video.Times) {
				t.Fatalf("%d frames, the recording has %d", len(film.Video.Times), len(source.Video.Times))
			}
			for i, at := range film.Video.Times {
				if want := source.Video.Times[i] - source.Video.Times[0] + test.camera.Offset; (at - want).Abs() > ms {
					t.Fatalf("frame %d is shown at %v, want %v", i, at, want)
				}
			}
			if test.makeCamera != nil {
				checkColours(t, out, "bt709")
			} else {
				checkColoursOfContainer(t, out)
			}
			flashes, beeps := film.Flashes(t, image.Rect(0, 0, 320, 240)), beepsOf(t, out, fixture.People[0].Tone)
			recorded := beepsOf(t, filepath.Join(filepath.Dir(manifest), "microphone.mka"), fixture.People[0].Tone)
			if len(flashes) != 4 || len(beeps) != 4 {
				t.Fatalf("flashes %v and beeps %v, want 4 of each", flashes, beeps)
			}
			for i := range flashes {
				second := time.Duration(i) * time.Second
				if late := flashes[i].Start - second - test.camera.Offset; late < -ms || late > 34*ms {
					t.Errorf("flash %d is at %v, %v late", i, flashes[i].Start, late)
				}
				if off := beeps[i] - recorded[i] - test.microphone.Offset; off.Abs() > ms {
					t.Errorf("beep %d is at %v, %v off", i, beeps[i], off)
				}
			}
		})
	}
}

// beepsOf returns when a tone begins in a file whose audio may begin later than the file.
func beepsOf(t *testing.T, path string, tone float64) (begins []time.Duration) {
	t.Helper()
	own := path + ".nut"
	fixture.FFmpeg(t, "-copyts", "-i", path, "-vn", "-c:a", "pcm_s16le", own)
	text, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-read_intervals", "%+#1", "-of", "csv=p=0", own).Output()
	must(t, text, err)
	first, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	must(t, first, err)
	for _, beep := range fixture.Beeps(fixture.Open(t, own).Samples(t), tone) {
		begins = append(begins, beep.Start+time.Duration(first*1e9))
	}
	return begins
}

// checkColoursOfContainer checks that the container says BT.601, whatever the stream says.
func checkColoursOfContainer(t *testing.T, path string) {
	t.Helper()
	film, err := os.ReadFile(path)
	must(t, film, err)
	said := "colrnclx\x00\x06\x00\x06\x00\x06\x00"
	if filepath.Ext(path) == ".webm" {
		said = "\x55\xb1\x81\x06" // MatrixCoefficients
	}
	if !strings.Contains(string(film), said) {
		t.Error("the container does not say BT.601")
	}
}

func TestCompose_EncodesWhatCannotBeCopied(t *testing.T) {
	type recording = fixture.Recording
	for _, test := range []struct {
		name               string
		camera, microphone recording
		format             string
		arguments          []string
		video, audio       string // why it is encoded, a part of it; "" for copied
	}{
		{name: "never", format: "webm", arguments: []string{"--copy", "never"}, video: "compose.copy is never", audio: "compose.copy is never"},
		{name: "other_codec", camera: recording{Codec: "vp9"}, format: "webm", video: "it has vp9"},
		{name: "other_format", format: "mp4", video: "it has vp8", audio: "it has opus"},
		{name: "late_camera", camera: recording{Offset: 900 * ms, Length: 3 * time.Second}, format: "webm", video: "it begins 0.900 s after the film"},
		{name: "late_microphone", microphone: recording{Offset: 900 * ms, Length: 3 * time.Second}, format: "webm", audio: "it begins 0.900 s after the film"},
		{name: "early_end", camera: recording{Length: 3 * time.Second}, format: "webm", video: "s before the film"},
		{name: "camera_off", camera: recording{Length: 8 * time.Second, Gaps: []fixture.Span{{Start: 1100 * ms, End: 4500 * ms}}}, microphone: recording{Length: 8 * time.Second}, format: "webm", video: "no frame for longer"},
		{name: "gap_in_audio", microphone: recording{Gaps: []fixture.Span{{Start: 1300 * ms, End: 1800 * ms}}}, format: "webm", audio: "it has gaps"},
		{name: "other_size", camera: recording{Sizes: []image.Point{{640, 480}}}, format: "webm", video: "640x480 pixels, and the film has 320x240"},
		{name: "size_changes", camera: recording{Sizes: []image.Point{{320, 240}, {160, 120}}}, format: "webm", video: "160x120 pixels, and the film has 320x240"},
		{name: "sets_change", camera: recording{Codec: "h264", Sizes: []image.Point{{320, 240}, {160, 120}}}, format: "mp4", video: "s", audio: "it has opus"},
		{name: "cell", format: "webm", arguments: []string{"--layout", `{"a": {"video_sources": ["*"], "width": 160}}`}, video: "its cell has 160x240"},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest := soloRoom(t, test.camera, test.microphone, nil, nil)
			r := composeCopied(t, manifest, filepath.Join(t.TempDir(), "film."+test.format), test.arguments...)
			check := func(what string, copied bool, why, want string) {
				if copied != (want == "") || !strings.Contains(why, want) {
					t.Errorf("%s: copied %t, %q, want %q", what, copied, why, want)
				}
			}
			check("video", r.VideoCopied, r.WhyVideoEncoded, test.video)
			check("audio", r.AudioCopied, r.WhyAudioEncoded, test.audio)
		})
	}
}

// Recordings that cannot be copied are found to be so, and the film is right all the same.
func TestCompose_EncodesADamagedRecording(t *testing.T) {
	manifest := soloRoom(t, fixture.Recording{}, fixture.Recording{}, nil, nil)
	path := filepath.Join(filepath.Dir(manifest), "camera.mkv")
	whole, err := os.ReadFile(path)
	must(t, whole, err)
	out := filepath.Join(t.TempDir(), "film.webm")
	if r := composeCopied(t, manifest, out); !r.VideoCopied {
		t.Fatalf("the whole recording is not copied: %s", r.WhyVideoEncoded)
	}
	film := fixture.Open(t, out)
	for _, cut := range []int{len(whole) / 2, len(whole) * 9 / 10} {
		must(t, 0, os.WriteFile(path, whole[:cut], 0o644))
		r := composeCopied(t, manifest, out)
		if r.VideoCopied || fixture.Open(t, out).Duration > film.Duration+frameTime {
			t.Errorf("cut at byte %d of %d, it is copied", cut, len(whole))
		}
		t.Logf("cut at byte %d: %s", cut, r.WhyVideoEncoded)
	}
}
