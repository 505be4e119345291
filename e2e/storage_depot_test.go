package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// depot is the service with an S3 server behind a line that can be broken, and somebody who listens to its callbacks.
type depot struct {
	*service
	api    *twilio.RestClient
	data   string
	set    []string // what it is started with
	bucket *s3test.Server
	line   *s3test.Proxy
	faults *faults
	told   *told
}

// openDepot starts the service on an empty folder. set are keys and values of its configuration.
func openDepot(t *testing.T, set ...string) *depot {
	t.Helper()
	d := prepareDepot(t, set...)
	d.start(t)
	return d
}

// prepareDepot is openDepot before the service starts.
func prepareDepot(t *testing.T, set ...string) *depot {
	t.Helper()
	d := &depot{data: t.TempDir(), bucket: s3test.Start(t), faults: &faults{}, told: listen(t)}
	d.line = d.bucket.Proxy(t, d.faults.plan)
	endpoint, err := json.Marshal([]map[string]any{{"host": d.line.Host, "region": s3test.Region, "path_style": true, "insecure": true}})
	if err != nil {
		t.Fatal(err)
	}
	d.set = append([]string{
		"webhook.allow=127.0.0.0/8", "s3.endpoints=" + string(endpoint), "compose.chunk=1s",
		"limits.reads_per_second=0", "limits.writes_per_second=0",
	}, set...)
	return d
}

// start starts the service, for the first time or once more.
func (d *depot) start(t *testing.T) {
	t.Helper()
	var arguments []string
	for _, set := range d.set {
		arguments = append(arguments, "--set", set)
	}
	before := d.service
	d.service = serve(t, d.data, arguments...)
	if before != nil {
		d.account, d.token = before.account, before.token
	}
	d.api = d.twilio(t)
}

// kill ends the service as a power failure would.
func (d *depot) kill() {
	d.command.Process.Kill()
	d.command.Wait()
}

// folder is the URL of a folder of the bucket, as a customer writes it.
func (d *depot) folder(name string) string {
	return "http://" + d.line.Host + "/" + d.bucket.Bucket + "/" + name
}

// faults says what happens on the line; nothing at first.
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

// first gives the first n requests that write a fault, and nothing to the others.
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

// told collects callbacks.
type told struct {
	url string

	mu      sync.Mutex
	events  []url.Values
	changed chan struct{}
}

func listen(t *testing.T) *told {
	c := &told{changed: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, r.PostForm)
		close(c.changed)
		c.changed = make(chan struct{})
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// of lists the events of a resource and of one kind that have come.
func (c *told) of(sid, event string) []url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	var of []url.Values
	for _, e := range c.events {
		if (e.Get("CompositionSid") == sid || e.Get("RecordingSid") == sid) && e.Get("StatusCallbackEvent") == event {
			of = append(of, e)
		}
	}
	return of
}

// wait returns a resource's event once it comes.
func (d *depot) wait(t *testing.T, sid, event string) url.Values {
	t.Helper()
	late := time.After(90 * time.Second)
	for {
		d.told.mu.Lock()
		changed := d.told.changed
		d.told.mu.Unlock()
		if of := d.told.of(sid, event); len(of) > 0 {
			return of[0]
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s: no %s\n%s", sid, event, d.said)
		}
	}
}

// eventually asks until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	late := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

// alice is a participant of three seconds whose files are made once.
var alice = sync.OnceValue(func() []fixture.Track {
	return fixture.Pair("alice", fixture.People[0], 0, 3*time.Second)
})

var aliceOnce sync.Once

// files makes alice's camera and microphone, and returns their paths.
func files(t *testing.T) []string {
	t.Helper()
	folder := filepath.Join(bin, "alice")
	aliceOnce.Do(func() {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		fixture.Room{Tracks: alice()}.Make(t, folder)
	})
	return []string{filepath.Join(folder, "alice-camera.mkv"), filepath.Join(folder, "alice-microphone.mka")}
}

// openRoom makes a room that tells us of its recordings.
func (d *depot) openRoom(t *testing.T) string {
	t.Helper()
	room, err := d.api.VideoV1.CreateRoom((&video.CreateRoomParams{}).SetStatusCallback(d.told.url))
	if err != nil {
		t.Fatal(err)
	}
	return *room.Sid
}

// upload adds a file to a room as alice's, and returns the recording.
func (d *depot) upload(t *testing.T, room, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(d.url, d.account, d.token)
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
		t.Fatalf("upload %s: %v\n%s", path, err, d.said)
	}
	return string(recording.SID)
}

func (d *depot) complete(t *testing.T, room string) {
	t.Helper()
	if _, err := d.api.VideoV1.UpdateRoom(room, (&video.UpdateRoomParams{}).SetStatus("completed")); err != nil {
		t.Fatal(err)
	}
}

// room makes a completed room of alice's camera and microphone.
func (d *depot) room(t *testing.T) (room string, recordings []string) {
	t.Helper()
	room = d.openRoom(t)
	for _, path := range files(t) {
		recordings = append(recordings, d.upload(t, room, path))
	}
	d.complete(t, room)
	return room, recordings
}

// compose asks for a film of all that is in a room: the sound alone, which is quick, unless pictures is set.
func (d *depot) compose(t *testing.T, room string, pictures bool) string {
	t.Helper()
	params := (&video.CreateCompositionParams{}).SetRoomSid(room).SetAudioSources([]string{"*"}).SetFormat("mp4").SetStatusCallback(d.told.url)
	if pictures {
		params.SetResolution("320x240").SetVideoLayout(map[string]any{"grid": map[string]any{"video_sources": []string{"*"}}})
	}
	composition, err := d.api.VideoV1.CreateComposition(params)
	if err != nil {
		t.Fatal(err)
	}
	return *composition.Sid
}

// credential stores a key pair of the bucket: the one that may do everything, or the writer's.
func (d *depot) credential(t *testing.T, writer bool) string {
	t.Helper()
	pair := d.bucket.AccessKey + ":" + d.bucket.SecretKey
	if writer {
		pair = d.bucket.WriterKey + ":" + d.bucket.WriterPw
	}
	made, err := d.api.AccountsV1.CreateCredentialAws((&accounts.CreateCredentialAwsParams{}).SetCredentials(pair))
	if err != nil {
		t.Fatal(err)
	}
	return *made.Sid
}

// keys makes a pair of keys as Twilio's documentation says, stores the public one, and returns the path of the other.
func (d *depot) keys(t *testing.T) (private, sid string) {
	t.Helper()
	private = filepath.Join(t.TempDir(), "private_key.pem")
	openssl(t, "genrsa", "-out", private, "2048")
	pem := openssl(t, "rsa", "-in", private, "-pubout")
	made, err := d.api.AccountsV1.CreateCredentialPublicKey((&accounts.CreateCredentialPublicKeyParams{}).SetPublicKey(pem))
	if err != nil {
		t.Fatal(err)
	}
	return private, *made.Sid
}

// openssl runs it, fails the test when it fails, and returns what it printed.
func openssl(t *testing.T, arguments ...string) string {
	t.Helper()
	fixture.Need(t, "openssl")
	var words strings.Builder
	command := exec.Command("openssl", arguments...)
	command.Stderr = &words
	out, err := command.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", arguments, err, words.String())
	}
	return string(out)
}

// get sends a signed-in GET and follows no redirect.
func (d *depot) get(t *testing.T, path string) (*http.Response, map[string]any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth(d.account, d.token)
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

// download follows a Media resource, as the API's clients do, and stores what is there. headers are further ones.
func (d *depot) download(t *testing.T, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	answer, body := d.get(t, path)
	if answer.StatusCode != http.StatusFound {
		t.Fatalf("GET %s: %s %v", path, answer.Status, body)
	}
	return fetch(t, fmt.Sprint(body["redirect_to"]), headers...)
}

// fetch stores what a URL holds in a file.
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

// external fetches what a media_external_location names, as the bucket's owner, and its headers.
func (d *depot) external(t *testing.T, location string) (http.Header, string) {
	t.Helper()
	key, found := strings.CutPrefix(location, "http://"+d.line.Host+"/"+d.bucket.Bucket+"/")
	if !found {
		t.Fatalf("%q is not in the bucket", location)
	}
	signed, err := d.bucket.Admin.PresignedGetObject(t.Context(), d.bucket.Bucket, key, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, path := fetch(t, signed.String())
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", location, answer.Status)
	}
	return answer.Header, path
}

// stored lists the objects of a folder of the data, by name.
func (d *depot) stored(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	root := filepath.Join(d.data, folder)
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
