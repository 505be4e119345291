package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	vocabulary "roomreel"
	"roomreel/e2e/fixture"
	"roomreel/internal/client"
)

// TestService_WaitsWhileTheDiskIsFull runs the service on a small file system of its own, fills it, and makes room again. What was
// accepted is there afterwards, and work that waited goes on.
func TestService_WaitsWhileTheDiskIsFull(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		fixture.RunInNamespaces(t, insideVariable+"="+bin)
		return
	}
	fixture.LoopbackUp(t)
	fixture.PrivateMounts(t)
	data := t.TempDir()
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=48m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(data, unix.MNT_DETACH) })
	s := serve(t, data, "--set", "limits.free_space=8MiB", "--set", "limits.writes_per_second=0", "--set", "compose.chunk=1s")
	manifest := makeMeeting(t)
	room, uploaded, _ := s.importRoom(t, manifest, "--complete")
	another := s.post(t, "/v1/Rooms", url.Values{}).want(t, http.StatusCreated)["sid"].(string)

	// Less than the space that is to stay free: uploads are refused with the reason, and a composition is accepted and waits.
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast, 4<<20)
	s.read(t, "/readyz").wantFull(t)
	recording := filepath.Join(filepath.Dir(manifest), "alice-camera.mkv")
	s.uploadFile(t, another, recording).wantFull(t)
	compose := func() string {
		t.Helper()
		return s.post(t, "/v1/Compositions", url.Values{
			"RoomSid": {room}, "AudioSources": {"*"}, "VideoLayout": {meetingLayout}, "Format": {"mp4"},
		}).want(t, http.StatusCreated)["sid"].(string)
	}
	sid := compose()
	s.eventually(t, "the log says that the composition waits", func() bool {
		return strings.Contains(s.stderr.String(), "a disk is full; tried again later")
	})

	// Nothing is free: what cannot be written is refused, and what is there can be read.
	fill(t, ballast, 0)
	refused := false
	for range 200 { // the database has some pages left in its files
		answer := s.post(t, "/v1/Rooms", url.Values{})
		if answer.status != http.StatusCreated {
			answer.wantFull(t)
			refused = true
			break
		}
	}
	if !refused {
		t.Error("rooms are created on a full disk")
	}
	s.uploadFile(t, another, recording).wantFull(t)
	s.read(t, "/readyz").wantFull(t)
	for _, path := range []string{"/v1/Rooms", "/v1/Compositions/" + sid, "/v1/Rooms/" + room + "/Recordings"} {
		if status := s.get(t, path); status != http.StatusOK {
			t.Errorf("GET %s on a full disk: %d", path, status)
		}
	}
	time.Sleep(3 * time.Second) // jobs fail to write meanwhile

	// There is space again.
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.eventually(t, "the service is ready", func() bool { return s.get(t, "/readyz") == http.StatusOK })
	s.uploadFile(t, another, recording).want(t, http.StatusCreated)
	film := s.film(t, s.twilio(t), sid)
	checkFrameTimes(t, film)
	checkVisible(t, film)
	checkSync(t, film)

	// The disk becomes full while a film is made.
	sid = compose()
	s.eventually(t, "the composition is processing", func() bool {
		return s.read(t, "/v1/Compositions/"+sid).want(t, http.StatusOK)["status"] == "processing"
	})
	fill(t, ballast, 0)
	time.Sleep(5 * time.Second)
	if status := s.read(t, "/v1/Compositions/"+sid).want(t, http.StatusOK)["status"]; status != "processing" {
		t.Errorf("on a full disk the composition is %v", status)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	checkSync(t, s.film(t, s.twilio(t), sid))
	c, err := client.New(s.url, s.account, s.token)
	if err != nil {
		t.Fatal(err)
	}
	for sid, want := range map[vocabulary.RoomSID]int{vocabulary.RoomSID(room): uploaded, vocabulary.RoomSID(another): 1} {
		recordings, err := c.Recordings(t.Context(), sid)
		if len(must(t, recordings, err)) != want {
			t.Errorf("room %s has %d recordings, want the %d that were accepted", sid, len(recordings), want)
		}
	}
}

// fill writes a file until so many bytes are free on its file system.
func fill(t *testing.T, path string, free int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for {
		var disk unix.Statfs_t
		if err := unix.Statfs(path, &disk); err != nil {
			t.Fatal(err)
		}
		more := min(int64(disk.Bavail)*disk.Bsize-free, 1<<20)
		if more <= 0 {
			return
		}
		if _, err := file.Write(make([]byte, more)); err != nil && free > 0 {
			t.Fatal(err)
		}
	}
}

// jsonAnswer is an answer of the service.
type jsonAnswer struct {
	what   string
	status int
	text   []byte
}

func (s *service) read(t *testing.T, path string) jsonAnswer {
	t.Helper()
	return s.ask(t, http.MethodGet, path, "", nil)
}

func (s *service) post(t *testing.T, path string, form url.Values) jsonAnswer {
	t.Helper()
	return s.ask(t, http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// uploadFile adds a file to a room.
func (s *service) uploadFile(t *testing.T, room, path string) jsonAnswer {
	t.Helper()
	media, err := os.ReadFile(path)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	form.WriteField("ParticipantIdentity", "alice")
	part, formErr := form.CreateFormFile("Media", filepath.Base(path))
	must(t, part, formErr).Write(must(t, media, err))
	form.Close()
	return s.ask(t, http.MethodPost, "/roomreel/v1/Rooms/"+room+"/Recordings", form.FormDataContentType(), &body)
}

func (s *service) ask(t *testing.T, method, path, contentType string, body io.Reader) jsonAnswer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	must(t, q, err).SetBasicAuth(s.account, s.token)
	q.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(q)
	defer must(t, answer, err).Body.Close()
	text, err := io.ReadAll(answer.Body)
	return jsonAnswer{method + " " + path, answer.StatusCode, must(t, text, err)}
}

// want checks the status and returns the body.
func (a jsonAnswer) want(t *testing.T, status int) (body map[string]any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.text, status)
	}
	if err := json.Unmarshal(a.text, &body); err != nil {
		t.Fatalf("%s: %v", a.what, err)
	}
	return body
}

// wantFull checks that the answer names the disk as the reason.
func (a jsonAnswer) wantFull(t *testing.T) {
	t.Helper()
	if message, _ := a.want(t, http.StatusServiceUnavailable)["message"].(string); !strings.Contains(message, "disk") {
		t.Errorf("%s: the reason is %q", a.what, message)
	}
}
