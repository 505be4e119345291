package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	twilioclient "github.com/twilio/twilio-go/client"
	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/client"
)

// service is a running roomreel on a data folder.
type service struct {
	data           string
	url            string
	account, token string
	command        *exec.Cmd
	stderr         *output
}

// output is what a program writes, which may be read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// serve starts the service. account and token are empty unless this is the first start on the data folder. At the end of the
// test the service is stopped, and must exit without an error.
func serve(t testing.TB, data string, arguments ...string) *service {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	socket.Close()
	s := &service{data: data, url: "http://" + address, stderr: &output{}}
	s.command = exec.Command(filepath.Join(bin, "roomreel"), append([]string{"serve", "--data", data, "--listen", address}, arguments...)...)
	s.command.Stderr = s.stderr
	first := filepath.Join(t.TempDir(), "stdout")
	out, err := os.Create(first)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s.command.Stdout = out
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := client.New(s.url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(ctx); err != nil {
		t.Fatalf("%v\n%s", err, s.stderr)
	}
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 {
		var account struct {
			SID   string `json:"account_sid"`
			Token string `json:"auth_token"`
		}
		if err := json.Unmarshal(text, &account); err != nil {
			t.Fatalf("the first start printed %q: %v", text, err)
		}
		s.account, s.token = account.SID, account.Token
	}
	return s
}

// stop asks the service to end and waits for it. It may be called twice.
func (s *service) stop(t testing.TB) {
	t.Helper()
	if s.command.ProcessState != nil {
		return
	}
	s.command.Process.Signal(os.Interrupt)
	if err := s.command.Wait(); err != nil {
		t.Errorf("the service ended with %v\n%s", err, s.stderr)
	}
}

// eventually polls until a condition holds, as an application does.
func (s *service) eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not within a minute: %s\n%s", what, s.stderr)
		}
	}
}

// importRoom runs roomreel import and returns what it prints.
func (s *service) importRoom(t testing.TB, manifest string, arguments ...string) (room string, uploaded, skipped int) {
	t.Helper()
	command := exec.Command(filepath.Join(bin, "roomreel"), append([]string{"import", "--room", manifest}, arguments...)...)
	command.Env = append(os.Environ(), "ROOMREEL_URL="+s.url, "ROOMREEL_ACCOUNT="+s.account, "ROOMREEL_TOKEN="+s.token)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("import: %v\n%s\n%s", err, &stderr, s.stderr)
	}
	var f struct {
		Room     string `json:"room_sid"`
		Uploaded int    `json:"uploaded"`
		Skipped  int    `json:"skipped"`
	}
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatal(err)
	}
	return f.Room, f.Uploaded, f.Skipped
}

// redirect sends the requests of twilio-go to the service instead of Twilio's hosts.
type redirect struct{ to *url.URL }

func (r redirect) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.URL.Scheme, q.URL.Host, q.Host = r.to.Scheme, r.to.Host, r.to.Host
	return http.DefaultTransport.RoundTrip(q)
}

func (s *service) twilio(t *testing.T) *twilio.RestClient {
	t.Helper()
	base, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	c := &twilioclient.Client{
		Credentials: twilioclient.NewCredentials(s.account, s.token),
		HTTPClient: &http.Client{
			Transport:     redirect{base},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.SetAccountSid(s.account)
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: c})
}

// film polls until a composition is completed, as applications do, and downloads it.
func (s *service) film(t *testing.T, api *twilio.RestClient, sid string) *fixture.Film {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		composition, err := api.VideoV1.FetchComposition(sid)
		if err != nil {
			t.Fatal(err)
		}
		if *composition.Status == "completed" {
			break
		}
		if *composition.Status == "failed" {
			t.Fatalf("the composition failed\n%s", s.stderr)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the composition is still %s\n%s", *composition.Status, s.stderr)
		}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/Compositions/"+sid+"/Media", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(s.account, s.token)
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	path := filepath.Join(t.TempDir(), "film.mp4")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, bufio.NewReader(response.Body)); err != nil {
		t.Fatal(err)
	}
	return fixture.Open(t, path)
}

func createComposition(t *testing.T, api *twilio.RestClient, room string) string {
	t.Helper()
	var layout map[string]any
	if err := json.Unmarshal([]byte(meetingLayout), &layout); err != nil {
		t.Fatal(err)
	}
	params := &video.CreateCompositionParams{}
	params.SetRoomSid(room)
	params.SetAudioSources([]string{"*"})
	params.SetVideoLayout(layout)
	params.SetFormat("mp4")
	composition, err := api.VideoV1.CreateComposition(params)
	if err != nil {
		t.Fatal(err)
	}
	if *composition.Status != "enqueued" {
		t.Errorf("a new composition is %s, want enqueued", *composition.Status)
	}
	return *composition.Sid
}

func TestService_ComposesAnImportedRoom(t *testing.T) {
	manifest := makeMeeting(t)
	s := serve(t, t.TempDir(), "--set", "compose.chunk=3s")
	room, uploaded, _ := s.importRoom(t, manifest)
	if uploaded != 6 {
		t.Errorf("%d recordings were uploaded, want 6", uploaded)
	}
	api := s.twilio(t)
	sid := createComposition(t, api, room) // before the room is completed: it waits
	again, uploaded, skipped := s.importRoom(t, manifest, "--complete")
	if again != room || uploaded != 0 || skipped != 6 {
		t.Errorf("a second import put %d recordings into %s and skipped %d, want 0 into %s and 6", uploaded, again, skipped, room)
	}
	film := s.film(t, api, sid)
	checkFrameTimes(t, film)
	checkVisible(t, film)
	checkSync(t, film)
}

func TestService_FinishesACompositionAfterARestart(t *testing.T) {
	manifest := makeMeeting(t)
	data := t.TempDir()
	first := serve(t, data, "--set", "compose.chunk=1s", "--set", "server.shutdown_grace=0")
	room, _, _ := first.importRoom(t, manifest, "--complete")
	sid := createComposition(t, first.twilio(t), room)
	first.command.Process.Kill()
	first.command.Wait()
	second := serve(t, data)
	if second.account != "" {
		t.Error("the second start made another account")
	}
	second.account, second.token = first.account, first.token
	film := second.film(t, second.twilio(t), sid)
	checkFrameTimes(t, film)
	checkSync(t, film)
}

func TestService_RefusesAnUploadThatIsNoMedia(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, t.TempDir())
	notes := filepath.Join(dir, "notes.mkv")
	if err := os.WriteFile(notes, []byte("no media"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s.url, s.account, s.token)
	if err != nil {
		t.Fatal(err)
	}
	room, err := c.CreateRoom(t.Context(), "notes")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UploadRecording(t.Context(), room.SID, client.Upload{
		Identity: "alice", Kind: "video", File: "notes.mkv", Size: 8,
		Open: func() (io.ReadCloser, error) { return os.Open(notes) },
	})
	if err == nil || !strings.HasPrefix(err.Error(), "invalid: ") {
		t.Errorf("the upload of a text file returned %v", err)
	}
	left, err := c.Recordings(t.Context(), room.SID)
	if err != nil || len(left) != 0 {
		t.Errorf("the room has %d recordings (%v), want none", len(left), err)
	}
}

// TestImport_RunAgainAddsNothing imports a manifest into a room that was completed. Another manifest of the same unique name makes
// another room, because unique names can be reused.
func TestImport_RunAgainAddsNothing(t *testing.T) {
	folder := t.TempDir()
	person := fixture.Pair("alice", fixture.People[0], 0, time.Second)
	manifest := fixture.Room{UniqueName: "standup", Recordings: person}.Make(t, folder)
	s := serve(t, t.TempDir())
	first, uploaded, _ := s.importRoom(t, manifest, "--complete")
	if uploaded != 2 {
		t.Fatalf("%d recordings were uploaded, want 2", uploaded)
	}
	want := func(what, room string, uploaded, skipped int, arguments ...string) {
		t.Helper()
		got, up, skip := s.importRoom(t, manifest, arguments...)
		if got != room || up != uploaded || skip != skipped {
			t.Errorf("%s: %d uploaded into %s and %d skipped, want %d into %s and %d", what, up, got, skip, uploaded, room, skipped)
		}
	}
	want("the same command", first, 0, 2, "--complete")
	want("without --complete", first, 0, 2)
	want("into the room", first, 0, 2, "--complete", "--into", first)

	other := fixture.Room{UniqueName: "standup", Recordings: fixture.Pair("alice", fixture.People[1], 0, 2*time.Second)}.Make(t, t.TempDir())
	second, uploaded, _ := s.importRoom(t, other, "--complete")
	if second == first || uploaded != 2 {
		t.Errorf("other recordings: %d uploaded into %s, want 2 into another room than %s", uploaded, second, first)
	}
	want("the first manifest, after the second", first, 0, 2, "--complete")
	if again, uploaded, _ := s.importRoom(t, other, "--complete"); again != second || uploaded != 0 {
		t.Errorf("the second manifest: %d uploaded into %s, want 0 into %s", uploaded, again, second)
	}

	// A part of the recordings is not the same room.
	part := filepath.Join(folder, "part.json")
	if err := os.WriteFile(part, []byte(`{"unique_name": "standup", "recordings": [{"file": "alice-microphone.mka", "type": "audio", "participant": "alice"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if third, uploaded, _ := s.importRoom(t, part, "--complete"); third == first || uploaded != 1 {
		t.Errorf("a part of the recordings: %d uploaded into %s, want 1 into another room than %s", uploaded, third, first)
	}
}
