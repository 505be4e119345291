package e2e

import (
	"encoding/json"
	"image"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vocabulary "roomreel"
	"roomreel/e2e/fixture"
)

// importedFile is a recording of the mixed room.
type importedFile struct {
	participant string
	kind        vocabulary.TrackKind
	file        string // named without regard to its container
	contentType string
}

// mixedRoom is a room of participants who were recorded by different programs. Two of them have camera and microphone in one
// file, which stands for two recordings.
var mixedRoom = []importedFile{
	{"chrome", vocabulary.Video, "chrome.webm", "video/webm"},
	{"chrome", vocabulary.Audio, "chrome.webm", "audio/webm"},
	{"safari", vocabulary.Video, "safari.mp4", "video/mp4"},
	{"safari", vocabulary.Audio, "safari.mp4", "audio/mp4"},
	{"livekit", vocabulary.Video, "TR_camera.mp4", "video/mp4"},
	{"livekit", vocabulary.Audio, "TR_microphone.bin", "audio/ogg"},
	{"gstreamer", vocabulary.Video, "gstreamer.mkv", "video/mp4"},
	{"gstreamer", vocabulary.Audio, "gstreamer.mkv", "audio/mp4"},
}

var mixedPeople = []struct {
	name        string
	from, until time.Duration
	cell        image.Rectangle
}{
	{"chrome", 0, 8 * time.Second, image.Rect(0, 0, 320, 240)},
	{"safari", 1200 * ms, 8200 * ms, image.Rect(320, 0, 640, 240)},
	{"livekit", 2480 * ms, 9480 * ms, image.Rect(0, 240, 320, 480)},
	{"gstreamer", 3720 * ms, 8720 * ms, image.Rect(320, 240, 640, 480)},
}

const mixedLayout = `{
	"a": {"video_sources": ["chrome-video"], "x_pos": 0, "width": 320, "height": 240, "max_columns": 1},
	"b": {"video_sources": ["safari-video"], "x_pos": 320, "width": 320, "height": 240, "max_columns": 1},
	"c": {"video_sources": ["livekit-video"], "y_pos": 240, "width": 320, "height": 240, "max_columns": 1},
	"d": {"video_sources": ["gstreamer-video"], "x_pos": 320, "y_pos": 240, "width": 320, "height": 240, "max_columns": 1}
}`

// makeMixedRoom writes the files of the room as the programs write them, and returns the path of the manifest.
func makeMixedRoom(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var masters fixture.Room
	for i, p := range mixedPeople {
		pair := fixture.Pair(p.name, fixture.People[i], p.from, p.until-p.from)
		if p.name != "chrome" {
			pair[0].Codec = "h264"
		}
		masters.Recordings = append(masters.Recordings, pair...)
	}
	masters.Make(t, dir)
	in := func(name string) string { return filepath.Join(dir, name) }
	join := func(name, out string, arguments ...string) {
		fixture.FFmpeg(t, append(append([]string{"-i", in(name + "-camera.mkv"), "-i", in(name + "-microphone.mka"), "-c:v", "copy"}, arguments...), in(out))...)
	}
	// MediaRecorder of Chrome: clusters of unknown size, no duration, no cues.
	join("chrome", "chrome.webm", "-c:a", "copy", "-f", "webm", "-live", "1")
	// MediaRecorder of Safari: H.264 and AAC in fragments.
	join("safari", "safari.mp4", "-c:a", "aac", "-ar", "44100", "-movflags", "empty_moov+delay_moov+default_base_moof", "-frag_duration", "700000")
	// Track egress of LiveKit: H.264 in mp4, Opus in Ogg.
	fixture.FFmpeg(t, "-i", in("livekit-camera.mkv"), "-c", "copy", in("TR_camera.mp4"))
	fixture.FFmpeg(t, "-i", in("livekit-microphone.mka"), "-c", "copy", "-f", "ogg", "-page_duration", "20000", in("TR_microphone.bin"))
	// Track composite egress, whose mp4 GStreamer writes: the tables first, or last. The name does not fit.
	join("gstreamer", "gstreamer.mkv", "-c:a", "aac", "-b:a", "128k", "-f", "mp4", "-movflags", "faststart")

	type entry struct {
		File        string `json:"file"`
		Type        string `json:"type"`
		Participant string `json:"participant"`
		TrackName   string `json:"track_name"`
		Offset      int64  `json:"offset_ms"`
	}
	var manifest struct {
		Recordings []entry `json:"recordings"`
	}
	for _, r := range mixedRoom {
		for _, p := range mixedPeople {
			if p.name == r.participant {
				name := r.participant + "-" + string(r.kind)
				manifest.Recordings = append(manifest.Recordings, entry{r.file, string(r.kind), r.participant, name, p.from.Milliseconds()})
			}
		}
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	path := in("mixed.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkMixedRoom(t *testing.T, film *fixture.Film) {
	t.Helper()
	samples := film.Samples(t)
	for i, p := range mixedPeople {
		checkPersonInSync(t, film, samples, p.cell, fixture.People[i], p.from, int((p.until-p.from)/time.Second))
	}
}

func TestMedia_FilesOfManyRecordersComposeInSync(t *testing.T) {
	manifest := makeMixedRoom(t)
	layout := filepath.Join(t.TempDir(), "layout.json")
	if err := os.WriteFile(layout, []byte(mixedLayout), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("compose", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "film.mp4")
		roomreel(t, "compose", "--room", manifest, "--layout", layout, "--set", "compose.chunk=3s", "-o", out)
		checkMixedRoom(t, fixture.Open(t, out))
	})
	t.Run("server", func(t *testing.T) {
		s := serve(t, t.TempDir(), "--set", "compose.chunk=3s")
		room, uploaded, _ := s.importRoom(t, manifest, "--complete")
		if uploaded != len(mixedRoom) {
			t.Errorf("%d recordings were uploaded, want %d", uploaded, len(mixedRoom))
		}
		var regions map[string]any
		if err := json.Unmarshal([]byte(mixedLayout), &regions); err != nil {
			t.Fatal(err)
		}
		film, _ := s.composeWithLayout(t, s.twilio(t), room, "640x480", regions, "*")
		checkMixedRoom(t, film)
		s.checkServedAsUploaded(t, room, filepath.Dir(manifest))
	})
}

// checkServedAsUploaded checks that every recording of the mixed room is served byte for byte under its true content type.
func (s *service) checkServedAsUploaded(t *testing.T, room, dir string) {
	t.Helper()
	get := func(path string) (*http.Response, []byte) {
		q, err := http.NewRequest(http.MethodGet, s.url+path, nil)
		must(t, q, err).SetBasicAuth(s.account, s.token)
		answer, err := http.DefaultClient.Do(q)
		defer must(t, answer, err).Body.Close()
		body, err := io.ReadAll(answer.Body)
		return answer, must(t, body, err)
	}
	var list struct {
		Recordings []struct {
			SID       string `json:"sid"`
			TrackName string `json:"track_name"`
			Container string `json:"container_format"`
		} `json:"recordings"`
	}
	_, body := get("/v1/Rooms/" + room + "/Recordings")
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Recordings) != len(mixedRoom) {
		t.Errorf("%d recordings are listed, want %d", len(list.Recordings), len(mixedRoom))
	}
	for _, r := range list.Recordings {
		for _, want := range mixedRoom {
			if r.TrackName != want.participant+"-"+string(want.kind) {
				continue
			}
			answer, media := get("/v1/Recordings/" + r.SID + "/Media")
			file, err := os.ReadFile(filepath.Join(dir, want.file))
			if string(must(t, file, err)) != string(media) || answer.Header.Get("Content-Type") != want.contentType {
				t.Errorf("%s: %d bytes of %s, want %d of %s", r.TrackName, len(media), answer.Header.Get("Content-Type"), len(file), want.contentType)
			}
			if !strings.HasPrefix(r.Container, "mk") { // Twilio's word, whatever the file is
				t.Errorf("%s: container %s", r.TrackName, r.Container)
			}
		}
	}
}
