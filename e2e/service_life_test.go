package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/store/storetest"
)

func must[T any](t *testing.T, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// meetingParams requests a film of the meeting in which every participant has a cell.
func meetingParams(t *testing.T, room, format string, received *callbacks) *video.CreateCompositionParams {
	t.Helper()
	var layout map[string]any
	if err := json.Unmarshal([]byte(meetingLayout), &layout); err != nil {
		t.Fatal(err)
	}
	params := (&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"*"}).SetVideoLayout(layout).SetFormat(format)
	if received != nil {
		params.SetStatusCallback(received.url)
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

func TestService_ComposesOnBothDatabases(t *testing.T) {
	manifest := makeMeeting(t)
	for name, flags := range map[string]func() []string{
		"sqlite":   func() []string { return nil },
		"postgres": func() []string { return []string{"--database", storetest.PostgreSQL(t).URL} },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, t.TempDir(), append(flags(), "--set", "compose.chunk=3s", "--set", allowLoopback)...)
			api, received := s.twilio(t), receiveCallbacks(t)
			room, _, _ := s.importRoom(t, manifest)
			films := map[string]string{}
			for _, format := range []string{"mp4", "webm"} {
				composition, err := api.VideoV1.CreateComposition(meetingParams(t, room, format, received))
				films[format] = *must(t, composition, err).Sid
			}
			complete(t, api, room)
			for format, sid := range films {
				film := s.film(t, api, sid)
				if codec := map[string]string{"mp4": "h264", "webm": "vp8"}[format]; film.Video.Codec != codec {
					t.Errorf("the %s file contains %s, want %s", format, film.Video.Codec, codec)
				}
				checkFrameTimes(t, film)
				checkVisible(t, film)
				checkSync(t, film)
				s.eventually(t, "the last callback arrives", func() bool {
					_, last := received.of(sid)
					return last.Get("StatusCallbackEvent") == "composition-available"
				})
				events, last := received.of(sid)
				if events[0] != "composition-started" || slices.Index(events, "composition-available") != len(events)-1 || last.Get("Duration") != "15" {
					t.Errorf("received %v, the last one is %v", events, last)
				}
			}
		})
	}
}

func TestService_ListsFiltersAndDeletes(t *testing.T) {
	s := serve(t, t.TempDir())
	api := s.twilio(t)
	room := fixture.Room{UniqueName: "short", Recordings: fixture.Pair("alice", fixture.People[0], 0, time.Second)}
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
	storedFilms := func() int {
		found, err := filepath.Glob(filepath.Join(s.data, "vault", s.account, "CJ*"))
		return len(must(t, found, err))
	}
	if storedFilms() != 3 {
		t.Errorf("the media store holds %d films, want 3", storedFilms())
	}
	if err := api.VideoV1.DeleteComposition(made[0]); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the film is deleted from the media store", func() bool { return storedFilms() == 2 })
	list, err = api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(sid))
	if must(t, list, err); len(list) != 2 {
		t.Errorf("%d compositions are listed, want 2", len(list))
	}
}

// TestService_ResumesAfterBeingKilled kills the service while a composition waits for its room, several times while it is
// rendered, and shortly before it is completed.
func TestService_ResumesAfterBeingKilled(t *testing.T) {
	manifest := makeMeeting(t)
	data, received := t.TempDir(), receiveCallbacks(t)
	flags := []string{"--set", "compose.chunk=1s", "--set", "render.parallel=1", "--set", "compose.encoder=archive", "--set", allowLoopback}
	s := serve(t, data, flags...)
	room, _, _ := s.importRoom(t, manifest)
	composition, err := s.twilio(t).VideoV1.CreateComposition(meetingParams(t, room, "mp4", received).SetResolution("1280x720"))
	sid := *must(t, composition, err).Sid
	rendering := 0 // kills while the film was rendered
	killAndRestart := func() {
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
	killAndRestart() // while the composition waits for the room
	complete(t, s.twilio(t), room)
	for _, percent := range []int{0, 10, 40, 70, 90} {
		s.eventually(t, fmt.Sprint(percent, " % of the film is rendered"), func() bool {
			events, last := received.of(sid)
			if len(events) > 0 && slices.Contains([]string{"composition-available", "composition-failed"}, events[len(events)-1]) {
				return true
			}
			done, _ := strconv.Atoi(last.Get("PercentageDone"))
			return len(events) > 0 && done >= percent
		})
		killAndRestart()
	}
	if rendering < 3 {
		t.Errorf("the service was killed %d times while the film was rendered, want at least 3", rendering)
	}
	film := s.film(t, s.twilio(t), sid)
	checkFrameTimes(t, film)
	checkVisible(t, film)
	checkSync(t, film)
	s.eventually(t, "the last callback arrives", func() bool {
		_, last := received.of(sid)
		return last.Get("StatusCallbackEvent") == "composition-available"
	})
	s.stop(t)
	events, _ := received.of(sid)
	available := 0
	for _, event := range events {
		if event == "composition-available" {
			available++
		}
	}
	if available != 1 {
		t.Errorf("received %v, want composition-available once", events)
	}
	// Each kill may leave one chunk that was stored and not yet published. Its reservation is deleted after a day.
	if left := countFiles(t, filepath.Join(data, "work")); left > rendering {
		t.Errorf("the working store holds %d objects after %d kills", left, rendering)
	}
	if left := countFiles(t, filepath.Join(data, "scratch", "films")); left > 0 {
		t.Errorf("the scratch folder holds %d files of films", left)
	}
}

// countFiles counts the files in a folder and below, without locks. A folder that does not exist has none.
func countFiles(t *testing.T, root string) (n int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if os.IsNotExist(err) && path == root {
			return nil
		}
		if err == nil && entry.Type().IsRegular() && entry.Name() != "lock" {
			t.Logf("file %s", path)
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestService_ReleasesItsJobsAtShutdown(t *testing.T) {
	manifest := makeMeeting(t)
	data, received := t.TempDir(), receiveCallbacks(t)
	flags := []string{"--set", "compose.chunk=1s", "--set", "render.parallel=1", "--set", "server.shutdown_grace=0s", "--set", allowLoopback}
	s := serve(t, data, flags...)
	room, _, _ := s.importRoom(t, manifest, "--complete")
	composition, err := s.twilio(t).VideoV1.CreateComposition(meetingParams(t, room, "mp4", received).SetResolution("1280x720"))
	sid := *must(t, composition, err).Sid
	s.eventually(t, "the composition starts", func() bool { events, _ := received.of(sid); return len(events) > 0 })
	s.command.Process.Signal(syscall.SIGTERM)
	if err := s.command.Wait(); err != nil {
		t.Fatalf("the service ended with %v\n%s", err, s.stderr)
	}
	next := serve(t, data, flags...)
	next.account, next.token = s.account, s.token
	checkFrameTimes(t, next.film(t, next.twilio(t), sid))
}

// TestService_RefusesBadRequests checks that bad requests are refused and that nothing is stored for them.
func TestService_RefusesBadRequests(t *testing.T) {
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
		text, _ := io.ReadAll(answer.Body)
		if err := json.Unmarshal(text, &problem); err != nil || answer.StatusCode != wantStatus || problem.Status != wantStatus || !strings.Contains(problem.Message, wantParam) {
			t.Errorf("%s: %d %s, want %d and a message with %q", what, answer.StatusCode, text, wantStatus, wantParam)
		}
	}
	post := func(what, path string, status int, param string) func(string, io.Reader) {
		return func(kind string, body io.Reader) {
			t.Helper()
			ask(what, http.MethodPost, path, status, param, kind, body)
		}
	}
	const compositions = "/v1/Compositions"
	post("a layout that is not JSON", compositions, 400, "VideoLayout")(text("RoomSid=" + room + "&VideoLayout=grid"))
	post("a region outside", compositions, 400, "VideoLayout")(text("RoomSid=" + room + `&VideoLayout={"a":{"x_pos":9999,"video_sources":["*"]}}`))
	post("a resolution too large", compositions, 400, "Resolution")(text("RoomSid=" + room + "&AudioSources=*&Resolution=9000x9000"))
	post("a malformed SID", compositions, 400, "RoomSid")(text("RoomSid=RM1&AudioSources=*"))
	post("an unknown room", compositions, 400, "RoomSid")(text("RoomSid=RM00000000000000000000000000000000&AudioSources=*"))
	post("no file", recordings, 400, "Media")(upload(nil, "ParticipantIdentity", "alice"))
	post("an empty file", recordings, 400, "Media")(upload([]byte{}, "ParticipantIdentity", "alice"))
	post("a text file", recordings, 400, "Media")(upload([]byte("no media"), "ParticipantIdentity", "alice"))
	post("a file without an identity", recordings, 400, "ParticipantIdentity")(upload([]byte("no media")))
	post("a file too large", recordings, 413, "")(upload(bytes.Repeat([]byte("x"), 128<<10), "ParticipantIdentity", "alice"))
	post("a wrong token", compositions, 401, "")(text("RoomSid=" + room))
	ask("an unknown composition", http.MethodGet, compositions+"/CJ00000000000000000000000000000000", 404, "", form, nil)
	ask("a malformed page token", http.MethodGet, compositions+"?PageToken=PTxyz", 400, "PageToken", form, nil)
	if after := countFiles(t, filepath.Join(s.data, "vault")); after != before {
		t.Errorf("the media store holds %d files, want %d", after, before)
	}
	if left := countFiles(t, filepath.Join(s.data, "scratch")); left > 0 {
		t.Errorf("scratch holds %d files", left)
	}
	list, err := api.VideoV1.ListComposition(nil)
	if must(t, list, err); len(list) != 0 {
		t.Errorf("%d compositions were created", len(list))
	}
}

func TestServe_LocksItsDataFolder(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	second := exec.Command(filepath.Join(bin, "roomreel"), "serve", "--data", data, "--listen", "127.0.0.1:0")
	output, err := second.CombinedOutput()
	if code := second.ProcessState.ExitCode(); err == nil || code != 2 || !bytes.Contains(output, []byte("another roomreel serve")) {
		t.Errorf("a second service on the folder exited with %d and printed %q", code, output)
	}
	account := exec.Command(filepath.Join(bin, "roomreel"), "account", "create", "--data", data, "--name", "second")
	if output, err := account.CombinedOutput(); err != nil {
		t.Errorf("another command while the service runs: %v\n%s", err, output)
	}
}

// TestService_RescuesTheJobsOfAKilledWorker runs an API node and two workers on one database. A hook creates a composition.
// The worker that renders it is killed, and the other one completes it.
func TestService_RescuesTheJobsOfAKilledWorker(t *testing.T) {
	manifest := makeMeeting(t)
	received := receiveCallbacks(t)
	data, database := t.TempDir(), storetest.PostgreSQL(t).URL
	node := func(role string) *service {
		return serve(t, data, "--database", database, "--role", role, "--set", "compose.chunk=1s", "--set", "compose.encoder=archive",
			"--set", "render.parallel=1", "--set", allowLoopback)
	}
	front := node("api")
	api := front.twilio(t)
	params := meetingParams(t, "", "mp4", received)
	hook, err := api.VideoV1.CreateCompositionHook((&video.CreateCompositionHookParams{}).SetFriendlyName("all").
		SetAudioSources(*params.AudioSources).SetVideoLayout(*params.VideoLayout).SetFormat("mp4").SetResolution("1280x720").
		SetStatusCallback(received.url))
	must(t, hook, err)
	worker := node("worker")
	room, _, _ := front.importRoom(t, manifest, "--complete")
	var sid string
	front.eventually(t, "the hook creates a composition", func() bool {
		list, err := api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(room))
		if len(must(t, list, err)) == 1 {
			sid = *list[0].Sid
		}
		return sid != ""
	})
	front.eventually(t, "a callback reports progress", func() bool { _, last := received.of(sid); return last.Get("PercentageDone") != "" })
	other := node("worker")
	worker.command.Process.Kill()
	worker.command.Wait()
	killed := time.Now()
	film := front.film(t, api, sid)
	if took := time.Since(killed); took > time.Minute {
		t.Errorf("the other worker took %v", took)
	}
	checkFrameTimes(t, film)
	checkVisible(t, film)
	checkSync(t, film)
	front.eventually(t, "the last callback arrives", func() bool {
		_, last := received.of(sid)
		return last.Get("StatusCallbackEvent") == "composition-available"
	})
	other.stop(t)
	events, _ := received.of(sid)
	if events[0] != "composition-enqueued" || events[1] != "composition-started" || events[len(events)-1] != "composition-available" {
		t.Errorf("received %v", events)
	}
	list, err := api.VideoV1.ListComposition((&video.ListCompositionParams{}).SetRoomSid(room))
	if must(t, list, err); len(list) != 1 {
		t.Errorf("the hook created %d compositions, want 1", len(list))
	}
}
