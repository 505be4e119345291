package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
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
	accounts "github.com/twilio/twilio-go/rest/accounts/v1"
	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/blob/s3/s3test"
	"roomreel/internal/client"
)

// s3Service is a running roomreel with an S3 server. A proxy between the two can inject faults. An application receives
// roomreel's callbacks.
type s3Service struct {
	*service
	api       *twilio.RestClient
	data      string
	set       []string // its settings, as key=value
	s3        *s3test.Server
	proxy     *s3test.Proxy
	faults    *faults
	callbacks *callbacks
}

// startWithS3 starts the service on an empty data folder, with settings of the form key=value.
func startWithS3(t *testing.T, set ...string) *s3Service {
	t.Helper()
	s := prepareWithS3(t, set...)
	s.start(t)
	return s
}

// prepareWithS3 does the same but does not start the service.
func prepareWithS3(t *testing.T, set ...string) *s3Service {
	t.Helper()
	s := &s3Service{data: t.TempDir(), s3: s3test.Start(t), faults: &faults{}, callbacks: receiveCallbacks(t)}
	s.proxy = s.s3.Proxy(t, s.faults.plan)
	endpoint, err := json.Marshal([]map[string]any{{"host": s.proxy.Host, "region": s3test.Region, "path_style": true, "insecure": true}})
	if err != nil {
		t.Fatal(err)
	}
	s.set = append([]string{
		allowLoopback, "s3.endpoints=" + string(endpoint), "compose.chunk=1s",
		"limits.reads_per_second=0", "limits.writes_per_second=0",
	}, set...)
	return s
}

// start starts the service. It may be called again after the service ended.
func (s *s3Service) start(t *testing.T) {
	t.Helper()
	var arguments []string
	for _, set := range s.set {
		arguments = append(arguments, "--set", set)
	}
	before := s.service
	s.service = serve(t, s.data, arguments...)
	if before != nil {
		s.account, s.token = before.account, before.token
	}
	s.api = s.twilio(t)
}

// kill kills the service with SIGKILL.
func (s *s3Service) kill() {
	s.command.Process.Kill()
	s.command.Wait()
}

// folder returns the URL of a folder in the bucket, as a customer gives it in the settings.
func (s *s3Service) folder(name string) string {
	return "http://" + s.proxy.Host + "/" + s.s3.Bucket + "/" + name
}

// faults holds the function that decides which fault the proxy injects. At first there is none.
type faults struct {
	mu sync.Mutex
	do func(s3test.Request) s3test.Fault
}

func (f *faults) set(do func(s3test.Request) s3test.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.do = do
}

func (f *faults) plan(r s3test.Request) s3test.Fault {
	f.mu.Lock()
	do := f.do
	f.mu.Unlock()
	if do == nil {
		return s3test.Fault{}
	}
	return do(r)
}

// first injects a fault into the first n PUT requests.
func first(n int, fault s3test.Fault) func(s3test.Request) s3test.Fault {
	var mu sync.Mutex
	return func(r s3test.Request) s3test.Fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPut || n == 0 {
			return s3test.Fault{}
		}
		n--
		return fault
	}
}

// wait waits for a resource's event of the given name and returns its parameters.
func (s *s3Service) wait(t *testing.T, sid, event string) url.Values {
	t.Helper()
	return s.callbacks.wait(t, s.service, sid, event)
}

// alice returns the recordings of a participant who stays for 3 s.
var alice = sync.OnceValue(func() []fixture.Recording {
	return fixture.Pair("alice", fixture.People[0], 0, 3*time.Second)
})

var aliceOnce sync.Once

// files returns the paths of alice's camera and microphone. The files are made once.
func files(t *testing.T) []string {
	t.Helper()
	folder := filepath.Join(bin, "alice")
	aliceOnce.Do(func() {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		fixture.Room{Recordings: alice()}.Make(t, folder)
	})
	return []string{filepath.Join(folder, "alice-camera.mkv"), filepath.Join(folder, "alice-microphone.mka")}
}

// openRoom creates a room whose callbacks are received.
func (s *s3Service) openRoom(t *testing.T) string {
	t.Helper()
	room, err := s.api.VideoV1.CreateRoom((&video.CreateRoomParams{}).SetStatusCallback(s.callbacks.url))
	if err != nil {
		t.Fatal(err)
	}
	return *room.Sid
}

// upload adds a file to a room as a recording of alice, and returns its SID.
func (s *s3Service) upload(t *testing.T, room, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s.url, s.account, s.token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	of, err := c.Room(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	track := client.Upload{
		Identity: "alice", TrackName: filepath.Base(path), Kind: "video", File: filepath.Base(path), Size: info.Size(),
		Open: func() (io.ReadCloser, error) { return os.Open(path) },
	}
	if filepath.Ext(path) == ".mka" {
		track.Kind = "audio"
	}
	recording, err := c.UploadRecording(t.Context(), of.SID, track)
	if err != nil {
		t.Fatalf("upload %s: %v\n%s", path, err, s.stderr)
	}
	return string(recording.SID)
}

func (s *s3Service) complete(t *testing.T, room string) {
	t.Helper()
	if _, err := s.api.VideoV1.UpdateRoom(room, (&video.UpdateRoomParams{}).SetStatus("completed")); err != nil {
		t.Fatal(err)
	}
}

// room creates a completed room with alice's camera and microphone.
func (s *s3Service) room(t *testing.T) (room string, recordings []string) {
	t.Helper()
	room = s.openRoom(t)
	for _, path := range files(t) {
		recordings = append(recordings, s.upload(t, room, path))
	}
	s.complete(t, room)
	return room, recordings
}

// compose creates a composition of all recordings of a room. Without video it has audio only, which takes less time.
func (s *s3Service) compose(t *testing.T, room string, withVideo bool) string {
	t.Helper()
	params := (&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"*"}).SetFormat("mp4").SetStatusCallback(s.callbacks.url)
	if withVideo {
		params.SetResolution("320x240").SetVideoLayout(map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}})
	}
	composition, err := s.api.VideoV1.CreateComposition(params)
	if err != nil {
		t.Fatal(err)
	}
	return *composition.Sid
}

// credential stores an access key of the bucket: the owner's, or that of the restricted writer.
func (s *s3Service) credential(t *testing.T, writer bool) string {
	t.Helper()
	pair := s.s3.AccessKey + ":" + s.s3.SecretKey
	if writer {
		pair = s.s3.WriterKey + ":" + s.s3.WriterPw
	}
	made, err := s.api.AccountsV1.CreateCredentialAws((&accounts.CreateCredentialAwsParams{}).SetCredentials(pair))
	if err != nil {
		t.Fatal(err)
	}
	return *made.Sid
}

// keys makes a key pair as Twilio's documentation says. It stores the public key and returns the path of the private key.
func (s *s3Service) keys(t *testing.T) (private, sid string) {
	t.Helper()
	private = filepath.Join(t.TempDir(), "private_key.pem")
	openssl(t, "genrsa", "-out", private, "2048")
	pem := openssl(t, "rsa", "-in", private, "-pubout")
	made, err := s.api.AccountsV1.CreateCredentialPublicKey((&accounts.CreateCredentialPublicKeyParams{}).SetPublicKey(pem))
	if err != nil {
		t.Fatal(err)
	}
	return private, *made.Sid
}

// openssl runs the openssl command and returns its output. It fails the test if the command fails.
func openssl(t *testing.T, arguments ...string) string {
	t.Helper()
	fixture.Need(t, "openssl")
	var stderr strings.Builder
	command := exec.Command("openssl", arguments...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", arguments, err, stderr.String())
	}
	return string(out)
}

// get sends an authenticated GET request. It does not follow redirects.
func (s *s3Service) get(t *testing.T, path string) (*http.Response, map[string]any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(s.account, s.token)
	answer, err := (&http.Transport{}).RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatalf("GET %s: %s: %v", path, answer.Status, err)
	}
	return answer, body
}

// download follows the redirect of a Media resource and stores the media in a file. headers are request headers.
func (s *s3Service) download(t *testing.T, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	answer, body := s.get(t, path)
	if answer.StatusCode != http.StatusFound {
		t.Fatalf("GET %s: %s %v", path, answer.Status, body)
	}
	return fetch(t, fmt.Sprint(body["redirect_to"]), headers...)
}

// fetch stores the content of a URL in a file.
func fetch(t *testing.T, address string, headers ...string) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer, save(t, answer.Body)
}

// save stores a body in a file.
func save(t *testing.T, body io.Reader) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "body"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, body); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// external fetches the object of a media_external_location as the owner of the bucket. It returns its headers and a file.
func (s *s3Service) external(t *testing.T, location string) (http.Header, string) {
	t.Helper()
	key, found := strings.CutPrefix(location, "http://"+s.proxy.Host+"/"+s.s3.Bucket+"/")
	if !found {
		t.Fatalf("%q is not in the bucket", location)
	}
	signed, err := s.s3.Admin.PresignedGetObject(t.Context(), s.s3.Bucket, key, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, path := fetch(t, signed.String())
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", location, answer.Status)
	}
	return answer.Header, path
}

// stored returns the names of the objects in a folder of the data folder.
func (s *s3Service) stored(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	root := filepath.Join(s.data, folder)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if err == nil && entry.Type().IsRegular() {
			name, _ := filepath.Rel(root, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// sameContent compares two files.
func sameContent(t *testing.T, one, other string) {
	t.Helper()
	sum := func(path string) [sha256.Size]byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(data)
	}
	if sum(one) != sum(other) {
		t.Errorf("%s and %s differ", one, other)
	}
}
