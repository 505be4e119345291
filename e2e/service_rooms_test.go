package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	video "github.com/twilio/twilio-go/rest/video/v1"

	vocabulary "roomreel"
	"roomreel/e2e/fixture"
	"roomreel/internal/compose"
)

// composeWithLayout composes a film with a layout and returns the film and its report.
func (s *service) composeWithLayout(t *testing.T, api *twilio.RestClient, room, size string, layout any, audioSources ...string) (*fixture.Film, compose.Report) {
	t.Helper()
	params := (&video.CreateCompositionParams{}).SetRoomSid(room).SetVideoLayout(layout).SetFormat("mp4").SetResolution(size)
	if len(audioSources) > 0 {
		params.SetAudioSources(audioSources)
	}
	composition, err := api.VideoV1.CreateComposition(params)
	sid := *must(t, composition, err).Sid
	film := s.film(t, api, sid)
	q, err := http.NewRequest(http.MethodGet, s.url+"/roomreel/v1/Compositions/"+sid+"/Report", nil)
	must(t, q, err).SetBasicAuth(s.account, s.token)
	answer, err := http.DefaultClient.Do(q)
	defer must(t, answer, err).Body.Close()
	var body struct{ Report compose.Report }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatalf("report: %d, %v", answer.StatusCode, err)
	}
	return film, body.Report
}

// checkPersonInSync checks that a person flashes n times in a rectangle and beeps n times, at every second from first on, and
// that flashes and beeps are in sync.
func checkPersonInSync(t *testing.T, film *fixture.Film, samples []float32, place image.Rectangle, person fixture.Person, first time.Duration, n int) {
	t.Helper()
	flashes, beeps := film.Flashes(t, place), fixture.Beeps(samples, person.Tone)
	if len(flashes) != n || len(beeps) != n {
		t.Errorf("%d flashes and %d beeps of %v Hz, want %d of each", len(flashes), len(beeps), person.Tone, n)
		return
	}
	for i := range n {
		at := first + time.Duration(i)*time.Second
		if late := flashes[i].Start - at; late < -2*ms || late > frameTime+2*ms {
			t.Errorf("%v Hz: flash %d is at %v, want %v or up to one frame later", person.Tone, i, flashes[i].Start, at)
		}
		if off := beeps[i].Start - at; off.Abs() > 20*ms {
			t.Errorf("%v Hz: beep %d is at %v, want %v", person.Tone, i, beeps[i].Start, at)
		}
		if off := flashes[i].Start - beeps[i].Start; off.Abs() > frameTime+2*ms {
			t.Errorf("%v Hz: flash and beep %d are %v apart", person.Tone, i, off)
		}
	}
}

// TestService_ComposesARealisticRoom uses every codec, a video that changes its size a dozen times, audio without packets
// during silence, a truncated recording, and offsets of almost a year.
func TestService_ComposesARealisticRoom(t *testing.T) {
	const base, length = 300 * 24 * time.Hour, 6 * time.Second
	camera := func(i int, name, codec string) fixture.Recording {
		return fixture.Recording{Participant: name, Name: name + "-camera", Kind: vocabulary.Video, Codec: codec, Offset: base, Length: length, Person: fixture.People[i]}
	}
	microphone := func(i int, name, codec string) fixture.Recording {
		return fixture.Recording{Participant: name, Name: name + "-microphone", Kind: vocabulary.Audio, Codec: codec, Offset: base, Length: length, Person: fixture.People[i]}
	}
	quiet := microphone(0, "alice", "opus")
	for second := range 6 { // no packets between beeps
		from := time.Duration(second)*time.Second + 300*ms
		quiet.Gaps = append(quiet.Gaps, fixture.Span{Start: from, End: from + 400*ms})
	}
	rotating := camera(2, "carol", "vp8")
	for range 4 {
		rotating.Sizes = append(rotating.Sizes, image.Pt(320, 240), image.Pt(160, 120), image.Pt(240, 320))
	}
	room := fixture.Room{UniqueName: "real", Recordings: []fixture.Recording{
		camera(0, "alice", "h264"), quiet,
		camera(1, "bob", "vp9"), microphone(1, "bob", "pcmu"),
		rotating, microphone(2, "carol", "opus"),
		camera(3, "dave", "vp8"),
	}}
	dir := t.TempDir()
	manifest := room.Make(t, dir)
	truncated := filepath.Join(dir, "dave-camera.mkv")
	info, err := os.Stat(truncated)
	if err := os.Truncate(truncated, must(t, info, err).Size()*6/10); err != nil {
		t.Fatal(err)
	}
	s := serve(t, t.TempDir(), "--set", "compose.chunk=2s")
	api := s.twilio(t)
	sid, _, _ := s.importRoom(t, manifest, "--complete")

	layout := map[string]any{}
	var cells []image.Rectangle
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		place := image.Rect(0, 0, 320, 240).Add(image.Pt(i%2*320, i/2*240))
		cells = append(cells, place)
		layout[name] = map[string]any{
			"video_sources": []string{name + "-camera"}, "x_pos": place.Min.X, "y_pos": place.Min.Y, "width": 320, "height": 240, "max_columns": 1,
		}
	}
	film, report := s.composeWithLayout(t, api, sid, "640x480", layout, "*")
	if film.Duration < length || film.Duration > length+2*frameTime {
		t.Errorf("the film lasts %v, want %v", film.Duration, length)
	}
	samples := film.Samples(t)
	middle := image.Rect(120, 80, 200, 160) // the area that carol's video covers in portrait and in landscape
	checkPersonInSync(t, film, samples, cells[0], fixture.People[0], 0, 6)
	checkPersonInSync(t, film, samples, cells[1], fixture.People[1], 0, 6)
	checkPersonInSync(t, film, samples, middle.Add(cells[2].Min), fixture.People[2], 0, 6)
	seen := film.Sample(t, 1500*ms, 5500*ms)
	if who := fixture.Who(seen[0], cells[3], fixture.People); who != 3 {
		t.Errorf("before the truncation dave's cell shows %d", who)
	}
	if who := fixture.Who(seen[1], cells[3], fixture.People); who != fixture.Empty {
		t.Errorf("after the truncation dave's cell shows %d, want an empty cell", who)
	}
	for _, track := range report.Tracks {
		if track.Truncated != (track.Name == "dave-camera") || track.Lost || track.Errors > 0 {
			t.Errorf("report of %s: %+v", track.Name, track)
		}
		if track.Name == "carol-camera" && track.Sizes != 11 {
			t.Errorf("carol's video changed its size %d times, want 11", track.Sizes)
		}
	}
}

func TestService_ShowsNineParticipants(t *testing.T) {
	people := append([]fixture.Person{}, fixture.People...)
	people = append(people, fixture.Person{Colour: color.RGBA{90, 60, 20, 255}})
	var room fixture.Room
	for i, person := range people {
		room.Recordings = append(room.Recordings, fixture.Recording{
			Participant: fmt.Sprint("p", i), Name: fmt.Sprintf("camera-%d", i), Kind: vocabulary.Video, Length: time.Second, Person: person,
			Sizes: []image.Point{{160, 120}}, FPS: 10,
		})
	}
	s := serve(t, t.TempDir())
	api := s.twilio(t)
	sid, _, _ := s.importRoom(t, room.Make(t, t.TempDir()), "--complete")
	// at returns who is visible in the middle of each cell of an area.
	at := func(film *fixture.Film, area image.Rectangle, columns, rows int) (who []int) {
		seen := film.Sample(t, 500*ms)[0]
		w, h := area.Dx()/columns, area.Dy()/rows
		for i := range columns * rows {
			middle := area.Min.Add(image.Pt(i%columns*w+w/2, i/columns*h+h/2))
			who = append(who, fixture.Who(seen, image.Rect(-w/4, -w/8, w/4, w/8).Add(middle), people))
		}
		return who
	}
	checkDifferent := func(who []int, want int) {
		t.Helper()
		found := map[int]bool{}
		for _, i := range who {
			found[i] = i >= 0
		}
		if len(found) != want || found[fixture.Empty] || found[fixture.Unknown] {
			t.Errorf("cells show %v, want %d different people", who, want)
		}
	}
	film, _ := s.composeWithLayout(t, api, sid, "480x360", map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}})
	checkDifferent(at(film, image.Rect(0, 0, 480, 360), 3, 3), 9)

	film, _ = s.composeWithLayout(t, api, sid, "640x480", map[string]any{
		"speaker": map[string]any{"video_sources": []string{"camera-4"}, "height": 360},
		"others": map[string]any{
			"video_sources": []string{"camera-*"}, "video_sources_excluded": []string{"camera-4"}, "y_pos": 360, "height": 120, "max_rows": 1,
		},
	})
	if who := at(film, image.Rect(0, 0, 640, 360), 1, 1); who[0] != 4 {
		t.Errorf("the speaker's region shows %d, want 4", who[0])
	}
	checkDifferent(at(film, image.Rect(0, 360, 640, 480), 8, 1), 8)
}

// TestService_StaysInSyncToTheEnd: at the end of a film of 3 minutes, both the participant who was there from the start and the
// one who joined late are in sync.
func TestService_StaysInSyncToTheEnd(t *testing.T) {
	const length, late = 180 * time.Second, 170 * time.Second
	room := fixture.Room{Recordings: append(fixture.Pair("alice", fixture.People[0], 0, length), fixture.Pair("erin", fixture.People[2], late, length-late)...)}
	for i := range room.Recordings {
		room.Recordings[i].Sizes, room.Recordings[i].FPS = []image.Point{{128, 96}}, 10
	}
	s := serve(t, t.TempDir())
	api := s.twilio(t)
	sid, _, _ := s.importRoom(t, room.Make(t, t.TempDir()), "--complete")
	film, report := s.composeWithLayout(t, api, sid, "256x96", map[string]any{
		"alice": map[string]any{"video_sources": []string{"alice-camera"}, "width": 128},
		"erin":  map[string]any{"video_sources": []string{"erin-camera"}, "x_pos": 128, "width": 128},
	}, "*")
	if report.Chunks < 9 || strings.Join(report.Warnings, "") != "" {
		t.Errorf("%d chunks, warnings %v", report.Chunks, report.Warnings)
	}
	samples := film.Samples(t)
	checkPersonInSync(t, film, samples, image.Rect(0, 0, 128, 96), fixture.People[0], 0, 180)
	checkPersonInSync(t, film, samples, image.Rect(128, 0, 256, 96), fixture.People[2], late, 10)
}

// The report of a film tells people the same whether the film was composed by compose or by a server.
func TestReport_TellsWhoIsWhereAndWhen(t *testing.T) {
	dir := t.TempDir()
	room := fixture.Room{UniqueName: "report", Recordings: fixture.Pair("alice", fixture.People[0], 0, 3*time.Second)}
	room.Recordings = append(room.Recordings, fixture.Pair("bob", fixture.People[1], time.Second, time.Second)...)
	manifest := room.Make(t, dir)
	check := func(source string, arguments ...string) {
		t.Helper()
		command := exec.Command(filepath.Join(bin, "roomreel"), append([]string{"report", source}, arguments...)...)
		out, err := command.Output()
		text := string(must(t, out, err))
		for _, want := range []string{
			": 0:03.008 of h264 and aac\n", "  video       640x480, 76 frames at 25 per second, in 1 chunk\n", "\nWarnings\n  none\n",
			"\n  0:00.000   alice joins\n  0:01.000   bob joins\n  0:02.008   bob leaves\n  0:03.008   alice leaves\n",
			"  0:01.000  to 0:02.000   bob (bob-camera): 320x480 at 320,0\n", "video, vp8, from 0:01.000 to 0:02.000\n", "\n    audible     for 0:01.000\n", "\n    shown       in 25 frames\n", "\nChecks, all passed\n  frames      76, each",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the report of %s does not say %q:\n%s", source, want, text)
			}
		}
	}
	film, report := filepath.Join(dir, "film.mp4"), filepath.Join(dir, "report.json")
	roomreel(t, "compose", "--room", manifest, "-o", film, "--report", report)
	check(report)
	var written struct {
		SHA256 string `json:"sha256"`
		Size   int    `json:"size"`
		Chunks int    `json:"chunks"`
	}
	text, err := os.ReadFile(report)
	if err := json.Unmarshal(must(t, text, err), &written); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(film)
	if sum := sha256.Sum256(must(t, content, err)); written.SHA256 != hex.EncodeToString(sum[:]) || written.Size != len(content) || written.Chunks != 1 {
		t.Errorf("the report says %+v of a film of %d bytes", written, len(content))
	}

	s := serve(t, t.TempDir())
	sid, _, _ := s.importRoom(t, manifest, "--complete")
	api := s.twilio(t)
	params := (&video.CreateCompositionParams{}).SetRoomSid(sid).SetFormat("mp4").SetAudioSources([]string{"*"}).
		SetVideoLayout(map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}})
	composition, err := api.VideoV1.CreateComposition(params)
	made := *must(t, composition, err).Sid
	s.film(t, api, made)
	check(made, "--server", s.url, "--account", s.account, "--token", s.token)
}
