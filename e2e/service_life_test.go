package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/store/storetest"
)

// callbacks is an application that is told of its compositions.
type callbacks struct {
	url  string
	mu   sync.Mutex
	told []map[string]string
}

func newCallbacks(t *testing.T) *callbacks {
	t.Helper()
	c := &callbacks{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		q.ParseForm()
		event := map[string]string{}
		for name := range q.Form {
			event[name] = q.Form.Get(name)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told = append(c.told, event)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// of lists the events of one resource in the order in which they came.
func (c *callbacks) of(composition string) (events []string, last map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, event := range c.told {
		if event["CompositionSid"] == composition {
			events = append(events, event["StatusCallbackEvent"])
			last = event
		}
	}
	return events, last
}

const fromLoopback = "webhook.allow=127.0.0.0/8"

// until polls, as an application does, until a condition holds.
func (s *service) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("there was no %s within a minute\n%s", what, s.said)
		}
	}
}

func must[T any](t *testing.T, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// everyone asks for a film of all in places of their own.
func everyone(t *testing.T, room, format string, told *callbacks) *video.CreateCompositionParams {
	t.Helper()
	var layout map[string]any
	if err := json.Unmarshal([]byte(beside), &layout); err != nil {
		t.Fatal(err)
	}
	params := (&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"*"}).SetVideoLayout(layout).SetFormat(format)
	if told != nil {
		params.SetStatusCallback(told.url)
	}
	return params
}

func complete(t *testing.T, api *twilio.RestClient, room string) {
	t.Helper()
	_, err := api.VideoV1.UpdateRoom(room, (&video.UpdateRoomParams{}).SetStatus("completed"))
	if err != nil {
		t.Fatal(err)
	}
}

func TestService_LivesAWholeLifeOnBothDatabases(t *testing.T) {
	manifest := makeMeeting(t)
	for name, flags := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"--database", storetest.PostgreSQL(t).URL} },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, t.TempDir(), append(flags(), "--set", "compose.chunk=3s", "--set", fromLoopback)...)
			api, told := s.twilio(t), newCallbacks(t)
			room, _, _ := s.importRoom(t, manifest)
			films := map[string]string{}
			for _, format := range []string{"mp4", "webm"} {
				composition, err := api.VideoV1.CreateComposition(everyone(t, room, format, told))
				films[format] = *must(t, composition, err).Sid
			}
			complete(t, api, room)
			for format, sid := range films {
				film := s.film(t, api, sid)
				if codec := map[string]string{"mp4": "h264", "webm": "vp8"}[format]; film.Video.Codec != codec {
					t.Errorf("the %s holds %s, want %s", format, film.Video.Codec, codec)
				}
				checkTimes(t, film)
				checkWho(t, film)
				checkTogether(t, film)
				s.until(t, "last callback", func() bool { _, last := told.of(sid); return last["StatusCallbackEvent"] == "composition-available" })
				events, last := told.of(sid)
				if events[0] != "composition-started" || slices.Index(events, "composition-available") != len(events)-1 || last["Duration"] != "15" {
					t.Errorf("told %v, at last %v", events, last)
				}
			}
		})
	}
}

func TestService_ListsFiltersAndDeletes(t *testing.T) {
	s := serve(t, t.TempDir())
	api := s.twilio(t)
	room := fixture.Room{UniqueName: "short", Tracks: fixture.Pair("alice", fixture.People[0], 0, time.Second)}
	sid, _, _ := s.importRoom(t, room.Make(t, t.TempDir()), "--complete")
	var made []string
	for range 3 {
		params := (&video.CreateCompositionParams{}).SetRoomSid(sid).SetAudioSources([]string{"*"}).SetFormat("mp4")
		composition, err := api.VideoV1.CreateComposition(params)
		made = append(made, *must(t, composition, err).Sid)
	}
	for _, composition := range made {
		s.film(t, api, composition)
	}
	list, err := api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(sid).SetStatus("completed").SetPageSize(2))
	if must(t, list, err); len(list) != 3 || *list[0].Sid != made[2] {
		t.Errorf("%d compositions by pages of 2, want 3, the newest first", len(list))
	}
	vault := func() int {
		found, err := filepath.Glob(filepath.Join(s.data, "vault", s.account, "CJ*"))
		return len(must(t, found, err))
	}
	if vault() != 3 {
		t.Errorf("the vault holds %d films, want 3", vault())
	}
	if err := api.VideoV1.DeleteComposition(made[0]); err != nil {
		t.Fatal(err)
	}
	s.until(t, "erasing of the film", func() bool { return vault() == 2 })
	list, err = api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(sid))
	if must(t, list, err); len(list) != 2 {
		t.Errorf("%d compositions are listed, want 2", len(list))
	}
}

// TestService_SurvivesItsDeathAtAnyPoint kills the service while a composition waits, several times while it is rendered,
// and when almost all is done.
func TestService_SurvivesItsDeathAtAnyPoint(t *testing.T) {
	manifest := makeMeeting(t)
	data, told := t.TempDir(), newCallbacks(t)
	flags := []string{"--set", "compose.chunk=1s", "--set", "render.parallel=1", "--set", "compose.encoder=archive", "--set", fromLoopback}
	s := serve(t, data, flags...)
	room, _, _ := s.importRoom(t, manifest)
	composition, err := s.twilio(t).VideoV1.CreateComposition(everyone(t, room, "mp4", told).SetResolution("1280x720"))
	sid := *must(t, composition, err).Sid
	rendering := 0 // deaths while it was rendered
	die := func() {
		composition, err := s.twilio(t).VideoV1.FetchComposition(sid)
		if *must(t, composition, err).Status == "processing" {
			rendering++
		}
		s.command.Process.Kill()
		s.command.Wait()
		next := serve(t, data, flags...)
		next.account, next.token = s.account, s.token
		s = next
	}
	die() // while it waits for the room
	complete(t, s.twilio(t), room)
	for _, percent := range []string{"0", "10", "40", "70", "90"} {
		s.until(t, percent+" % of the film", func() bool {
			events, last := told.of(sid)
			done := last["PercentageDone"]
			return len(events) > 0 && (done == "" || len(done) > len(percent) || done >= percent)
		})
		die()
	}
	if rendering < 3 {
		t.Errorf("the service died %d times while the film was rendered, want 3 or more", rendering)
	}
	film := s.film(t, s.twilio(t), sid)
	checkTimes(t, film)
	checkWho(t, film)
	checkTogether(t, film)
	s.until(t, "last callback", func() bool { _, last := told.of(sid); return last["StatusCallbackEvent"] == "composition-available" })
	s.stop(t)
	events, _ := told.of(sid)
	available := 0
	for _, event := range events {
		if event == "composition-available" {
			available++
		}
	}
	if available != 1 {
		t.Errorf("told %v, want composition-available once", events)
	}
	for _, folder := range []string{"work", "scratch/films"} {
		left, err := filepath.Glob(filepath.Join(data, folder, "*"))
		if len(must(t, left, err)) > 0 && countFiles(t, filepath.Join(data, folder)) > 0 {
			t.Errorf("%v is left behind", left)
		}
	}
}

func countFiles(t *testing.T, root string) (n int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() != "lock" {
			t.Logf("left: %s", path)
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestService_GivesItsWorkBackWhenItIsAskedToEnd(t *testing.T) {
	manifest := makeMeeting(t)
	data, told := t.TempDir(), newCallbacks(t)
	flags := []string{"--set", "compose.chunk=1s", "--set", "render.parallel=1", "--set", "server.shutdown_grace=0s", "--set", fromLoopback}
	s := serve(t, data, flags...)
	room, _, _ := s.importRoom(t, manifest, "--complete")
	composition, err := s.twilio(t).VideoV1.CreateComposition(everyone(t, room, "mp4", told).SetResolution("1280x720"))
	sid := *must(t, composition, err).Sid
	s.until(t, "start of the film", func() bool { events, _ := told.of(sid); return len(events) > 0 })
	s.command.Process.Signal(syscall.SIGTERM)
	if err := s.command.Wait(); err != nil {
		t.Fatalf("the service ended with %v\n%s", err, s.said)
	}
	next := serve(t, data, flags...)
	next.account, next.token = s.account, s.token
	checkTimes(t, next.film(t, next.twilio(t), sid))
}

// TestService_RefusesWhatIsWrong asks for what cannot be, and finds nothing written.
func TestService_RefusesWhatIsWrong(t *testing.T) {
	s := serve(t, t.TempDir(), "--set", "server.max_upload=64KiB", "--set", "limits.writes_per_second=0")
	api := s.twilio(t)
	made, err := api.VideoV1.CreateRoom((&video.CreateRoomParams{}).SetUniqueName("wrong"))
	room := *must(t, made, err).Sid
	recordings := "/roomreel/v1/Rooms/" + room + "/Recordings"
	const form = "application/x-www-form-urlencoded"
	upload := func(file []byte, fields ...string) (string, io.Reader) {
		var body strings.Builder
		for i := 0; i < len(fields); i += 2 {
			fmt.Fprintf(&body, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", fields[i], fields[i+1])
		}
		if file != nil {
			fmt.Fprintf(&body, "--b\r\nContent-Disposition: form-data; name=\"Media\"; filename=\"a.mkv\"\r\n\r\n%s\r\n", file)
		}
		return "multipart/form-data; boundary=b", strings.NewReader(body.String() + "--b--\r\n")
	}
	text := func(text string) (string, io.Reader) { return form, strings.NewReader(text) }
	before := countFiles(t, filepath.Join(s.data, "vault"))
	ask := func(what, method, path string, wantStatus int, wantParam, kind string, body io.Reader) {
		t.Helper()
		q, err := http.NewRequest(method, s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		q.SetBasicAuth(s.account, s.token)
		if what == "a wrong token" {
			q.SetBasicAuth(s.account, "wrong")
		}
		q.Header.Set("Content-Type", kind)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var problem struct {
			Message string
			Status  int
		}
		said, _ := io.ReadAll(answer.Body)
		if err := json.Unmarshal(said, &problem); err != nil || answer.StatusCode != wantStatus || problem.Status != wantStatus || !strings.Contains(problem.Message, wantParam) {
			t.Errorf("%s: %d %s, want %d and a word of %q", what, answer.StatusCode, said, wantStatus, wantParam)
		}
	}
	post := func(what, path string, status int, param string) func(string, io.Reader) {
		return func(kind string, body io.Reader) {
			t.Helper()
			ask(what, http.MethodPost, path, status, param, kind, body)
		}
	}
	const compositions = "/v1/Compositions"
	post("a layout that is no JSON", compositions, 400, "VideoLayout")(text("RoomSid=" + room + "&VideoLayout=grid"))
	post("a region outside", compositions, 400, "VideoLayout")(text("RoomSid=" + room + `&VideoLayout={"a":{"x_pos":9999,"video_sources":["*"]}}`))
	post("a resolution too large", compositions, 400, "Resolution")(text("RoomSid=" + room + "&AudioSources=*&Resolution=9000x9000"))
	post("a SID that is none", compositions, 400, "RoomSid")(text("RoomSid=RM1&AudioSources=*"))
	post("another's room", compositions, 400, "RoomSid")(text("RoomSid=RM00000000000000000000000000000000&AudioSources=*"))
	post("no file", recordings, 400, "Media")(upload(nil, "ParticipantIdentity", "alice"))
	post("an empty file", recordings, 400, "Media")(upload([]byte{}, "ParticipantIdentity", "alice"))
	post("a text file", recordings, 400, "Media")(upload([]byte("no film"), "ParticipantIdentity", "alice"))
	post("nobody's file", recordings, 400, "ParticipantIdentity")(upload([]byte("no film")))
	post("a file too large", recordings, 413, "")(upload(bytes.Repeat([]byte("x"), 128<<10), "ParticipantIdentity", "alice"))
	post("a wrong token", compositions, 401, "")(text("RoomSid=" + room))
	ask("a composition that is not there", http.MethodGet, compositions+"/CJ00000000000000000000000000000000", 404, "", form, nil)
	ask("a page token of nobody", http.MethodGet, compositions+"?PageToken=PTxyz", 400, "PageToken", form, nil)
	if after := countFiles(t, filepath.Join(s.data, "vault")); after != before {
		t.Errorf("the vault holds %d files, and %d before", after, before)
	}
	if left := countFiles(t, filepath.Join(s.data, "scratch")); left > 0 {
		t.Errorf("scratch holds %d files", left)
	}
	list, err := api.VideoV1.ListComposition(nil)
	if must(t, list, err); len(list) != 0 {
		t.Errorf("%d compositions were made", len(list))
	}
}

func TestServe_IsAloneOnAFolder(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	second := exec.Command(filepath.Join(bin, "roomreel"), "serve", "--data", data, "--listen", "127.0.0.1:0")
	words, err := second.CombinedOutput()
	if code := second.ProcessState.ExitCode(); err == nil || code != 2 || !bytes.Contains(words, []byte("another roomreel serve")) {
		t.Errorf("a second service on the folder ended with %d and said %q", code, words)
	}
	beside := exec.Command(filepath.Join(bin, "roomreel"), "account", "create", "--data", data, "--name", "second")
	if words, err := beside.CombinedOutput(); err != nil {
		t.Errorf("another command beside the service: %v\n%s", err, words)
	}
}
