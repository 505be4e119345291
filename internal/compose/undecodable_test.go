package compose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roomreel"
	"roomreel/internal/plan"
)

// undecodable overwrites a recording so that its index is as before, and no packet of it can be decoded: VP8 loses its
// keyframes, and Opus packets claim more padding than they have bytes.
func undecodable(t *testing.T, path string, kind roomreel.TrackKind) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range readIndex(t, path, kind).Packets {
		packet := data[p.Pos : p.Pos+int64(p.Size)]
		if kind == roomreel.Video {
			packet[0] |= 1
			continue
		}
		packet[0] |= 3
		packet[1] = 0x41
		for i := range packet[2:] {
			packet[2+i] = 0xff
		}
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLocal_NamesWhatCannotBeDecoded(t *testing.T) {
	dir := t.TempDir()
	record := func(name, source, codec string) string {
		path := filepath.Join(dir, name)
		ffmpeg(t, "-f", "lavfi", "-i", source, "-c", codec, path)
		return path
	}
	video, tone := "testsrc=s=64x48:r=10:d=1", "sine=440:d=1:r=48000"
	good, badVideo := record("good.mka", tone, "libopus"), undecodable(t, record("camera.mkv", video, "libvpx"), roomreel.Video)
	badAudio := undecodable(t, record("microphone.mka", tone, "libopus"), roomreel.Audio)

	var room testRoom
	room.add(t, roomreel.Audio, 0, good)
	room.add(t, roomreel.Video, 0, badVideo)
	room.add(t, roomreel.Audio, 0, badAudio)
	_, result := room.compose(t, room.plan(t, roomreel.MP4, nil))
	if got := strings.Join(result.Report.Missing(), " "); got != "camera.mkv microphone.mka" {
		t.Errorf("missing: %q", got)
	}
	for _, track := range result.Report.Tracks {
		switch track.Name {
		case "good.mka":
			if track.Missing || track.Decoded == 0 || track.Audible < 0.9 {
				t.Errorf("%+v", track)
			}
		default:
			if !track.Missing || track.Decoded != 0 || track.Shown != 0 || track.Audible != 0 || track.Refusal == "" {
				t.Errorf("%+v", track)
			}
		}
	}
	if w := result.Report.Warnings; len(w) != 2 || !strings.HasPrefix(w[0], "camera.mkv: it is missing from the film: no packet") ||
		!strings.Contains(w[0], "decode vp8") || !strings.Contains(w[1], "decode opus") {
		t.Errorf("warnings: %q", w)
	}
}

func TestLocal_FailsWhenNothingIsDecoded(t *testing.T) {
	dir := t.TempDir()
	camera, microphone := filepath.Join(dir, "camera.mkv"), filepath.Join(dir, "microphone.mka")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1", "-c:v", "libvpx", camera)
	ffmpeg(t, "-f", "lavfi", "-i", "sine=440:d=1:r=48000", "-c:a", "libopus", microphone)
	var room testRoom
	room.add(t, roomreel.Video, 0, undecodable(t, camera, roomreel.Video))
	room.add(t, roomreel.Audio, 0, undecodable(t, microphone, roomreel.Audio))
	out := filepath.Join(dir, "film.mp4")
	_, err := room.local(t, room.plan(t, roomreel.MP4, nil), out)
	var known *roomreel.Error
	if !errors.As(err, &known) || known.Code != roomreel.Invalid || known.Twilio != 53630 || !strings.Contains(known.Detail, "camera.mkv: no packet of it could be decoded (decode vp8") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("there is a film: %v", err)
	}
}

// What a child decoded for finished chunks counts although it died later, and the next child counts nothing of it twice.
func TestLocal_CountsWhatAChildDidBeforeItDied(t *testing.T) {
	var room testRoom
	for _, name := range []string{"good.mkv", "crash.mkv"} {
		path := filepath.Join(t.TempDir(), name)
		ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=10", "-c:v", "libvpx", path)
		room.add(t, roomreel.Video, 0, path)
	}
	film := room.plan(t, roomreel.MP4, func(o *plan.Options) { o.Parallel = 1 })
	if len(film.Video) != 1 || len(film.Video[0].Chunks) < 3 {
		t.Fatalf("%d tasks", len(film.Video))
	}
	film.Video[0].Tracks[1].Media.Codec = "crash"
	_, result := room.compose(t, film)
	r := result.Report
	if strings.Join(r.Missing(), " ") != "crash.mkv" || !r.Tracks[1].Lost {
		t.Errorf("missing %v, tracks %+v", r.Missing(), r.Tracks)
	}
	if good := r.Tracks[0]; good.Decoded != 100 || good.Shown != 250 || len(good.Seen) != 1 {
		t.Errorf("%+v", good)
	}
}
