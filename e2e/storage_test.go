package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	video "github.com/twilio/twilio-go/rest/video/v1"

	"roomreel/e2e/fixture"
	"roomreel/internal/blob/s3/s3test"
)

// configuration is what a settings sample of Twilio's documentation sends.
type configuration struct {
	FriendlyName      string `json:"friendlyName"`
	AwsCredentialsSid string `json:"awsCredentialsSid,omitempty"`
	AwsS3Url          string `json:"awsS3Url,omitempty"`
	AwsStorageEnabled *bool  `json:"awsStorageEnabled,omitempty"`
	EncryptionKeySid  string `json:"encryptionKeySid,omitempty"`
	EncryptionEnabled *bool  `json:"encryptionEnabled,omitempty"`
}

func yes(b bool) *bool { return &b }

// configure sets the recording or the composition settings with one of Twilio's clients.
type configure func(t *testing.T, d *depot, kind string, c configuration)

// withGo is twilio-go.
func withGo(t *testing.T, d *depot, kind string, c configuration) {
	t.Helper()
	if err := d.configure(kind, c); err != nil {
		t.Fatalf("%v\n%s", err, d.said)
	}
}

func (d *depot) configure(kind string, c configuration) error {
	if kind == "recording" {
		params := (&video.CreateRecordingSettingsParams{}).SetFriendlyName(c.FriendlyName)
		if c.AwsStorageEnabled != nil {
			params.SetAwsStorageEnabled(*c.AwsStorageEnabled)
		}
		if c.EncryptionEnabled != nil {
			params.SetEncryptionEnabled(*c.EncryptionEnabled)
		}
		if c.AwsCredentialsSid != "" {
			params.SetAwsCredentialsSid(c.AwsCredentialsSid).SetAwsS3Url(c.AwsS3Url)
		}
		if c.EncryptionKeySid != "" {
			params.SetEncryptionKeySid(c.EncryptionKeySid)
		}
		_, err := d.api.VideoV1.CreateRecordingSettings(params)
		return err
	}
	params := (&video.CreateCompositionSettingsParams{}).SetFriendlyName(c.FriendlyName)
	if c.AwsStorageEnabled != nil {
		params.SetAwsStorageEnabled(*c.AwsStorageEnabled)
	}
	if c.EncryptionEnabled != nil {
		params.SetEncryptionEnabled(*c.EncryptionEnabled)
	}
	if c.AwsCredentialsSid != "" {
		params.SetAwsCredentialsSid(c.AwsCredentialsSid).SetAwsS3Url(c.AwsS3Url)
	}
	if c.EncryptionKeySid != "" {
		params.SetEncryptionKeySid(c.EncryptionKeySid)
	}
	_, err := d.api.VideoV1.CreateCompositionSettings(params)
	return err
}

// withNode is the npm package twilio.
func withNode(t *testing.T, d *depot, kind string, c configuration) {
	t.Helper()
	fixture.Need(t, "node")
	if _, err := os.Stat("clients/node/node_modules/twilio"); err != nil {
		if strings.Contains(os.Getenv("ROOMREEL_TEST_REQUIRE"), "node") {
			t.Fatal("npm twilio is required and not installed; scripts/setup.sh test installs it")
		}
		t.Skip("npm twilio is not installed; scripts/setup.sh test installs it")
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", "settings.js", kind, string(text))
	command.Dir = "clients/node"
	command.Env = append(os.Environ(), "ROOMREEL_URL="+d.url, "TWILIO_ACCOUNT_SID="+d.account, "TWILIO_AUTH_TOKEN="+d.token)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("node settings.js: %v\n%s", err, out)
	}
}

// TestStorage_SealedAndExternal is the whole way of "upload encrypted to an external bucket" and of "resetting default
// configuration", as Twilio's samples go, with a key that may only write.
func TestStorage_SealedAndExternal(t *testing.T) {
	for name, set := range map[string]configure{"twilio-go": withGo, "twilio-node": withNode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDepot(t)
			d.bucket.AllowWriter(t, "s3:PutObject")
			private, key := d.keys(t)
			aws := d.credential(t, true)
			for _, kind := range []string{"recording", "composition"} {
				set(t, d, kind, configuration{
					FriendlyName: "Upload encrypted", AwsCredentialsSid: aws, AwsS3Url: d.folder(kind),
					AwsStorageEnabled: yes(true), EncryptionKeySid: key, EncryptionEnabled: yes(true),
				})
			}

			// While the line is down, a recording is processing.
			up := make(chan struct{})
			d.faults.set(func(s3test.Request) s3test.Fault { <-up; return s3test.Fault{} })
			room, recordings := d.room(t)
			for _, sid := range recordings {
				if r, err := d.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "processing" || r.MediaExternalLocation != nil {
					t.Errorf("on its way, the recording is %+v, %v", r, err)
				}
			}
			if answer, _ := d.get(t, "/v1/Recordings/"+recordings[0]+"/Media"); answer.StatusCode != http.StatusNotFound {
				t.Errorf("its media: %s", answer.Status)
			}
			close(up)
			for i, sid := range recordings {
				location := d.wait(t, sid, "recording-completed").Get("MediaExternalLocation")
				if want := d.folder("recording") + "/" + d.account + "/" + sid; location != want+".mkv" && location != want+".mka" {
					t.Errorf("the recording is at %s, want %s.mk?", location, want)
				}
				header, sealed := d.external(t, location)
				sameContent(t, unsealed(t, private, header, sealed), files(t)[i])
				if r, err := d.api.VideoV1.FetchRecording(sid); err != nil || *r.Status != "completed" || *r.MediaExternalLocation != location {
					t.Errorf("delivered, the recording is %+v, %v", r, err)
				}
			}

			// What is sealed in a bucket can be composed, and the film goes there too.
			film := d.compose(t, room, true)
			available := d.wait(t, film, "composition-available")
			location := available.Get("MediaExternalLocation")
			if want := d.folder("composition") + "/" + d.account + "/" + film + ".mp4"; location != want {
				t.Errorf("the film is at %s, want %s", location, want)
			}
			header, sealed := d.external(t, location)
			plain := unsealed(t, private, header, sealed)
			plays(t, plain)
			if info, err := os.Stat(plain); err != nil || available.Get("Size") != fmt.Sprint(info.Size()) {
				t.Errorf("the film's size is said to be %s, and is %d", available.Get("Size"), info.Size())
			}
			answer, body := d.get(t, "/v1/Compositions/"+film+"/Media")
			if answer.StatusCode != http.StatusNotFound || !strings.Contains(fmt.Sprint(body["message"]), location) {
				t.Errorf("of a film whose key may not read, Media says %s %v, want where it is", answer.Status, body)
			}
			d.holdsNothingPlain(t, append(files(t), plain)...)

			for _, kind := range []string{"recording", "composition"} {
				set(t, d, kind, configuration{FriendlyName: "Reset", AwsStorageEnabled: yes(false), EncryptionEnabled: yes(false)})
			}
			again := d.compose(t, room, true)
			if at := d.wait(t, again, "composition-available").Get("MediaExternalLocation"); at != "" {
				t.Errorf("after the reset, a film went to %s", at)
			}
			_, path := d.download(t, "/v1/Compositions/"+again+"/Media")
			plays(t, path)
			if left := d.bucket.Unfinished(t); len(left) != 0 {
				t.Errorf("unfinished uploads of %v", left)
			}
		})
	}
}

// unsealed opens Twilio's envelope with openssl, as Twilio's documentation says.
func unsealed(t *testing.T, private string, header http.Header, sealed string) string {
	t.Helper()
	if got := header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("sealed media is served as %s", got)
	}
	if got := header.Get("X-Amz-Meta-X-Amz-Matdesc"); got != "{}" {
		t.Errorf("x-amz-matdesc is %q", got)
	}
	dir := t.TempDir()
	wrapped, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Key"))
	if err != nil {
		t.Fatal(err)
	}
	iv, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Iv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.bin.enc"), wrapped, 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, "rsautl", "-decrypt", "-inkey", private, "-in", filepath.Join(dir, "key.bin.enc"), "-out", filepath.Join(dir, "key.bin"))
	key, err := os.ReadFile(filepath.Join(dir, "key.bin"))
	if err != nil || len(key) != 32 {
		t.Fatalf("the key has %d bytes, %v", len(key), err)
	}
	plain := filepath.Join(dir, "plain")
	openssl(t, "enc", "-d", "-aes-256-cbc", "-in", sealed, "-out", plain, "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv))
	info, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got := header.Get("X-Amz-Meta-X-Amz-Unencrypted-Content-Length"); got != fmt.Sprint(info.Size()) {
		t.Errorf("unencrypted-content-length is %s, want %d", got, info.Size())
	}
	return plain
}

// plays holds a film to showing alice, alone, for three seconds.
func plays(t *testing.T, path string) {
	t.Helper()
	film := fixture.Open(t, path)
	if film.Duration < 2900*time.Millisecond || film.Duration > 3200*time.Millisecond {
		t.Errorf("the film lasts %v, want 3 s", film.Duration)
	}
	if who := fixture.Who(film.Sample(t, 1500*time.Millisecond)[0], image.Rect(0, 0, 320, 240), fixture.People); who != 0 {
		t.Errorf("the film shows %d, want alice", who)
	}
}

// holdsNothingPlain looks for pieces of plaintexts, and for any container, in every file of the data folder.
func (d *depot) holdsNothingPlain(t *testing.T, plaintexts ...string) {
	t.Helper()
	secrets := map[string][]byte{"a Matroska file": {0x1a, 0x45, 0xdf, 0xa3}, "an mp4 file": []byte("ftypisom"), "mp4 boxes": []byte("moov")}
	for _, path := range plaintexts {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []int{4, 2, 1} { // of the film: the beginning, the middle and the end are containers'
			at := len(data) / 5 * part
			secrets[fmt.Sprintf("%s at %d", filepath.Base(path), at)] = data[at : at+32]
		}
	}
	looked := 0
	err := filepath.WalkDir(d.data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for name, secret := range secrets {
			if at := bytes.Index(data, secret); at >= 0 && (len(secret) > 8 || at < 64) {
				t.Errorf("%s holds %s at %d", path, name, at)
			}
		}
		return nil
	})
	if err != nil || looked < 3 {
		t.Errorf("looked into %d files: %v", looked, err)
	}
}
